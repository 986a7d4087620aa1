// libpulp's tests of what a patch reaches and does not disturb (cases 132-156, 162, 165, 170): the program's own data, exceptions,
// start-up, hosts that forbid things, patches that do not fit.

import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { returning, type Story, smooth, story } from '../support/quick-story.ts';

const answer = '(module (func $answer (export "answer") (result i32) (i32.const 1)))';

describe('135: access, 136: access2', () => {
  // - a global, a memory and a table that the program shows nobody: the patch reads and writes them
  // - two instances: each patch has those of its own instance
  test('hidden variables of the target', async () => {
    const app = await story(`(module
      (memory 1)
      (data (i32.const 16) "\\05")
      (global $hidden (mut i32) (i32.const 7))
      (table $hooks 2 funcref)
      (type $t (func (result i32)))
      (func $one (result i32) (i32.const 1))
      (func $bump (export "bump") (result i32) (global.set $hidden (i32.add (global.get $hidden) (i32.const 1))) (global.get $hidden))
      (func $answer (export "answer") (result i32) (i32.const 0))
      (func $hook (export "hook") (result i32) (call_indirect $hooks (type $t) (i32.const 0))))`);
    const two = await app.another();
    two.exports['bump']();
    const text = `(module
      (import "target" "memory" (memory 0))
      (import "target" "hidden" (global $hidden (mut i32)))
      (import "target" "hooks" (table $hooks 0 funcref))
      (import "target" "one" (func $one (result i32)))
      (elem declare func $one)
      (func (export "answer") (result i32)
        (table.set $hooks (i32.const 0) (ref.func $one))
        (i32.store8 (i32.const 16) (i32.add (i32.load8_u (i32.const 16)) (i32.const 1)))
        (global.set $hidden (i32.mul (global.get $hidden) (i32.const 10)))
        (i32.add (global.get $hidden) (i32.load8_u (i32.const 16)))))`;
    await app.patcher.apply(await app.patch('access', 'answer', text));
    expect([app.exports['answer'](), two.exports['answer']()]).toEqual([76, 86]);
    expect([app.exports['bump'](), two.exports['bump']()]).toEqual([71, 81]);
    await app.patcher.revert('access');
    expect([app.exports['answer'](), app.exports['bump'](), app.exports['hook']()]).toEqual([0, 72, 1]);
  });
});

describe('138: hidden, 139: visibility', () => {
  // - the replacement calls a function that only the program itself could call
  // - one that is not there is refused when the patch is built, with the name; nothing is applied
  test('hidden functions are there, unknown ones are refused', async () => {
    const app = await story(`(module
      (func $helper (param i32) (result i32) (i32.mul (local.get 0) (i32.const 3)))
      (func $answer (export "answer") (result i32) (call $helper (i32.const 1))))`);
    const calling = (name: string): string => `(module
      (import "target" "${name}" (func $helper (param i32) (result i32)))
      (func (export "answer") (result i32) (call $helper (i32.const 14))))`;
    await expect(app.patch('weak', 'answer', calling('helpers'))).rejects.toMatchObject({
      code: 'WGRAFT_ERR_FUNCTION_UNKNOWN',
      hint: 'did you mean "helper"?',
    });
    expect(app.patches()).toEqual([]);
    await app.patcher.apply(await app.patch('strong', 'answer', calling('helper')));
    expect(app.exports['answer']()).toBe(42);
  });
});

// - a host that makes no code from strings and lets the program reach no file, no other process and no worker
// - patches go on and off there, since nothing of it is needed: a module is compiled, and slots are written
test('143: mprotect_patch, 144: seccomp_disable', async () => {
  const app = await story(answer);
  const patch = await app.patch('fix', 'answer', returning('answer', 2));
  const encode = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');
  const program = `
    import { instantiate, Patcher } from ${JSON.stringify(new URL('../../dist/index.js', import.meta.url).href)};
    const patcher = new Patcher();
    const [prepared, patch] = process.argv.slice(1).map((text) => new Uint8Array(Buffer.from(text, 'base64')));
    const { instance } = await instantiate(prepared, {}, { patcher });
    const seen = [instance.exports.answer()];
    await patcher.apply(patch);
    seen.push(instance.exports.answer());
    await patcher.revert();
    seen.push(instance.exports.answer(), process.permission.has('fs.write'), process.permission.has('worker'));
    let fromString = 'code from strings';
    try { new Function('return 1')(); } catch (error) { fromString = error.name; }
    console.log(JSON.stringify([...seen, fromString]));`;
  const { stdout } = await promisify(execFile)(process.execPath, [
    '--permission',
    `--allow-fs-read=${fileURLToPath(new URL('../..', import.meta.url))}`,
    '--disallow-code-generation-from-strings',
    '--input-type=module',
    '--eval',
    program,
    encode(app.prepared),
    encode(patch),
  ]);
  expect(JSON.parse(stdout)).toEqual([1, 2, 1, false, false, 'EvalError']);
});

