// What becomes of a kernel's custom sections when it is prepared.

import { describe, expect, test } from 'vitest';
import { findSlotMap } from '../../../src/patch/index.ts';
import { prepare } from '../../../src/prepare/index.ts';
import { version } from '../../../src/version.ts';
import {
  findCustom,
  readModule,
  readProducers,
  readSections,
  readTargetFeatures,
  Writer,
  writeProducers,
  writeTargetFeatures,
} from '../../../src/wasm/index.ts';
import { wat, withCustom, withoutNames } from '../../support/wat.ts';

const kernel = wat('(module (func $f (export "f") (param i32) (result i32) (local.get 0)))');

describe('custom sections', () => {
  const payload = Uint8Array.of(1, 2, 3);

  test('what cannot be kept right is left out and said; the rest is kept as it is', async () => {
    const stale = [
      'reloc.CODE',
      'linking',
      '.debug_info',
      'reloc..debug_info',
      'sourceMappingURL',
      'external_debug_info',
    ];
    const fresh = ['dylink.0', 'hello', 'component-type:x', 'producers', 'target_features'];
    const all = Object.fromEntries([...fresh, ...stale].map((name) => [name, payload]));
    const { bytes, report } = await prepare(withCustom(kernel, all));
    expect(report.dropped).toEqual(stale);
    const customs = readSections(bytes).filter((s) => s.id === 0);
    const hints = 'metadata.code.branch_hint';
    const ours = ['wgraft.original', 'wgraft.slots', 'build_id'];
    expect(customs.map((s) => s.name)).toEqual([hints, 'name', ...fresh, ...ours]);
    for (const s of customs.filter((c) => fresh.includes(c.name)))
      expect(bytes.subarray(s.payload, s.end)).toEqual(payload);
  });

  // - labels are named by their order in a function; f has a guard, whose branches come first, and g has none
  test.each([
    [false, 1],
    [true, 2],
  ])('labels keep their names; attention: %s', async (attention, branches) => {
    const two = wat(`(module (func $f (export "f") (block $a (loop $b))) (func $g (block $c)))`);
    const labels = (first: number): Uint8Array => {
      const inner = new Writer().u32(2);
      inner
        .u32(0)
        .u32(2)
        .u32(first)
        .name('a')
        .u32(first + 1)
        .name('b');
      return new Writer().section(3, inner.u32(1).u32(1).u32(0).name('c').view()).toBytes();
    };
    const { bytes } = await prepare(withCustom(withoutNames(two), { name: labels(0) }), {
      slots: 'entry',
      attention,
    });
    const names = findCustom(readSections(bytes), 'name');
    expect(bytes.subarray(names?.payload, names?.end)).toEqual(labels(branches));
  });

  test.each(['splice', 'binaryen'] as const)(
    '%s: producers and target_features tell of the additions',
    async (engine) => {
      const clang = { name: 'processed-by', producers: [{ name: 'clang', version: '22' }] };
      const bytes = withCustom(kernel, {
        target_features: writeTargetFeatures([
          { prefix: '+', name: 'bulk-memory' },
          { prefix: '-', name: 'reference-types' },
          { prefix: '+', name: 'sign-ext' },
        ]),
        producers: writeProducers([clang]),
      });
      const { bytes: prepared } = await prepare(bytes, { engine });
      const sections = readSections(prepared);
      const wgraft = { name: 'wgraft', version };
      expect(readProducers(prepared, sections)).toEqual([
        { ...clang, producers: [...clang.producers, wgraft] },
      ]);
      expect(readTargetFeatures(prepared, sections)?.map((f) => f.prefix + f.name)).toEqual([
        '+bulk-memory',
        '+mutable-globals',
        '+reference-types',
        '+sign-ext',
        '+tail-call',
      ]);
    },
  );

  test('a module without producers gets the section, one without features does not', async () => {
    const { bytes } = await prepare(kernel);
    const sections = readSections(bytes);
    expect(readProducers(bytes, sections)).toEqual([
      { name: 'processed-by', producers: [{ name: 'wgraft', version }] },
    ]);
    expect(readTargetFeatures(bytes, sections)).toBeUndefined();
  });

  test('damaged names and a damaged build id stop nothing', async () => {
    const bare = kernel.subarray(0, findCustom(readSections(kernel), 'name')?.start);
    const damaged = withCustom(bare, { name: Uint8Array.of(1, 4, 9, 9), build_id: Uint8Array.of(200, 1) });
    const { bytes } = await prepare(damaged);
    const name = findCustom(readSections(bytes), 'name');
    expect([...bytes.subarray(name?.payload, name?.end)]).toEqual([1, 4, 9, 9]);
    expect(findSlotMap(bytes)?.originalBuildId).toBeUndefined();
  });
});

