// Cases that no other suite has and that a WebAssembly host needs (190-200); the README says which of them stand elsewhere.

import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { instantiate } from '../../src/host/index.ts';
import { Patcher } from '../../src/runtime/index.ts';
import { collected } from '../support/collected.ts';
import { pausing, returning, smooth, story } from '../support/quick-story.ts';

describe.runIf('promising' in WebAssembly)('191: instance suspended across apply, reverse, force', () => {
  interface Jspi {
    readonly promising: (f: unknown) => () => Promise<number>;
    readonly Suspending: new (f: () => Promise<void>) => WebAssembly.ImportValue;
  }

  // - an activation sleeps in the function that is changed; the patch waits, and is reversed while it sleeps
  // - the patch comes again, and is forced: the sleeper ends in the code that it began in, whoever comes is in the new one
  test('in the changed function', async () => {
    const jspi = WebAssembly as unknown as Jspi;
    let wake = (): void => {};
    const sleep = new jspi.Suspending(() => new Promise((resolve) => (wake = resolve)));
    const app = await story(
      '(module (import "env" "sleep" (func $sleep)) (func $work (export "work") (result i32) (call $sleep) (i32.const 1)))',
      { env: { sleep } },
    );
    const two = await app.another({ env: { sleep: new jspi.Suspending(() => Promise.resolve()) } });
    const patch = await app.patch('fix', 'work', returning('work', 2));
    const sleeper = jspi.promising(app.exports['work'])();
    const stalled = (): unknown => [
      app.states(),
      app.patcher.blockingNow().map((b) => [b.instance, b.state]),
    ];
    app.log();
    app.patcher.beginApply(patch);
    await expect.poll(stalled).toEqual([[0, 1], [[1, 'suspended']]]);
    expect(two.exports['work']()).toBe(2);
    await app.patcher.revert('fix');
    expect(await jspi.promising(two.exports['work'])()).toBe(1);

    app.patcher.beginApply(patch);
    await expect.poll(stalled).toEqual([[0, 1], [[1, 'suspended']]]);
    await app.patcher.force();
    expect(app.exports['work']()).toBe(2);
    wake();
    expect(await sleeper).toBe(1);
    expect(app.patcher.statusNow().programs[0]?.forced).toBe(true);
    expect(app.log()).toEqual([
      'apply fix: initializing',
      'apply fix: starting',
      'instance 2 -> universe 1',
      'apply fix: reversing',
      'instance 2 -> universe 2',
      'revert fix: completing',
      'revert fix: complete',
      'apply fix: initializing',
      'apply fix: starting',
      'instance 2 -> universe 3',
      'apply fix: forced',
      'instance 1 -> universe 3',
      'apply fix: completing',
      'apply fix: complete',
    ]);
  });
});

// - the program keeps function pointers that it took before the patch, during its transition, after it, and after its revert
// - all are the same, and reach what is in at the moment of the call
test('193: call_indirect with a cached index', async () => {
  const pause = pausing();
  const app = await story(
    `(module
      (import "env" "pause" (func $pause))
      (type $t (func (result i32)))
      (table 4 funcref)
      (elem (i32.const 1) $answer)
      (func $answer (result i32) (i32.const 1))
      (func $take (export "take") (result i32) (i32.const 1))
      (func $call (export "call") (param i32) (result i32) (call_indirect (type $t) (local.get 0)))
      (func $busy (export "busy") (result i32) (call $pause) (call $answer)))`,
    pause.imports,
  );
  const { take, call, busy } = app.exports;
  const patch = await app.patch(
    'fix',
    ['answer', 'busy'],
    `(module
    (import "target" "answer" (func $answer (result i32)))
    (elem declare func $answer)
    (func (export "answer") (result i32) (i32.const 2))
    (func (export "busy") (result i32) (call $answer)))`,
  );
  const indices = [take()];
  const seen: number[][] = [];
  const callAll = (): void => void seen.push(indices.map((i) => call(i)));
  callAll();
  pause.act = () => {
    pause.act = () => {};
    app.patcher.beginApply(patch);
    app.pump();
    indices.push(take());
    callAll();
  };
  expect(busy()).toBe(1);
  app.pump();
  indices.push(take());
  callAll();
  await app.patcher.revert();
  indices.push(take());
  callAll();
  expect(seen).toEqual([[1], [1, 1], [2, 2, 2], [1, 1, 1, 1]]);
});

