// Patches on WASI programs whose `_start` never returns: where they are switched, what is asked of them meanwhile, what
// becomes of it when they do not come. Replacements are in WAT; every program is a process of its own.

import { describe, expect, test } from 'vitest';
import { buildPatch } from '../../../src/build/index.ts';
import { prepare } from '../../../src/prepare/index.ts';
import type { PatcherEvent } from '../../../src/runtime/index.ts';
import { compileC, compileCFile } from '../../support/compile-c.ts';
import { startWasi, type WasiTestProcess } from '../../support/wasi-process.ts';

/** Bound and pace of waiting; the machine may be busy. */
const soon = { timeout: 30_000, interval: 5 };

const headers = ['stdio', 'stdlib', 'string', 'time', 'unistd'].map((h) => `#include <${h}.h>\n`).join('');

/** `say` prints a version and a text; `answer` is what patches replace. */
const speaker = `${headers}
  #define KEEP __attribute__((noinline, used))
  KEEP void say(int version, const char *text) { printf("v%d %s", version, text); fflush(stdout); }
  KEEP void answer(const char *text) { say(1, text); }`;

const answerTwo = `(module
  (import "target" "say" (func $say (param i32 i32)))
  (func (export "answer") (param i32) (call $say (i32.const 2) (local.get 0))))`;

const converse = `${speaker}
  KEEP int converse(void) { char line[64]; while (fgets(line, sizeof line, stdin)) answer(line); return 0; }
  int main(void) { return converse(); }`;

async function prepared(source: string): Promise<Uint8Array> {
  return (await prepare(await compileC(source))).bytes;
}

async function patchOf(
  target: Uint8Array,
  name: string,
  replaced: string,
  text: string,
): Promise<Uint8Array> {
  const source = { kind: 'wat', text, file: `${name}.wat` } as const;
  return (await buildPatch({ target, name, replacements: [{ function: replaced, source }] })).bytes;
}

function story(events: readonly PatcherEvent[]): string[] {
  return events.map((e) => {
    if (e.type === 'transition') return `${e.direction} ${e.patch}: ${e.step}`;
    if (e.type === 'callback') return `${e.callback} ${e.outcome}`;
    return e.type === 'migrated' ? `migrated -> ${e.universe}` : `instance ${e.change}`;
  });
}

const lines = (app: WasiTestProcess): string[] => app.output.stdout.split('\n').slice(0, -1);

/** Sends a line and waits for the answer. */
async function ask(app: WasiTestProcess, line: string): Promise<string | undefined> {
  const before = lines(app).length;
  app.stdin.write(`${line}\n`);
  await expect.poll(() => lines(app).length, soon).toBe(before + 1);
  return lines(app).at(-1);
}

/** Waits until the program has left its last host call for good: that call may still take a request. */
async function untilBusy(app: WasiTestProcess): Promise<void> {
  await expect.poll(() => lines(app).length, soon).toBe(1);
  const busyMs = async (): Promise<number> => (await app.operations.status()).programs[0]?.busyMs ?? 0;
  await expect.poll(busyMs, soon).toBeGreaterThan(0);
}

