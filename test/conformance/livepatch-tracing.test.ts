// livepatch's test-ftrace.sh and test-kprobe.sh (cases 22-26): what else uses the entry of a function. Here the mechanism is the
// slot, and a tracer is a patch that wraps the original, or a stack trace that the host takes.

import { describe, expect, test } from 'vitest';
import { prepare } from '../../src/prepare/index.ts';
import { Patcher } from '../../src/runtime/index.ts';
import { pausing, returning, type Story, smooth, story } from '../support/quick-story.ts';
import { wat } from '../support/wat.ts';

const kernel = `(module
  (import "env" "pause" (func $pause))
  (global $hits (export "hits") (mut i32) (i32.const 0))
  (func $answer (export "answer") (result i32) (i32.const 1))
  (func $ask (export "ask") (result i32) (call $pause) (call $answer)))`;

const tracer = `(module
  (import "target" "hits" (global $hits (mut i32)))
  (import "original" "answer" (func $original (result i32)))
  (func (export "answer") (result i32)
    (global.set $hits (i32.add (global.get $hits) (i32.const 1)))
    (call $original)))`;

const host = { env: { pause: () => {} } };

/** What `answer` says, and how often the tracer has been hit by it. */
function probe({ exports }: Story): [answer: number, hits: number] {
  const before = exports['hits'].value;
  return [exports['ask'](), exports['hits'].value - before];
}

describe('22: livepatch interaction with ftrace_enabled sysctl', () => {
  // - the mechanism is off: in a module that was not prepared, and in a function without a slot
  test('nothing can be applied where there are no slots', async () => {
    const bytes = wat(kernel);
    const { instance, module } = await WebAssembly.instantiate(bytes, host);
    expect(() => new Patcher().adopt(instance, module, host)).toThrow(
      expect.objectContaining({ code: 'WGRAFT_ERR_NOT_PREPARED' }),
    );
    const unmarked = `(module
      (import "env" "__fentry__" (func $fentry))
      (func $inner (result i32) (i32.const 1))
      (func (export "ask") (result i32) (call $fentry) (call $inner)))`;
    const app = await story(unmarked, {}, { slots: 'all' });
    const patch = app.patch('fix', 'inner', '(module (func $inner (result i32) (i32.const 2)))');
    await expect(patch).rejects.toMatchObject({ code: 'WGRAFT_ERR_SLOT_MISSING' });
    expect([app.exports['ask'](), app.patches()]).toEqual([1, []]);
  });

  // - a patch is on: the program's own exports show nothing to switch the slots off with, and cannot be exchanged
  // - nor can an instance be taken out of the patcher's hands while it runs
  test('nothing can be switched off while a patch is on', async () => {
    const pause = pausing();
    const app = await story(kernel, pause.imports);
    await app.patcher.apply(await app.patch('fix', 'answer', returning('answer', 2)));
    expect(Object.keys(app.exports).sort()).toEqual(['answer', 'ask', 'hits']);
    expect(Object.isFrozen(app.exports)).toBe(true);
    pause.act = () => {
      expect(() => app.patcher.release(app.instance)).toThrow(
        expect.objectContaining({
          code: 'WGRAFT_ERR_INSTANCE_ACTIVE',
          details: expect.objectContaining({ functions: ['ask'] }),
        }),
      );
    };
    expect(app.exports['ask']()).toBe(2);
  });
});

describe('23: trace livepatched function and check that the live patch remains in effect', () => {
  // - the patch is on; what it brought says to the host where it is: the new function is in the stack trace, under its name
  test('by a stack trace', async () => {
    const pause = pausing();
    const app = await story(kernel, pause.imports);
    const text = `(module
      (import "target" "pause" (func $pause))
      (func $answer (export "answer") (result i32) (call $pause) (i32.const 2)))`;
    await app.patcher.apply(await app.patch('fix', 'answer', text));
    const traces: string[][] = [];
    pause.act = () => {
      const lines = new Error().stack?.split('\n') ?? [];
      traces.push(lines.flatMap((line) => /at (?:\S+\.)?(\S+) \(wasm:/.exec(line)?.[1] ?? []));
    };
    expect(app.exports['ask']()).toBe(2);
    expect(traces).toEqual([['ask'], ['answer', 'ask']]);
  });

  // - a tracer that wraps the function would call the program's own body, not the patch below it: it is refused
  // - put on again on top of the tracer, the patch is in effect
  test('not by a wrapper on top, which would switch the patch off', async () => {
    const app = await story(kernel, host);
    const [fix, trace] = [
      await app.patch('fix', 'answer', returning('answer', 2)),
      await app.patch('trace', 'answer', tracer),
    ];
    await app.patcher.apply(fix);
    await expect(app.patcher.apply(trace)).rejects.toMatchObject({
      code: 'WGRAFT_ERR_ORIGINAL_PATCHED',
      details: { patch: 'trace', does: 'calls', functions: ['answer'], below: ['fix'] },
    });
    expect(probe(app)).toEqual([2, 0]);
    await app.patcher.revert('fix');
    await app.patcher.apply(trace);
    await app.patcher.apply(fix);
    expect(probe(app)).toEqual([2, 0]);
  });
});

// - the function is traced by a wrapper; the patch comes on top, and is in effect
// - it goes: the traced original is back; the tracer goes too
test('24: livepatch a traced function and check that the live patch remains in effect', async () => {
  const app = await story(kernel, host);
  app.log();
  await app.patcher.apply(await app.patch('trace', 'answer', tracer));
  expect(probe(app)).toEqual([1, 1]);
  await app.patcher.apply(await app.patch('fix', 'answer', returning('answer', 2)));
  expect(probe(app)).toEqual([2, 0]);
  await app.patcher.revert('fix');
  expect(probe(app)).toEqual([1, 1]);
  await app.patcher.revert('trace');
  expect(probe(app)).toEqual([1, 0]);
  expect(app.log()).toEqual([
    ...smooth('apply', 'trace', 1),
    ...smooth('apply', 'fix', 2),
    ...smooth('revert', 'fix', 3),
    ...smooth('revert', 'trace', 4),
  ]);
});

// - a second patcher wants the slots of an instance that has a patcher: it is refused, and keeps nothing of it
// - the first one's patch remains in effect, and it can go on working
test('25: livepatch interaction with kprobed function with post_handler', async () => {
  const app = await story(kernel, host);
  await app.patcher.apply(await app.patch('fix', 'answer', returning('answer', 2)));
  const second = new Patcher();
  expect(() => second.adopt(app.instance, app.module, host)).toThrow(
    expect.objectContaining({ code: 'WGRAFT_ERR_NOT_PREPARED' }),
  );
  expect(second.statusNow().programs).toEqual([]);
  expect(app.exports['ask']()).toBe(2);
  await app.patcher.revert('fix');
  expect(app.exports['ask']()).toBe(1);
});

// - a patcher each for two instances of one module: neither gets into the other's way
test('26: livepatch interaction with kprobed function without post_handler', async () => {
  const app = await story(kernel, host);
  const other = await story(kernel, host);
  const { bytes } = await prepare(wat(kernel), { slots: 'all' });
  expect(Buffer.compare(bytes, app.prepared)).toBe(0);
  const patch = await app.patch('fix', 'answer', returning('answer', 2));
  await app.patcher.apply(patch);
  await other.patcher.apply(await app.patch('trace', 'answer', tracer));
  await other.patcher.apply(patch);
  await app.patcher.revert('fix');
  expect([probe(app), probe(other)]).toEqual([
    [1, 0],
    [2, 0],
  ]);
});
