// Debug information behind guards. llvm-dwarfdump prints that of the kernel and that of the prepared module: the second text has
// to be the first one, with each address replaced by the one where the same instruction stands now.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Prepared, type PrepareOptions, prepare, prepareSync } from '../../../src/prepare/index.ts';
import { readModule, sectionIds, type WasmModule } from '../../../src/wasm/index.ts';
import { compileDebug, cPlusPlus, cPlusPlusFlags, everyClass } from '../../support/debug-builds.ts';
import { dump, dwarfdump } from '../../support/dwarfdump.ts';
import { movedCode } from '../../support/moved-code.ts';

/** Functions with inlined ones in them, locals that move about, and some that nobody calls and the linker leaves out. */
const program = Array.from(
  { length: 12 },
  (_, i) => `
static inline int step${i}(int *p, int n) {
  int sum = 0;
  for (int k = 0; k < n; k++) {
    int t = p[k] * ${i + 3};
    if (t & 1) sum += t; else sum ^= k;
  }
  return sum;
}
${i % 3 === 0 ? '' : `__attribute__((export_name("f${i}")))`}
int f${i}(int *p, int n) {
  int a = step${i}(p, n);
  if (a > n) { int b = a * n; p[0] = b; return step${i}(p + 1, b); }
  return a ${i % 3 === 2 ? `+ f${i - 1}(p, a) + f${i - 2}(p, n)` : ''};
}`,
).join('\n');

const codeStart = (m: WasmModule): number => m.sections.find((s) => s.id === sectionIds.code)?.payload ?? 0;

/** From address to address, both counted from the code section's payload. */
function mapper(kernel: Uint8Array, prepared: Uint8Array, hook?: number): (address: string) => string {
  const [old, next] = [readModule(kernel), readModule(prepared)];
  const { to } = movedCode(old, next, hook);
  const last = (old.bodies.at(-1)?.end ?? 0) - codeStart(old);
  return (address) => {
    const value = Number(address);
    if (value === 0 || value > last) return address;
    const found = to.get(value + codeStart(old));
    if (found === undefined) throw new Error(`no instruction at ${address}`);
    return `0x${(found - codeStart(next)).toString(16).padStart(address.length - 2, '0')}`;
  };
}