describe('a server that waits for input', () => {
  // - requests before, between and after; apply while it sleeps in fd_read; revert; the same state all along
  test('is woken, switched and put back to sleep; state and requests are kept', async () => {
    const wasm = (await prepare(await compileCFile('wasm-fixtures/inventory/v1.c'))).bytes;
    const patch = await patchOf(
      wasm,
      'lower-bound',
      'check_quantity',
      `(module
        (import "original" "check_quantity" (func $original (param i32 i32) (result i32)))
        (import "target" "reply" (func $reply (param i32)))
        (import "target" "memory" (memory 1))
        (import "patch" "memory_base" (global $base i32))
        (data (offset (global.get $base)) "ERR quantity must be at least 1\\00")
        (func (export "check_quantity") (param i32 i32) (result i32)
          (if (i32.lt_s (local.get 1) (i32.const 1))
            (then (call $reply (global.get $base)) (return (i32.const 0))))
          (call $original (local.get 0) (local.get 1))))`,
    );
    await using app = await startWasi(wasm, { name: 'inventory' });
    expect(await ask(app, 'ADD apple 3')).toBe('1 OK apple 3');
    expect(await ask(app, 'TAKE apple -5')).toBe('2 OK apple 8');

    const applied = await app.operations.apply(patch);
    expect(applied).toMatchObject({
      program: 'inventory',
      patch: { name: 'lower-bound', functions: ['check_quantity'] },
      complete: true,
      universe: { from: 0, to: 1 },
      instances: { done: 1, total: 1 },
    });
    expect(await ask(app, 'TAKE apple -5')).toBe('3 ERR quantity must be at least 1');
    expect(await ask(app, 'TAKE apple 9')).toBe('4 ERR not enough in stock');
    expect(await ask(app, 'TOTAL')).toBe('5 OK 1 items 8 units 5 requests');
    const [program] = (await app.operations.status()).programs;
    expect(program).toMatchObject({
      name: 'inventory',
      universe: 1,
      instances: [{ id: 1, state: -1 }],
      patches: [{ name: 'lower-bound', state: 'applied', functions: ['check_quantity'] }],
    });
    expect(program?.busyMs).toBeUndefined();
    expect(await app.operations.verify(patch)).toMatchObject({ program: 'inventory', applied: true });

    expect(await app.operations.revert(undefined)).toMatchObject({ direction: 'revert', complete: true });
    expect(await ask(app, 'TAKE apple -5')).toBe('6 OK apple 13');
    expect(story(app.events)).toEqual([
      'apply lower-bound: initializing',
      'apply lower-bound: starting',
      'migrated -> 1',
      'apply lower-bound: completing',
      'apply lower-bound: complete',
      'revert lower-bound: initializing',
      'revert lower-bound: starting',
      'migrated -> 2',
      'revert lower-bound: completing',
      'revert lower-bound: complete',
    ]);
    app.stdin.end();
    expect(await app.exit).toEqual({ code: 0 });
  });

  // - a thousand requests without a pause; patches come and go meanwhile; every request has its answer, in order
  test('loses no request while patches come and go', async () => {
    const wasm = await prepared(converse);
    const patch = await patchOf(wasm, 'two', 'answer', answerTwo);
    await using app = await startWasi(wasm);
    const sending = (async () => {
      for (let i = 0; i < 1000; i++) {
        if (!app.stdin.write(`${i}\n`)) await new Promise((drained) => app.stdin.once('drain', drained));
        if (i % 10 === 0) await new Promise((turn) => setImmediate(turn));
      }
    })();
    for (let i = 0; i < 20; i++) {
      expect(await app.operations.apply(patch)).toMatchObject({ complete: true });
      expect(await app.operations.revert('two')).toMatchObject({ complete: true });
    }
    await sending;
    app.stdin.end();
    expect(await app.exit).toEqual({ code: 0 });
    expect(lines(app).map((line) => line.replace(/^v[12] /, ''))).toEqual(
      Array.from({ length: 1000 }, (_, i) => `${i}`),
    );
  });

  // - the changed function waits for input itself: the patch waits, says for whom, is reversed; applied again, and then the
  //   function is left, and entered anew in the new universe
  test('is not switched while it waits inside of the changed function', async () => {
    const wasm = await prepared(`${speaker}
      KEEP int serve_one(void) {
        char line[64];
        if (!fgets(line, sizeof line, stdin)) return 0;
        say(1, line);
        return 1;
      }
      int main(void) { while (serve_one()) time(NULL); return 0; }`);
    const patch = await patchOf(
      wasm,
      'other',
      'serve_one',
      `(module
        (import "original" "serve_one" (func $original (result i32)))
        (import "target" "say" (func $say (param i32 i32)))
        (import "target" "memory" (memory 1))
        (import "patch" "memory_base" (global $base i32))
        (data (offset (global.get $base)) "asks\\0a\\00")
        (func (export "serve_one") (result i32)
          (call $say (i32.const 2) (global.get $base))
          (call $original)))`,
    );
    await using app = await startWasi(wasm, { name: 'asker' });
    expect(await ask(app, 'one')).toBe('v1 one');
    await expect(app.operations.apply(patch, { timeoutMs: 1500 })).rejects.toMatchObject({
      code: 'WGRAFT_ERR_TRANSITION_STALLED',
      message: 'transition stalled: 1 of 1 instances still run "serve_one"',
      details: { program: 'asker', patch: 'other', done: 0, total: 1, functions: ['serve_one'] },
    });
    const [blocking] = await app.operations.blocking();
    expect(blocking).toMatchObject({ program: 'asker', instance: 1, functions: ['serve_one'] });
    expect(blocking?.blockedMs).toBeGreaterThan(0);
    expect(blocking?.stack.slice(0, 4)).toEqual(['_start', '__original_main', 'serve_one', 'fgets']);
    expect((await app.operations.status()).programs[0]).toMatchObject({
      instances: [{ id: 1, state: 0 }],
      patches: [{ name: 'other', state: 'applying' }],
      transition: { patch: 'other', direction: 'apply', instances: { done: 0, total: 1 } },
    });
    expect(await app.operations.revert('other')).toMatchObject({ direction: 'revert', complete: true });
    expect(await ask(app, 'two')).toBe('v1 two');

    const begun = await app.operations.apply(patch, { wait: false });
    expect(begun).toMatchObject({ complete: false, instances: { done: 0, total: 1 } });
    app.stdin.write('three\n');
    await expect.poll(() => lines(app), soon).toEqual(['v1 one', 'v1 two', 'v1 three', 'v2 asks']);
    expect((await app.operations.status()).programs[0]).toMatchObject({
      patches: [{ name: 'other', state: 'applied' }],
      transition: undefined,
    });
  });
});