describe('147: cancel, 148: exception_handling', () => {
  const kernel = `(module
    (tag $oops (export "oops") (param i32))
    (func $risky (export "risky") (param i32) (result i32) (local.get 0))
    (func $middle (param i32) (result i32) (i32.add (call $risky (local.get 0)) (i32.const 1)))
    (func $catch (export "catch") (param i32) (result i32)
      (block $caught (result i32)
        (try_table (result i32) (catch $oops $caught) (call $middle (local.get 0))))))`;
  const throwing = `(module
    (import "target" "oops" (tag $oops (param i32)))
    (import "original" "risky" (func $original (param i32) (result i32)))
    (func $checked (param i32)
      (if (i32.gt_s (local.get 0) (i32.const 100)) (then (throw $oops (i32.const -1))))
      (if (i32.gt_s (local.get 0) (i32.const 10)) (then (unreachable))))
    (func (export "risky") (param i32) (result i32)
      (call $checked (local.get 0))
      (call $original (local.get 0))))`;

  // - the patch throws what the program catches, through functions of both; it traps, which the program does not catch
  // - the host throws into it with the program's tag: caught too. After all of it the patch comes off
  test('exceptions and traps go through patched functions', async () => {
    const app = await story(kernel);
    await app.patcher.apply(await app.patch('throws', 'risky', throwing));
    const run = app.exports['catch'];
    expect([run(1), run(101), run(2)]).toEqual([2, -1, 3]);
    expect(() => run(11)).toThrow(WebAssembly.RuntimeError);
    expect(() => app.exports['risky'](101)).toThrow(WebAssembly.Exception);
    await app.patcher.revert();
    expect([run(101), run(11)]).toEqual([102, 12]);
    expect(app.log()).toEqual([
      'instance 1 born',
      ...smooth('apply', 'throws', 1),
      ...smooth('revert', 'throws', 2),
    ]);
  });
});

// - a program with a start function that calls what will be patched: it has run, once, before anything of ours
// - a patch does not run it again; an instance that is born patched starts with the program's own code
test('149: constructor', async () => {
  const started: number[] = [];
  const app = await story(
    `(module
      (import "env" "started" (func $started (param i32)))
      (func $answer (export "answer") (result i32) (i32.const 1))
      (func $init (call $started (call $answer)))
      (start $init))`,
    { env: { started: (n: number) => void started.push(n) } },
  );
  await app.patcher.apply(await app.patch('fix', 'answer', returning('answer', 2)));
  const late = await app.another();
  expect([started, app.exports['answer'](), late.exports['answer']()]).toEqual([[1, 1], 2, 2]);
});

// - the replacement is not in the source; the function is not in the program: refused, and not left loaded
test('155: missing_function', async () => {
  const app = await story(answer);
  const one = app.patch('one', 'answer', '(module (func $other (result i32) (i32.const 2)))');
  await expect(one).rejects.toMatchObject({ code: 'WGRAFT_ERR_REPLACEMENT_MISSING' });
  await expect(app.patch('two', 'question', returning('question', 2))).rejects.toMatchObject({
    code: 'WGRAFT_ERR_FUNCTION_UNKNOWN',
  });
  expect([app.exports['answer'](), app.patches(), app.log()]).toEqual([1, [], ['instance 1 born']]);
});

// - a patch for another build of the program: refused with both build ids, and with what differs
test('156: buildid', async () => {
  const app = await story(answer);
  const other = await story(answer.replace('const 1', 'const 3'));
  const id = (s: Story): string => s.patcher.statusNow().programs[0]?.buildId ?? '';
  await expect(
    app.patcher.apply(await other.patch('fix', 'answer', returning('answer', 2))),
  ).rejects.toMatchObject({
    code: 'WGRAFT_ERR_BUILD_ID_MISMATCH',
    details: { expected: id(other), found: [id(app)], functions: ['answer'] },
  });
  expect([app.exports['answer'](), app.patches(), app.log()]).toEqual([1, [], ['instance 1 born']]);
});

// - instances come and go all the time, while patches go on and off, twenty times
// - each one says from its first call on what its program says at that moment, and goes on with the transitions that it meets
test('162: stress', async () => {
  const app = await story(answer);
  const patch = await app.patch('fix', 'answer', returning('answer', 2));
  let living: WebAssembly.Instance[] = [];
  let born = 0;
  let going = true;
  const call = ({ exports }: WebAssembly.Instance): number => (exports['answer'] as () => number)();
  const comeAndGo = (): void => {
    for (let i = 0; i < 10; i += 1) {
      const instance = new WebAssembly.Instance(app.module, {});
      app.patcher.adopt(instance, app.module);
      living.push(instance);
      born += 1;
    }
    for (const gone of living.splice(0, living.length - 25)) if (born % 20 === 0) app.patcher.release(gone);
    if (going) setImmediate(comeAndGo);
  };
  comeAndGo();
  for (let round = 0; round < 20; round += 1) {
    await app.patcher.apply(patch);
    expect(new Set([app, ...living].map((i) => call(i as WebAssembly.Instance)))).toEqual(new Set([2]));
    await app.patcher.revert('fix');
    expect(new Set([app, ...living].map((i) => call(i as WebAssembly.Instance)))).toEqual(new Set([1]));
  }
  going = false;
  living = [];
  expect(born).toBeGreaterThan(100);
  expect([app.patches(), app.patcher.blockingNow()]).toEqual([[], []]);
});