// - the host keeps a function that only the patch has; the patch is reverted, and another one takes its place in the table
// - the kept function still works, with its own data; when nobody keeps it any more, it goes
test('194: ref.func stored in a host Map across unpatch', async () => {
  const kept = new Map<string, () => number>();
  const keep = (f: () => number): void => void kept.set('new', f);
  const app = await story(
    `(module
      (import "env" "keep" (func $keep (param funcref)))
      (memory (export "memory") 1)
      (func $answer (export "answer") (result i32) (i32.const 1)))`,
    { env: { keep } },
  );
  const text = `(module
    (import "target" "memory" (memory 0))
    (import "target" "keep" (func $keep (param funcref)))
    (import "patch" "memory_base" (global $base i32))
    (data (global.get $base) "\\2a")
    (elem declare func $own)
    (func $own (result i32) (i32.load8_u (global.get $base)))
    (func (export "answer") (result i32) (call $keep (ref.func $own)) (i32.const 2)))`;
  await app.patcher.apply(await app.patch('keeps', 'answer', text));
  expect(app.exports['answer']()).toBe(2);
  await app.patcher.revert('keeps');
  await app.patcher.apply(
    await app.patch('next', 'answer', text.replace('2a', '2b').replace('const 2', 'const 3')),
  );
  const ref = new WeakRef(kept.get('new') ?? {});
  expect(await collected([ref])).toEqual([false]);
  expect(kept.get('new')?.()).toBe(42);
  expect(app.exports['answer']()).toBe(3);
  expect(kept.get('new')?.()).toBe(43);
  expect(await collected([ref])).toEqual([true]);
});

describe('195: trap inside a callback', () => {
  const kernel = `(module
    (import "env" "trapping" (func $trapping (result i32)))
    (func $work (export "work") (result i32) (i32.const 1)))`;
  const callbacks = ['pre_patch', 'post_patch', 'pre_unpatch', 'post_unpatch'];
  const text = `(module
    (import "target" "trapping" (func $trapping (result i32)))
    (func $maybe (param i32) (if (i32.eq (local.get 0) (call $trapping)) (then (unreachable))))
    (func (export "work") (result i32) (i32.const 2))
    (func (export "__wgraft_pre_patch") (result i32) (call $maybe (i32.const 0)) (i32.const 0))
    ${[1, 2, 3].map((i) => `(func (export "__wgraft_${callbacks[i]}") (call $maybe (i32.const ${i})))`).join('\n')})`;

  // - one of the four traps: pre_patch refuses the patch, any other is told and changes nothing
  // - the next patch of the program works as if nothing had been
  test.each([
    ['pre_patch', ['prePatch trapped']],
    ['post_patch', ['prePatch done', 'postPatch trapped', 'preUnpatch done', 'postUnpatch done']],
    ['pre_unpatch', ['prePatch done', 'postPatch done', 'preUnpatch trapped', 'postUnpatch done']],
    ['post_unpatch', ['prePatch done', 'postPatch done', 'preUnpatch done', 'postUnpatch trapped']],
  ])('%s', async (name, outcomes) => {
    let trapping = callbacks.indexOf(name);
    const app = await story(kernel, { env: { trapping: () => trapping } });
    const patch = await app.patch('fix', 'work', text);
    const applied = app.patcher.apply(patch);
    if (name === 'pre_patch') {
      await expect(applied).rejects.toMatchObject({
        code: 'WGRAFT_ERR_PATCH_REFUSED',
        message: expect.stringContaining('unreachable'),
      });
    } else {
      await applied;
      expect(app.exports['work']()).toBe(2);
      await app.patcher.revert('fix');
    }
    expect([app.exports['work'](), app.patches()]).toEqual([1, []]);
    expect(app.log().flatMap((line) => /fix: (\w+ (?:done|trapped))$/.exec(line)?.[1] ?? [])).toEqual(
      outcomes,
    );
    trapping = -1;
    await app.patcher.apply(patch);
    expect(app.exports['work']()).toBe(2);
  });
});

// - the patch needs a host function that the program never had: one instance's host gives it, the other's does not
// - it is refused as a whole, and nothing of it is in either
test('196: a patch that needs what an instance does not have', async () => {
  const kernel = '(module (func $work (export "work") (result i32) (i32.const 1)))';
  const app = await story(kernel, { env: { extra: () => 7 } });
  const without = await app.another({});
  const text =
    '(module (import "env" "extra" (func $extra (result i32))) (func (export "work") (result i32) (call $extra)))';
  const patch = await app.patch('extra', 'work', text, { allowImports: ['env.extra'] });
  app.log();
  await expect(app.patcher.apply(patch)).rejects.toMatchObject({
    code: 'WGRAFT_ERR_STAGE_FAILED',
    message: expect.stringMatching(/nothing resolves its import .*extra/),
    details: { instance: 2 },
  });
  expect([app.exports['work'](), without.exports['work']()]).toEqual([1, 1]);
  expect(app.log()).toEqual(['apply extra: initializing', 'apply extra: cancelled']);
  app.patcher.release(without.instance);
  await app.patcher.apply(patch);
  expect(app.exports['work']()).toBe(7);
});