describe('a program that', () => {
  test('sleeps for a day is switched in its sleep', async () => {
    const wasm = await prepared(`${speaker}
      int main(void) { say(0, "sleeps\\n"); sleep(86400); answer("slept\\n"); return 0; }`);
    const patch = await patchOf(wasm, 'two', 'answer', answerTwo);
    await using app = await startWasi(wasm);
    await expect.poll(() => lines(app), soon).toEqual(['v0 sleeps']);
    expect(await app.operations.apply(patch)).toMatchObject({
      complete: true,
      instances: { done: 1, total: 1 },
    });
    expect(lines(app)).toEqual(['v0 sleeps']);
  });

  test('was switched in its sleep sleeps on, as long as it wanted', async () => {
    const wasm = await prepared(`${speaker}
      static double now(void) { struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return t.tv_sec + t.tv_nsec / 1e9; }
      int main(void) {
        double start = now();
        say(0, "sleeps\\n");
        usleep(700000);
        answer(now() - start >= 0.7 ? "slept\\n" : "woke early\\n");
        return 0;
      }`);
    const patch = await patchOf(wasm, 'two', 'answer', answerTwo);
    await using app = await startWasi(wasm);
    await expect.poll(() => lines(app), soon).toEqual(['v0 sleeps']);
    expect(await app.operations.apply(patch)).toMatchObject({ complete: true });
    expect(await app.exit).toEqual({ code: 0 });
    expect(lines(app)).toEqual(['v0 sleeps', 'v2 slept']);
  });

  test('never sleeps is switched between its host calls, even if one call in a thousand is fit for it', async () => {
    const wasm = await prepared(`${speaker}
      static volatile int one = 1;
      KEEP int work(void) { for (int i = 0; i < 1000; i++) time(NULL); return one; }
      int main(void) {
        say(0, "works\\n");
        while (work() == 1) time(NULL);
        say(2, "stops\\n");
        return 0;
      }`);
    const patch = await patchOf(
      wasm,
      'stop',
      'work',
      '(module (func (export "work") (result i32) (i32.const 2)))',
    );
    await using app = await startWasi(wasm);
    await expect.poll(() => lines(app), soon).toEqual(['v0 works']);
    await app.operations.apply(patch, { wait: false });
    expect(await app.exit).toEqual({ code: 0 });
    expect(lines(app)).toEqual(['v0 works', 'v2 stops']);
  });

  test('ends while a patch waits for it: whoever waits is told how', async () => {
    const wasm = await prepared(converse);
    const patch = await patchOf(
      wasm,
      'never',
      'converse',
      '(module (func (export "converse") (result i32) (i32.const 5)))',
    );
    await using app = await startWasi(wasm, { name: 'talker' });
    expect(await ask(app, 'hello')).toBe('v1 hello');
    await app.operations.apply(patch, { wait: false });
    const waiting = app.operations.revert('never').then(() => app.operations.apply(patch));
    const refused = expect(waiting).rejects.toMatchObject({
      code: 'WGRAFT_ERR_PROGRAM_ENDED',
      message: '"talker" has ended: exit code 0',
    });
    await expect.poll(() => app.operations.blocking(), soon).toMatchObject([{ functions: ['converse'] }]);
    await expect.poll(() => story(app.events).at(-1), soon).toBe('apply never: starting');
    app.stdin.end();
    await refused;
    expect(await app.exit).toEqual({ code: 0 });
  });

  test('is terminated during an apply: the same', async () => {
    const wasm = await prepared(
      `${speaker} int main(void) { answer("spins\\n"); for (volatile int i = 0;; i++); }`,
    );
    const patch = await patchOf(wasm, 'two', 'answer', answerTwo);
    await using app = await startWasi(wasm, { name: 'spinner' });
    await expect.poll(() => lines(app), soon).toEqual(['v1 spins']);
    const refused = expect(app.operations.apply(patch)).rejects.toMatchObject({
      code: 'WGRAFT_ERR_PROGRAM_ENDED',
      message: '"spinner" has ended: it was terminated',
    });
    await app.terminate();
    await refused;
  });
});

