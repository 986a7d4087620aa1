// The activeness check sees exactly the frames of exactly the instance it is asked about.

import { describe, expect, test } from 'vitest';
import { canSeeFrames, type Frame, wasmFrames } from '../../../src/runtime/activeness.ts';
import { wat } from '../../support/wat.ts';

const module = new WebAssembly.Module(
  wat(`(module
    (import "env" "call" (func $call (param i32)))
    (func $inner (param i32) (call $call (local.get 0)))
    (func $outer (export "outer") (param i32) (call $inner (local.get 0)))
    (func $tail (export "tail") (param i32) (return_call $inner (local.get 0))))`),
);

type Enter = (depth: number) => void;
const enter = (instance: WebAssembly.Instance, name: string): Enter => instance.exports[name] as Enter;

describe('frames', () => {
  test('this engine passes the self-test', () => {
    expect(canSeeFrames()).toBe(true);
  });

  test('two instances of one module, interleaved, are told apart', () => {
    let seen: Frame[] = [];
    const made: WebAssembly.Instance[] = [];
    const call = (depth: number): void => {
      if (depth === 0) seen = wasmFrames();
      else enter(made[depth % 2] as WebAssembly.Instance, 'outer')(depth - 1);
    };
    made.push(
      new WebAssembly.Instance(module, { env: { call } }),
      new WebAssembly.Instance(module, { env: { call } }),
    );
    call(3);
    const ours = seen.filter((f) => made.includes(f.instance));
    expect(ours.map((f) => `${made.indexOf(f.instance)}:${f.func}`)).toEqual([
      '1:1',
      '1:2',
      '0:1',
      '0:2',
      '1:1',
      '1:2',
    ]);
  });

  test('a caller that left by a tail call is not listed', () => {
    let seen: Frame[] = [];
    const one = new WebAssembly.Instance(module, { env: { call: () => (seen = wasmFrames()) } });
    enter(one, 'tail')(0);
    expect(seen.filter((f) => f.instance === one).map((f) => f.func)).toEqual([1]);
  });

  test("the host's own stack trace settings are left alone", () => {
    const prepare = (): string => 'mine';
    const { prepareStackTrace, stackTraceLimit } = Error;
    Error.prepareStackTrace = prepare;
    Error.stackTraceLimit = 3;
    try {
      wasmFrames();
      expect([Error.prepareStackTrace, Error.stackTraceLimit]).toEqual([prepare, 3]);
    } finally {
      Object.assign(Error, { prepareStackTrace, stackTraceLimit });
    }
  });
});