// - ten thousand instances switch, in slices between which the event loop turns
// - nearly all are dropped: the collector takes them, and the next transition knows only those that are left
test('198: 10 000 instances', async () => {
  const app = await story('(module (func $work (export "work") (result i32) (i32.const 1)))');
  const patch = await app.patch('fix', 'work', returning('work', 2));
  const make = (): WebAssembly.Instance => {
    const instance = new WebAssembly.Instance(app.module, {});
    app.patcher.adopt(instance, app.module);
    return instance;
  };
  const all = Array.from({ length: 9_999 }, make);
  let turns = 0;
  let going = true;
  const count = (): void => {
    turns += 1;
    if (going) setImmediate(count);
  };
  setImmediate(count);
  app.log();
  const { instances } = await app.patcher.apply(patch);
  going = false;
  expect(instances).toEqual({ done: 10_000, total: 10_000 });
  expect(turns).toBeGreaterThan(3);
  expect(app.log()).toHaveLength(10_004);
  const works = all.reduce((sum, { exports }) => sum + (exports['work'] as () => number)(), 0);
  expect(works).toBe(2 * 9_999);

  all.length = 10;
  for (let i = 0; i < 100 && app.states().length > 100; i += 1) {
    await turn();
    globalThis.gc?.();
  }
  expect(app.states().length).toBeLessThanOrEqual(100);
  app.log();
  const reverted = await app.patcher.revert();
  expect(reverted.instances.total).toBeLessThanOrEqual(100);
  expect(all.map(({ exports }) => (exports['work'] as () => number)())).toEqual(all.map(() => 1));
});

// - functions that end in return_call, return_call_indirect and return_call_ref, into slots and from a patch, a million deep
test('199: tail calls', async () => {
  const app = await story(`(module
    (type $t (func (param i32 i32) (result i32)))
    (table 2 funcref)
    (elem (i32.const 0) $indirect)
    (elem declare func $ref)
    (func $direct (export "direct") (type $t)
      (if (i32.eqz (local.get 0)) (then (return (local.get 1))))
      (return_call_indirect (type $t) (i32.sub (local.get 0) (i32.const 1)) (i32.add (local.get 1) (i32.const 1)) (i32.const 0)))
    (func $indirect (export "indirect") (type $t)
      (return_call_ref $t (local.get 0) (local.get 1) (ref.func $ref)))
    (func $ref (export "ref") (type $t)
      (return_call $direct (local.get 0) (local.get 1))))`);
  const run = (): number => app.exports['direct'](1_000_000, 0);
  expect(run()).toBe(1_000_000);
  const twice = `(module
    (type $t (func (param i32 i32) (result i32)))
    (import "target" "ref" (func $ref (type $t)))
    (func (export "indirect") (type $t)
      (return_call $ref (local.get 0) (i32.add (local.get 1) (i32.const 1)))))`;
  await app.patcher.apply(await app.patch('twice', 'indirect', twice));
  expect(run()).toBe(2_000_000);
  const thrice = `(module
    (type $t (func (param i32 i32) (result i32)))
    (import "original" "ref" (func $ref (type $t)))
    (func (export "ref") (type $t)
      (return_call $ref (local.get 0) (i32.add (local.get 1) (i32.const 1)))))`;
  await app.patcher.apply(await app.patch('thrice', 'ref', thrice));
  expect(run()).toBe(3_000_000);
  await app.patcher.revert('twice');
  expect(run()).toBe(2_000_000);
  expect(app.log()).toEqual([
    'instance 1 born',
    ...smooth('apply', 'twice', 1),
    ...smooth('apply', 'thrice', 2),
    ...smooth('revert', 'twice', 3),
  ]);
});

// - two builds differ in one byte of one function; the one that runs says that it is the other one
// - a patch for the other one fits its build id and is refused all the same: by the function, before anything is written
test('200: run-pre mismatch by one byte', async () => {
  const kernel = (n: number): string => `(module (func $work (export "work") (result i32) (i32.const ${n})))`;
  const other = await story(kernel(1));
  const app = await story(kernel(2));
  const [theirs, ours] = [other, app].map((a) =>
    Buffer.from(a.patcher.statusNow().programs[0]?.buildId ?? '', 'hex'),
  );
  const forged = Buffer.from(app.prepared);
  const place = forged.indexOf(ours ?? '');
  expect(place).toBeGreaterThan(0);
  theirs?.copy(forged, place);
  const patcher = new Patcher();
  const { instance } = await instantiate(forged, {}, { patcher });
  const events: unknown[] = [];
  patcher.subscribe((event) => void events.push(event));
  await expect(patcher.apply(await other.patch('fix', 'work', returning('work', 3)))).rejects.toMatchObject({
    code: 'WGRAFT_ERR_FUNCTION_MISMATCH',
    details: { function: 'work', what: 'body' },
  });
  expect([(instance.exports['work'] as () => number)(), events]).toEqual([2, []]);
});
