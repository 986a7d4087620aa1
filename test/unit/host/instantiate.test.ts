// `instantiate` takes what WebAssembly.instantiate takes and gives what it gives.

import { describe, expect, test } from 'vitest';
import { instantiate } from '../../../src/host/index.ts';
import { prepare } from '../../../src/prepare/index.ts';
import { Patcher } from '../../../src/runtime/index.ts';
import { wat } from '../../support/wat.ts';

const kernel = wat(`(module
  (memory (export "memory") 1) (global $g (mut i32) (i32.const 0))
  (func $one (export "one") (result i32) (i32.const 1)))`);

describe('instantiate', () => {
  test('from bytes, from a buffer and from a module: module, instance and a handle', async () => {
    const { bytes } = await prepare(kernel);
    const patcher = new Patcher();
    for (const source of [bytes, bytes.buffer, new WebAssembly.Module(bytes)]) {
      const made = await instantiate(source, {}, { name: 'app', patcher });
      expect(made.module).toBeInstanceOf(WebAssembly.Module);
      expect(made.instance).toBeInstanceOf(WebAssembly.Instance);
      expect(made.wgraft.program).toBe('app');
    }
    expect(patcher.statusNow().programs[0]?.instances.map((i) => i.id)).toEqual([1, 2, 3]);
  });

  test('shows the exports of the kernel and no others, frozen and without a prototype, as the engine does', async () => {
    const { bytes } = await prepare(kernel);
    const plain = await WebAssembly.instantiate(kernel);
    const { instance } = await instantiate(bytes, {}, { patcher: new Patcher() });
    expect(Object.keys(instance.exports)).toEqual(Object.keys(plain.instance.exports));
    expect(Object.isFrozen(instance.exports)).toBe(true);
    expect(Object.getPrototypeOf(instance.exports)).toBeNull();
  });

  test('an instance is adopted once', async () => {
    const { bytes } = await prepare(kernel);
    const patcher = new Patcher();
    const { instance, module } = await instantiate(bytes, {}, { patcher });
    expect(patcher.adopt(instance, module).id).toBe(1);
    expect(patcher.statusNow().programs[0]?.instances).toHaveLength(1);
  });

  test("the engine's own options reach it: string builtins", async () => {
    const { bytes } = await prepare(
      wat(`(module
        (import "wasm:js-string" "length" (func $length (param externref) (result i32)))
        (func $twice (export "twice") (param externref) (result i32) (i32.mul (i32.const 2) (call $length (local.get 0)))))`),
    );
    const options = { builtins: ['js-string'], patcher: new Patcher() };
    const { instance } = await instantiate(bytes, {}, options);
    const { twice } = instance.exports as { twice: (text: string) => number };
    expect(twice('abc')).toBe(6);
    await expect(instantiate(bytes, {}, { patcher: new Patcher() })).rejects.toBeInstanceOf(TypeError);
  });

  test('a module that is not prepared is refused before it is instantiated', async () => {
    await expect(instantiate(kernel, {}, { name: 'plain' })).rejects.toMatchObject({
      code: 'WGRAFT_ERR_NOT_PREPARED',
      message: 'plain is not a prepared module',
    });
  });

  test("the engine's own errors come through", async () => {
    const { bytes } = await prepare(wat('(module (import "env" "f" (func)))'));
    await expect(instantiate(bytes, {})).rejects.toBeInstanceOf(TypeError);
    await expect(instantiate(new Uint8Array([0, 97, 115, 109, 2, 0, 0, 0]))).rejects.toBeInstanceOf(
      WebAssembly.CompileError,
    );
  });
});
