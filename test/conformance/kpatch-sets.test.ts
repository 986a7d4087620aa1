// kpatch's cases of several patches, and of other options of compiler and linker (numbers of README.md).

import { describe, expect, test } from 'vitest';
import { type Edit, imports, kernelBuilds, kernelWith } from '../support/kpatch.ts';
import {
  compileDiff,
  contentsOf,
  everySlot,
  type Live,
  patchOf,
  run,
  runPlain,
} from '../support/two-builds.ts';

// Edits that do not touch each other, with what they make of the program.
const stack: readonly (readonly [
  name: string,
  edits: readonly Edit[],
  replaced: string,
  values: readonly number[],
])[] = [
  ['string', [['return seq_puts(x) * 2', 'return seq_puts(x) * 20']], 'cmdline', [40, 5, 7]],
  ['init', [['return x * 5', 'static int n = 8; return x * n']], 'cmdline_proc_init', [4, 8, 7]],
  ['mostly', [['return read_mostly + x', 'return read_mostly + x + 70']], 'use_read_mostly', [4, 5, 77]],
  ['again', [['return seq_puts(x) * 2', 'return seq_puts(x) * 200']], 'cmdline', [400, 5, 7]],
];
const values = (live: Live): unknown[] => [
  live.call('cmdline', 1),
  live.call('cmdline_proc_init', 1),
  live.call('use_read_mostly', 0),
];

describe('many at once', () => {
  test('74 COMBINED: all edits in one patch', async () => {
    const combined = stack.slice(0, 3).flatMap(([, edits]) => edits);
    const builds = await kernelBuilds(combined);
    const patch = await patchOf(builds, everySlot);
    expect(contentsOf(patch).replaced).toEqual(['cmdline', 'cmdline_proc_init', 'use_read_mostly']);
    const live = await run(builds.old, everySlot, imports);
    expect(values(live)).toEqual([4, 5, 7]);
    await live.patcher.apply(patch.bytes);
    expect(values(live)).toEqual([40, 8, 77]);
    await live.patcher.revert(undefined);
    expect(values(live)).toEqual([4, 5, 7]);
  });

  test('75 multiple.test: one patch after the other, off in reverse order', async () => {
    const live = await run(await kernelWith([]), everySlot, imports);
    const seen = [values(live)];
    for (const [name, edits] of stack) {
      await live.patcher.apply((await patchOf(await kernelBuilds(edits), { ...everySlot, name })).bytes);
      seen.push(values(live));
    }
    for (const [name] of stack.toReversed()) {
      await live.patcher.revert(name);
      seen.push(values(live));
    }
    const up = [
      [4, 5, 7],
      [40, 5, 7],
      [40, 8, 7],
      [40, 8, 77],
      [400, 8, 77],
    ];
    expect(seen).toEqual([...up, ...up.slice(0, -1).toReversed()]);
  });
});

describe('other compilers and options', () => {
  test('98 oot: with debug information, of which lines and files change', async () => {
    const builds = await kernelBuilds([['return x * 5', '\n\n  return x * 6']], ['-g']);
    const patch = await patchOf(builds, everySlot);
    expect(contentsOf(patch)).toEqual({ replaced: ['cmdline_proc_init'], added: [] });
    const { call, patcher } = await run(builds.old, everySlot, imports);
    await patcher.apply(patch.bytes);
    expect(call('cmdline_proc_init', 7)).toBe(42);
  });

  test('99 slots only where they are needed: the change moves to callers that have one', async () => {
    const builds = await kernelBuilds([
      ['int seq_puts(int x) { return x + 1; }', 'int seq_puts(int x) { return x + 2; }'],
    ]);
    const slots = { prepare: { slots: 'entry' } } as const;
    const patch = await patchOf(builds, slots);
    // seq_puts is address-taken, so it has a slot; what calls it may have inlined it.
    const { replaced } = contentsOf(patch);
    expect(replaced).toContain('seq_puts');
    const [live, plain] = [await run(builds.old, slots, imports), await runPlain(builds.new, imports)];
    await live.patcher.apply(patch.bytes);
    const look = (call: Live['call']): unknown[] => [
      call('cmdline', 1),
      call('use_clone', 1),
      call('use_scope', 1),
      call('run_op', 0, 5),
    ];
    expect(look(live.call)).toEqual(look(plain.call));
  });

  test('115 cmdline-ubsan: what the sanitizer knows of source lines is no state', async () => {
    const flags = ['-fsanitize=signed-integer-overflow', '-Wl,--allow-undefined'];
    const builds = await kernelBuilds(
      [
        [
          'EXPORT(cmdline_proc_init) int cmdline_proc_init(int x) { return x * 5',
          '\nEXPORT(cmdline_proc_init) int cmdline_proc_init(int x) { return x * 6',
        ],
      ],
      flags,
    );
    const patch = await patchOf(builds, everySlot);
    expect(contentsOf(patch)).toEqual({ replaced: ['cmdline_proc_init'], added: [] });
    const handlers = ['add', 'sub', 'mul', 'negate'].map((what) => [
      `__ubsan_handle_${what}_overflow`,
      () => overflows++,
    ]);
    let overflows = 0;
    const env = { ...imports['env'], ...Object.fromEntries(handlers) };
    const { call, patcher } = await run(builds.old, everySlot, { ...imports, env });
    await patcher.apply(patch.bytes);
    expect([call('cmdline_proc_init', 7), overflows]).toEqual([42, 0]);
    expect([call('cmdline_proc_init', 2 ** 30), overflows]).toEqual([-(2 ** 31), 1]);
  });

  test('116 sibling calls: tail calls of slots, of new functions, of pointers', async () => {
    const builds = await compileDiff(
      `
      #define EXPORT(name) __attribute__((noinline, export_name(#name)))
      #define TAIL __attribute__((musttail)) return
      typedef int (*next)(int, int);
      static int total;
+     static __attribute__((noinline)) int added(int n, int x) { total += n; return x + 1000; }
      EXPORT(last) int last(int n, int x) { total++; return x; }
      static volatile next then = last;
      EXPORT(even) int even(int n, int x);
      EXPORT(odd) int odd(int n, int x) { if (n == 0) TAIL then(n, x); TAIL even(n - 1, x); }
      int even(int n, int x) {
-       if (n == 0) TAIL last(n, x + 1);
+       if (n == 0) TAIL added(n + 5, x + 2);
        TAIL odd(n - 1, x);
      }
      EXPORT(get) int get(void) { return total; }`,
      { flags: ['-mtail-call'] },
    );
    const patch = await patchOf(builds, everySlot);
    expect(contentsOf(patch)).toEqual({ replaced: ['even'], added: ['added'] });
    const { call, patcher } = await run(builds.old, everySlot);
    const look = (): unknown[] => [call('even', 1_000_000, 1), call('even', 1_000_001, 1), call('get')];
    expect(look()).toEqual([2, 1, 2]);
    await patcher.apply(patch.bytes);
    expect(look()).toEqual([1003, 1, 8]);
    await patcher.revert(undefined);
    expect(look()).toEqual([2, 1, 10]);
  });
});