describe('branch hints', () => {
  const text = (hook: string, call: string): string => `(module ${hook}
    (func $f (export "f") (param i32) (result i32)
      ${call}
      (@metadata.code.branch_hint "\\01")
      (if (local.get 0) (then (return (i32.const 1))))
      ${call}
      (@metadata.code.branch_hint "\\00")
      (if (i32.eq (local.get 0) (i32.const 5)) (then (return (i32.const 2))))
      (i32.const 3)))`;

  /** The opcode at each hinted place, and the hint. */
  function hints(bytes: Uint8Array): [opcode: number | undefined, hint: number | undefined][] {
    const m = readModule(bytes);
    const section = findCustom(m.sections, 'metadata.code.branch_hint');
    if (section === undefined) return [];
    const payload = [...bytes.subarray(section.payload, section.end)];
    const [functions, index = 0, count = 0, ...items] = payload;
    expect(functions).toBe(1);
    const body = m.bodies[index - m.imported.func];
    return Array.from({ length: count }, (_, i) => {
      const [offset = 0, size, hint] = items.slice(i * 3);
      expect(size).toBe(1);
      return [bytes[(body?.start ?? 0) + offset], hint];
    });
  }

  const forms = [
    ['no hook', '', ''],
    ['a hook', '(import "env" "__fentry__" (func $hook))', '(call $hook)'],
  ] as const;

  test.each(forms)('still stand at their branches: %s', async (_, hook, call) => {
    const bytes = wat(text(hook, call));
    const expected = [
      [4, 1],
      [4, 0],
    ];
    expect(hints(bytes)).toEqual(expected);
    for (const engine of ['splice', 'binaryen'] as const) {
      const { bytes: prepared, report } = await prepare(bytes, { engine, slots: 'all' });
      // splice says of each guard that its slot is not taken: `if` (4), likely (1), before the function's own.
      const guard = engine === 'splice' ? [[4, 1]] : [];
      expect([engine, hints(prepared), report.dropped]).toEqual([engine, [...guard, ...expected], []]);
    }
  });

  test('a guard has one in each function that has a slot, and in no other', async () => {
    const kernel = wat('(module (func $a (export "a")) (func $b (call $a)) (func $c (nop)))');
    const { bytes } = await prepare(kernel, { slots: 'auto' });
    const m = readModule(bytes);
    const section = findCustom(m.sections, 'metadata.code.branch_hint');
    // Functions 0 and 1; one hint each, of one byte: likely. The `if` stands behind the locals, `global.get N` and `i32.eqz`.
    expect([...bytes.subarray(section?.payload, section?.end)]).toEqual([2, 0, 1, 4, 1, 1, 1, 1, 4, 1, 1]);
    expect(bytes[(m.bodies[0]?.start ?? 0) + 4]).toBe(4);
  });

  test('damaged ones are left out and said', async () => {
    const bare = wat('(module (func (nop)))');
    const bytes = withCustom(bare, { 'metadata.code.branch_hint': Uint8Array.of(1, 0, 1, 99, 1, 1) });
    expect((await prepare(bytes)).report.dropped).toEqual(['metadata.code.branch_hint']);
  });
});