describe('a program that computes without a host call', () => {
  test('is asked all the same, and a patch for it stalls with the reason', async () => {
    const wasm = await prepared(
      `${speaker} int main(void) { answer("spins\\n"); for (volatile int i = 0;; i++); }`,
    );
    const patch = await patchOf(wasm, 'two', 'answer', answerTwo);
    await using app = await startWasi(wasm, { name: 'spinner' });
    await untilBusy(app);

    const first = (await app.operations.status()).programs[0];
    expect(first).toMatchObject({ name: 'spinner', universe: 0, patches: [], transition: undefined });
    expect(first?.busyMs).toBeGreaterThanOrEqual(99);
    expect(await app.operations.blocking()).toEqual([]);
    expect(await app.operations.verify(patch)).toMatchObject({ program: 'spinner', applied: false });

    const stalled = app.operations.apply(patch, { timeoutMs: 400 });
    stalled.catch(() => {});
    expect(await app.operations.blocking()).toMatchObject([
      { program: 'spinner', instance: 1, functions: [], stack: [], busyMs: expect.any(Number) },
    ]);
    await expect(stalled).rejects.toMatchObject({
      code: 'WGRAFT_ERR_TRANSITION_STALLED',
      message: expect.stringMatching(
        /^transition stalled: "spinner" has made no host call for \d+\.\ds, and can only be switched at one \(wgraft_safe_point, called in its loop, would be one\)$/,
      ),
      details: { program: 'spinner', patch: 'two', done: 0, total: 1, functions: [] },
    });
    // It is still in line and will be carried out: the program is not settled.
    const later = (await app.operations.status()).programs[0];
    expect(later).toMatchObject({
      universe: 0,
      patches: [],
      transition: { patch: 'two', direction: 'apply', instances: { done: 0, total: 1 } },
    });
    expect(later?.transition?.runningMs).toBeGreaterThanOrEqual(399);
    expect(later?.busyMs).toBeGreaterThan(first?.busyMs ?? 0);
  });

  test('does what it was asked when it comes to one', async () => {
    const wasm = await prepared(`${speaker}
      int main(void) {
        char line[64];
        say(0, "computes\\n");
        unsigned long long x = 1;
        for (int k = 0; k < 4; k++) // some seconds: long enough for what follows, however busy the machine is
          for (long i = 0; i < 1000000000; i++) x = x * 6364136223846793005ull + 1442695040888963407ull;
        answer(x ? "done\\n" : "?\\n");
        fgets(line, sizeof line, stdin);
        answer(line);
        return 0;
      }`);
    const patch = await patchOf(wasm, 'two', 'answer', answerTwo);
    await using app = await startWasi(wasm);
    await untilBusy(app);
    await expect(app.operations.apply(patch, { timeoutMs: 50 })).rejects.toMatchObject({
      code: 'WGRAFT_ERR_TRANSITION_STALLED',
    });
    // The patch is still in line; taken off again, and the same patch once more, all before the program looks up.
    const answers = [app.operations.revert('two'), app.operations.apply(patch)];
    expect(await Promise.all(answers)).toMatchObject([
      { direction: 'revert', complete: true },
      { direction: 'apply', complete: true },
    ]);
    // What it wrote at that call may still be on its way here.
    await expect.poll(() => lines(app), soon).toEqual(['v0 computes', 'v1 done']);
    await ask(app, 'hello');
    expect(lines(app)).toEqual(['v0 computes', 'v1 done', 'v2 hello']);
  });
});

describe('refused without disturbing the program:', () => {
  test('what is no patch, a patch for another program, one that is on, one that is not', async () => {
    const wasm = await prepared(converse);
    const patch = await patchOf(wasm, 'two', 'answer', answerTwo);
    const other = await prepared(`${converse} // another build\nint unused;`.replace('v%d %s', 'V%d %s'));
    const foreign = await patchOf(other, 'foreign', 'answer', answerTwo);
    await using app = await startWasi(wasm);
    const { operations } = app;
    await expect(operations.apply(new Uint8Array(1000))).rejects.toMatchObject({
      code: 'WGRAFT_ERR_WASM_MALFORMED',
    });
    await expect(operations.apply(wasm)).rejects.toMatchObject({ code: 'WGRAFT_ERR_NOT_A_PATCH' });
    await expect(operations.apply(foreign)).rejects.toMatchObject({ code: 'WGRAFT_ERR_BUILD_ID_MISMATCH' });
    await expect(operations.verify(foreign)).rejects.toMatchObject({ code: 'WGRAFT_ERR_BUILD_ID_MISMATCH' });
    await expect(operations.revert('two')).rejects.toMatchObject({ code: 'WGRAFT_ERR_PATCH_UNKNOWN' });
    expect(await operations.apply(patch)).toMatchObject({ complete: true });
    await expect(operations.apply(patch)).rejects.toMatchObject({ code: 'WGRAFT_ERR_PATCH_APPLIED' });
    expect(await ask(app, 'still there?')).toBe('v2 still there?');
  });
});