/** What is printed, but for where lists and tables stand in their sections; `move` maps addresses. */
function showInfo(text: string, move: (address: string) => string): string[] {
  let dead = false;
  return text.split('\n').map((line) => {
    const low = /^\s+DW_AT_low_pc\t\((.*)\)/.exec(line)?.[1];
    if (low !== undefined) dead = low === 'dead code' || low === '0xffffffff';
    return line
      .replace(/(DW_AT_\w+_pc\t\()(0x\w+)/, (_, name: string, a: string) => name + (dead ? a : move(a)))
      .replace(/\[(0x\w+), (0x\w+)\)/g, (_, start: string, end: string) => `[${move(start)}, ${move(end)})`)
      .replace(/(DW_AT_(?:stmt_list|\w+lists_base)\t\()0x\w+/, '$1-')
      .replace(/(\(indexed \(0x\w+\) \w+ = )0x\w+/, '$1-')
      .replace(/(DW_AT_(?:ranges|location|frame_base)\t\()0x\w+/, '$1-');
  });
}

function showLines(text: string, move: (address: string) => string): string[] {
  return text.split('\n').map((line) =>
    line
      .replace(/^(0x[0-9a-f]{16})( .*)$/, (_, address: string, row: string) => move(address) + row)
      .replace(/(total_length: )0x\w+/, '$1-')
      .replace(/^(debug_line\[)0x\w+/, '$1-'),
  );
}

const same = (address: string): string => address;
const debugSections = (wasm: Uint8Array): string[] =>
  readModule(wasm)
    .sections.map((s) => s.name)
    .filter((name) => name.startsWith('.debug_'));

async function expectMoved(
  kernel: Uint8Array,
  options: PrepareOptions = {},
  hook?: number,
): Promise<Prepared> {
  const made = await prepare(kernel, options);
  expect(debugSections(made.bytes)).toEqual(debugSections(kernel));
  expect(new Set(made.report.moved)).toEqual(new Set(debugSections(kernel)));
  const move = mapper(kernel, made.bytes, hook);
  const [info, newInfo] = await both(kernel, made.bytes, '--debug-info');
  expect(showInfo(newInfo, same)).toEqual(showInfo(info, move));
  const [lines, newLines] = await both(kernel, made.bytes, '--debug-line');
  expect(showLines(newLines, same)).toEqual(showLines(lines, move));
  expect(newInfo).not.toBe(info);
  expect(newLines).not.toBe(lines);
  return made;
}

function both(a: Uint8Array, b: Uint8Array, flag: string): Promise<[string, string]> {
  return Promise.all([dump(a, flag), dump(b, flag)]);
}

describe.skipIf(dwarfdump === undefined)('every address is where its instruction went', () => {
  describe.each(['-gdwarf-3', '-gdwarf-4', '-gdwarf-5'])('%s', (version) => {
    test.each([
      ['optimised: inlined functions, lists of ranges and of locations', ['-O2']],
      ['not optimised: sizes of bodies that are padded', ['-O0']],
      ['line tables only', ['-O2', '-gline-tables-only']],
    ])('%s', async (_, flags) => {
      const kernel = await compileDebug(program, [version, ...flags, version]);
      await expectMoved(kernel, { slots: 'all' });
      await expectMoved(kernel, { slots: 'entry' });
    });

    test('C++', async () => {
      const flags = [...cPlusPlusFlags, version, '-O1'];
      await expectMoved(await compileDebug(everyClass, flags, cPlusPlus), { slots: 'all' });
    });

    test('fentry: calls go away inside of bodies, and others get shorter', async () => {
      const flags = [version, '-Wl,--allow-undefined', '-finstrument-function-entry-bare'];
      const kernel = await compileDebug(program, flags);
      const { report } = await expectMoved(kernel, {}, 0);
      expect(report.fentry).toBe('__cyg_profile_func_enter_bare');
    });
  });

  test('.debug_aranges', async () => {
    const kernel = await compileDebug(program, ['-gdwarf-4', '-gdwarf-aranges']);
    const { bytes } = await expectMoved(kernel, { slots: 'all' });
    const sizes = (text: string): number[] =>
      [...text.matchAll(/\[(0x\w+), *(0x\w+)\)/g)].flatMap(([, a, b]) => [Number(a), Number(b)]);
    const [old, next] = await both(kernel, bytes, '--debug-aranges');
    const move = mapper(kernel, bytes);
    expect(sizes(next)).toEqual(sizes(old).map((a) => Number(move(`0x${a.toString(16)}`))));
    expect(sizes(next).length).toBeGreaterThan(8);
  });

  test('a verifier finds nothing that it did not find before', async () => {
    const kernel = await compileDebug(program, ['-gdwarf-5']);
    const { bytes } = await prepare(kernel, { slots: 'all' });
    expect(await dump(bytes, '--verify')).toContain('No errors');
  });
});

test('a module that is loaded right now gets the same', async () => {
  const kernel = await compileDebug(program, ['-gdwarf-5']);
  const { bytes } = await prepare(kernel, { slots: 'all' });
  expect(prepareSync(kernel, { slots: 'all' })?.bytes).toEqual(bytes);
});

describe('left out as a whole, and said', () => {
  const without = async (kernel: Uint8Array, options: PrepareOptions = {}): Promise<void> => {
    const { bytes, report } = await prepare(kernel, options);
    expect(debugSections(bytes)).toEqual([]);
    expect(report.moved).toEqual([]);
    expect(report.dropped).toEqual(expect.arrayContaining(debugSections(kernel)));
  };

  test('with the binaryen engine, which moves code in ways that nobody knows', async () =>
    without(await compileDebug(program, ['-gdwarf-4']), { engine: 'binaryen' }));

  test('where a section is not known: macros', async () =>
    without(await compileDebug(`#define ANSWER 42\n${program}`, ['-gdwarf-4', '-fdebug-macro'])));

  test('where it is damaged; the module is prepared all the same', async () => {
    const kernel = await compileDebug(program, ['-gdwarf-5', '-O2']);
    const debug = readModule(kernel).sections.filter((s) => s.name.startsWith('.debug_'));
    const place = fc
      .constantFrom(...debug)
      .chain(({ payload, end }) => fc.tuple(fc.integer({ min: payload, max: end - 1 }), fc.nat(255)));
    const kept = new Set<boolean>();
    fc.assert(
      fc.property(fc.array(place, { minLength: 1, maxLength: 8 }), (changes) => {
        const bytes = kernel.slice();
        for (const [at, value] of changes) bytes[at] = value;
        const prepared = prepareSync(bytes, { slots: 'all' })?.bytes ?? new Uint8Array();
        const names = debugSections(prepared);
        expect([0, debug.length]).toContain(names.length);
        kept.add(names.length > 0);
      }),
      { numRuns: 100, seed: 7 },
    );
    expect(kept.size).toBe(2);
  });
});
