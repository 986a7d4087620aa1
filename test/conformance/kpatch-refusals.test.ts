// kpatch's cases that must not become a patch (numbers of README.md), with what is said instead.

import { describe, expect, test } from 'vitest';
import { type Edit, imports, kernelBuilds } from '../support/kpatch.ts';
import { contentsOf, everySlot, patchOf, refusal, run } from '../support/two-builds.ts';

const refusals: Readonly<Record<string, readonly [edits: readonly Edit[], refusal: string]>> = {
  '70 warn-detect-FAIL, 76 ASSERT_RTNL-detect, 77 line-detect, 78 printk-index: only line numbers': [
    [['EXPORT(checked)', '\n\n\nEXPORT(checked)']],
    'WGRAFT_ERR_NOTHING_CHANGED (exit 3): only line numbers of assertions changed (in 1 functions)',
  ],
  'a comment': [
    [['EXPORT(checked)', '/* checked */ EXPORT(checked)']],
    'WGRAFT_ERR_NOTHING_CHANGED (exit 3): the two builds do the same: no function and no data changed',
  ],
  '71 meminfo-init-FAIL: another initial value': [
    [['static int limit = 10', 'static int limit = 20']],
    'WGRAFT_ERR_DATA_CHANGED (exit 4): the variable "limit" starts with another value in the new build; the running program keeps what it has',
  ],
  '71 another initial value, of a pointer in data': [
    [['{"second", seq_printf, &op_state}', '{"second", seq_puts, &op_state}']],
    'WGRAFT_ERR_DATA_CHANGED (exit 4): the variable "ops" starts with another value in the new build; the running program keeps what it has',
  ],
  '72 meminfo-init2-FAIL: a new constructor': [
    [
      [
        'EXPORT(set_limit)',
        'volatile int at_start;\n__attribute__((constructor)) static void init(void) { at_start = 3; }\nEXPORT(set_limit)',
      ],
    ],
    'WGRAFT_ERR_START_CODE_CHANGED (exit 4): "__wasm_call_ctors" changed, which runs only when a program starts',
  ],
  '73 symvers-disagreement-FAIL: the type of an export': [
    [['EXPORT(over_limit) int over_limit(int x)', 'EXPORT(over_limit) int over_limit(long long x)']],
    'WGRAFT_ERR_SIGNATURE_CHANGED (exit 4): the replacement of "over_limit.command_export" in the new build has type (i64) -> i32, not (i32) -> i32',
  ],
  '73 the type of a function whose address the program holds': [
    [
      [
        'NOINLINE int seq_printf(int x) { return x + 1000; }',
        'NOINLINE int seq_printf(long long x) { return x + 1000; }',
      ],
      ['{"second", seq_printf, &op_state}', '{"second", (handler)seq_printf, &op_state}'],
    ],
    'WGRAFT_ERR_SIGNATURE_CHANGED (exit 4): the replacement of "seq_printf" in the new build has type (i64) -> i32, not (i32) -> i32',
  ],
  '90 static-local-size-mismatch-issue-1053': [
    [['static char history[4]', 'static char history[8]']],
    'WGRAFT_ERR_DATA_CHANGED (exit 4): the variable "history" has another size: 4 bytes became 8',
  ],
  '92 unique-id: a second static variable of the same name in the same function': [
    [
      [
        'static int count = 200; return ++count; }',
        'if (second_step(0) == -1) { static int count = 300; return ++count; } static int count = 200; return ++count; }',
      ],
      ['int shared_total(void);', 'int shared_total(void);\nint second_step(int);'],
      [
        'EXPORT(moved) int moved(void) { static int calls = 0;',
        'EXPORT(moved) int moved(void) { if (second_step(0) == -1) { static int calls = 7; return ++calls; } static int calls = 0;',
      ],
    ],
    'WGRAFT_ERR_SYMBOL_AMBIGUOUS (exit 4): the builds have several things called "count_b.count", and which is which cannot be told',
  ],
  '111 import-ns: a new import that nobody allowed': [
    [['return clock_ms();', 'return clock_ms() + random_number();']],
    'WGRAFT_ERR_IMPORT_NOT_ALLOWED (exit 4): the new build imports "env.random", which the program does not import',
  ],
  'a new export and nothing else': [
    [['EXPORT(set_limit)', 'EXPORT(get_limit) int get_limit(void) { return limit; }\nEXPORT(set_limit)']],
    'WGRAFT_ERR_NOTHING_CHANGED (exit 3): the new build has more exports, which a running instance cannot gain, and no other change: get_limit',
  ],
};

describe('refused', () => {
  test.each(Object.entries(refusals))('%s', async (_, [edits, expected]) => {
    expect(await refusal(await kernelBuilds(edits), everySlot)).toBe(expected);
  });

  test('71 another initial value, until its author says that the running value may stay', async () => {
    const builds = await kernelBuilds([
      ['static int limit = 10', 'static int limit = 20'],
      ['return x > limit', 'return x >= limit'],
    ]);
    expect(await refusal(builds, { ...everySlot, keepData: ['history'] })).toContain(
      '"limit" starts with another value',
    );
    const patch = await patchOf(builds, { ...everySlot, keepData: ['limit'] });
    expect(contentsOf(patch)).toEqual({ replaced: ['over_limit'], added: [] });
    const { call, patcher } = await run(builds.old, everySlot, imports);
    call('set_limit', 12);
    await patcher.apply(patch.bytes);
    expect([11, 12].map((x) => call('over_limit', x))).toEqual([0, 1]);
  });

  test('90 the size of a variable cannot be kept', async () => {
    const builds = await kernelBuilds([['static char history[4]', 'static char history[8]']]);
    expect(await refusal(builds, { ...everySlot, keepData: 'all' })).toContain('4 bytes became 8');
  });
});
