// Which functions keep their slots because a main loop, which no patch can bring along, may be or call them.

import { describe, expect, test } from 'vitest';
import { findSlotMap } from '../../../src/patch/index.ts';
import { prepare } from '../../../src/prepare/index.ts';
import { largeProgram } from '../../support/table-program.ts';
import { wat } from '../../support/wat.ts';

/** The functions with a slot. `text` is a program that is large by its fillers, and whose own functions are small. */
async function slotsIn(text: string, slots: 'auto' | 'entry' = 'auto'): Promise<(string | undefined)[]> {
  const { bytes } = await prepare(wat(largeProgram(text)), { slots });
  return (findSlotMap(bytes)?.functions ?? []).filter((f) => f.slot !== undefined).map((f) => f.name);
}

/** main runs the loop, which turns by itself; each turn serves, and serving logs, as others do. */
const server = (exported: string): string => `
  (func (export "${exported}") (call $main))
  (func $main (call $loop))
  (func $loop (loop $again (call $turn) (br $again)) (call $loop))
  (func $turn (call $serve) (call $log))
  (func $serve (call $log) (call $step))
  (func $log (call $write))
  (func $write (nop))
  (func $step (call $deep))
  (func $deep (nop))
  (func $dead (call $write))`;

describe('small functions', () => {
  // - main to deep: each is called in one place only, and that place may be the loop
  // - log is called in two, so it is not the loop, but the loop may call it; write is one step too far away
  test.each(['_start', 'main', '__main_argc_argv', '__main_void', 'wasi_thread_start'])(
    'around the loop of a program that exports %s keep their slots',
    async (exported) => {
      const around = ['main', 'loop', 'turn', 'serve', 'log', 'step', 'deep'];
      expect(await slotsIn(server(exported))).toEqual([exported, ...around]);
    },
  );

  test('of a library have none', async () => {
    expect(await slotsIn(server('run'))).toEqual(['run']);
  });

  // - one is another module's function under the name of a main; two call each other, and nothing else does
  test('far from any loop have none, whatever is exported as main', async () => {
    const text = `
      (import "env" "main" (func $other))
      (export "main" (func $other))
      (func (export "run") (call $small) (call $other))
      (func $small (nop))
      (func $here (call $there))
      (func $there (call $here))`;
    expect(await slotsIn(text)).toEqual(['run']);
  });

  // - log is in the table, too, and would have its slot there: a patch of it would bring the loop along, which calls it directly
  test('keep theirs under entry, and as guards', async () => {
    const around = ['main', 'loop', 'turn', 'serve', 'log', 'step', 'deep'];
    expect(await slotsIn(server('_start'), 'entry')).toEqual(['_start', ...around]);
    const { bytes } = await prepare(
      wat(largeProgram(`(table 1 funcref) (elem (i32.const 0) $log) ${server('_start')}`)),
      { slots: 'entry' },
    );
    expect(findSlotMap(bytes)?.functions.flatMap((f) => f.tableEntries ?? [])).toEqual([]);
  });
});
