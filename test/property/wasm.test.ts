// The binary format under arbitrary values and arbitrary damage: what is written is read again; what is damaged is either
// read or refused as malformed. Nothing else is ever thrown.

import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { WgraftError } from '../../src/errors.ts';
import {
  bodyReader,
  checkRelocations,
  type Dylink,
  moveFunctionNames,
  type ProducerField,
  Reader,
  readBuildId,
  readDylink,
  readFunctionNames,
  readLinking,
  readModule,
  readProducers,
  readRelocated,
  readRelocations,
  readSections,
  readTargetFeatures,
  relocationTypes,
  Writer,
  walk,
  writeDylink,
  writeProducers,
  writeTargetFeatures,
} from '../../src/wasm/index.ts';
import { linkedProgram } from '../support/linked-program.ts';
import { wat } from '../support/wat.ts';

const u32 = fc.integer({ min: 0, max: 0xffff_ffff });
const s32 = fc.integer({ min: -0x8000_0000, max: 0x7fff_ffff });
const u64 = fc.bigInt({ min: 0n, max: 0xffff_ffff_ffff_ffffn });
const s64 = fc.bigInt({ min: -0x8000_0000_0000_0000n, max: 0x7fff_ffff_ffff_ffffn });
const name = fc.string({ unit: 'binary', maxLength: 20 });
const empty = new Uint8Array([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]);
const withSection = (section: string, payload: Uint8Array): Uint8Array =>
  new Writer().raw(empty).custom(section, payload).toBytes();

function check<T>(values: fc.Arbitrary<T>, property: (value: T) => void): void {
  const holds = fc.property(values, (value) => {
    property(value); // an assertion's result means nothing to fast-check
  });
  fc.assert(holds, { numRuns: 500 });
}

describe('what is written is read again', () => {
  const back = <T>(write: (out: Writer) => Writer, read: (r: Reader) => T): T => {
    const r = new Reader(write(new Writer(0)).toBytes());
    const value = read(r);
    r.finish('value');
    return value;
  };

  test('integers of every width', () => {
    check(u32, (n) =>
      expect(
        back(
          (w) => w.u32(n),
          (r) => r.u32(),
        ),
      ).toBe(n),
    );
    check(s32, (n) =>
      expect(
        back(
          (w) => w.s32(n),
          (r) => r.s32(),
        ),
      ).toBe(n),
    );
    check(s32, (n) =>
      expect(
        back(
          (w) => w.s32(n),
          (r) => r.s33(),
        ),
      ).toBe(n),
    );
    check(u64, (n) =>
      expect(
        back(
          (w) => w.u64(n),
          (r) => r.u64(),
        ),
      ).toBe(n),
    );
    check(s64, (n) =>
      expect(
        back(
          (w) => w.s64(n),
          (r) => r.s64(),
        ),
      ).toBe(n),
    );
    check(u64, (n) =>
      expect(
        back(
          (w) => w.u64(n).u8(7),
          (r) => [r.skip64(false), r.u8()],
        ),
      ).toEqual([undefined, 7]),
    );
    check(s64, (n) =>
      expect(
        back(
          (w) => w.s64(n).u8(7),
          (r) => [r.skip64(true), r.u8()],
        ),
      ).toEqual([undefined, 7]),
    );
    check(u32, (n) =>
      expect(
        back(
          (w) => w.padded(n, 5),
          (r) => r.u32(),
        ),
      ).toBe(n),
    );
  });

  test('relocated fields, padded as a linker does', () => {
    const leb = relocationTypes.find((t) => t.name === 'FUNCTION_INDEX_LEB');
    const int = relocationTypes.find((t) => t.name === 'MEMORY_ADDR_I32');
    if (leb === undefined || int === undefined) throw new Error('no such type');
    check(u32, (n) => expect(readRelocated(new Writer().padded(n, 5).toBytes(), 0, leb)).toBe(n));
    check(s32, (n) => expect(readRelocated(new Uint8Array(new Int32Array([n]).buffer), 0, int)).toBe(n));
  });

  test('names and vectors of them', () => {
    check(fc.array(name), (names) => {
      const read = back(
        (w) => w.vector(names, (n) => w.name(n)),
        (r) => r.vector('names', () => r.name()),
      );
      expect(read).toEqual(names);
    });
  });

  test('section maps: custom sections of any name and content', () => {
    check(fc.array(fc.tuple(name, fc.uint8Array({ maxLength: 300 }))), (customs) => {
      const out = new Writer().raw(empty);
      for (const [section, payload] of customs) out.custom(section, payload);
      const bytes = out.toBytes();
      const read = readSections(bytes).map((s) => [s.name, bytes.slice(s.payload, s.end)]);
      expect(read).toEqual(customs);
    });
  });

  test('function names, and moved ones', () => {
    const table = fc.uniqueArray(fc.tuple(fc.nat(10_000), name), { selector: ([index]) => index });
    check(fc.tuple(table, fc.nat(10_000)), ([names, gone]) => {
      const inner = new Writer();
      inner.vector(names, ([index, text]) => inner.u32(index).name(text));
      const payload = new Writer().section(1, inner.view()).toBytes();
      const move = (i: number): number | undefined => (i === gone ? undefined : i > gone ? i - 1 : i);
      const read = (p: Uint8Array): [number, string][] => {
        const bytes = withSection('name', p);
        return [...readFunctionNames(bytes, readSections(bytes))];
      };
      expect(read(payload)).toEqual(names);
      const expected = names.flatMap(([i, text]) => (i === gone ? [] : [[i > gone ? i - 1 : i, text]]));
      expect(read(moveFunctionNames(payload, { move }))).toEqual(expected);
    });
  });

  test('dylink.0', () => {
    const dylink: fc.Arbitrary<Dylink> = fc.record({
      memorySize: u32,
      memoryAlignment: u32,
      tableSize: u32,
      tableAlignment: u32,
      needed: fc.array(name, { maxLength: 5 }),
      exports: fc.array(fc.record({ name, flags: u32 }), { maxLength: 5 }),
      imports: fc.array(fc.record({ module: name, name, flags: u32 }), { maxLength: 5 }),
      runtimePath: fc.array(name, { maxLength: 5 }),
      unknown: fc.array(
        fc.record({ id: fc.integer({ min: 6, max: 255 }), payload: fc.uint8Array({ maxLength: 200 }) }),
        { maxLength: 3 },
      ),
    });
    check(dylink, (value) => {
      const bytes = withSection('dylink.0', writeDylink(value));
      expect(readDylink(bytes, readSections(bytes))).toEqual(value);
    });
  });

  test('producers and target features', () => {
    const producers = fc.array(fc.record({ name, version: name }), { maxLength: 5 });
    const fields: fc.Arbitrary<ProducerField[]> = fc.array(fc.record({ name, producers }), { maxLength: 4 });
    check(fields, (value) => {
      const bytes = withSection('producers', writeProducers(value));
      expect(readProducers(bytes, readSections(bytes))).toEqual(value);
    });
    const features = fc.array(fc.record({ prefix: fc.constantFrom('+', '-', '='), name }));
    check(features, (value) => {
      const bytes = withSection('target_features', writeTargetFeatures(value));
      expect(readTargetFeatures(bytes, readSections(bytes))).toEqual(value);
    });
  });
});

/** Everything that this room reads of a module. */
function readAll(bytes: Uint8Array): void {
  const m = readModule(bytes);
  readFunctionNames(bytes, m.sections);
  for (const read of [readDylink, readProducers, readTargetFeatures, readBuildId])
    attempt(() => read(bytes, m.sections));
  for (const read of [readLinking, readRelocations, checkRelocations]) attempt(() => read(m));
  for (const body of m.bodies) attempt(() => walk(bodyReader(bytes, body), () => {}));
}

/** 'read', or 'malformed'; anything else that is thrown fails the test. */
function attempt(read: () => void): 'read' | 'malformed' {
  try {
    read();
    return 'read';
  } catch (error) {
    if (WgraftError.is(error, 'WGRAFT_ERR_WASM_MALFORMED')) {
      const { offset } = error.details;
      if (Number.isInteger(offset) && offset >= 0) return 'malformed';
    }
    throw error;
  }
}

describe('damage', () => {
  const kernels: Uint8Array[] = [];

  beforeAll(async () => {
    kernels.push(
      wat(`(module (rec (type $node (struct (field (ref null $node)) (field (mut i8)))) (type $list (array (mut i32))))
        (type $pair (func (param i32 i64) (result f32 f64)))
        (import "env" "f" (func $f (type $pair))) (import "env" "g" (global $g (mut i32)))
        (import "env" "m" (memory 1 2)) (import "env" "t" (tag (param i32)))
        (tag $t (param i64)) (global $own v128 (v128.const i64x2 1 2)) (table $table 2 8 funcref)
        (elem (table $table) (i32.const 1) func $f) (elem $lazy funcref (ref.null func) (ref.func $body))
        (data (i32.const 16) "hello") (data $late "bye")
        (export "body" (func $body)) (start $begin) (func $begin)
        (func $body (param f64) (result f64) (local i32 v128)
          (memory.init $late (i32.const 0) (i32.const 0) (i32.const 1))
          (block $out (block $in (br_table $in $out (local.get 1))))
          (local.set 2 (v128.load offset=9 (i32.const 4)))
          (drop (struct.new_default $node))
          (throw $t (i64.const -9))))`),
      await linkedProgram('plain'),
      await linkedProgram('shared'),
    );
  });

  test('cut at every byte, a module is read or malformed', () => {
    for (const kernel of kernels) {
      const results = new Map<string, number>();
      for (let end = 0; end < kernel.length; end += 1) {
        const result = attempt(() => readAll(kernel.subarray(0, end)));
        results.set(result, (results.get(result) ?? 0) + 1);
      }
      expect([...results.keys()].sort()).toEqual(['malformed', 'read']); // 'read' where a cut falls between sections
      expect(attempt(() => readAll(kernel))).toBe('read');
    }
  });

  test('with bytes changed, a module is read or malformed', () => {
    const change = fc.tuple(fc.double({ min: 0, max: 1, noNaN: true }), fc.nat(255));
    const damage = fc.tuple(fc.nat(2), fc.array(change, { minLength: 1, maxLength: 4 }));
    fc.assert(
      fc.property(damage, ([which, changes]) => {
        const bytes = (kernels[which] ?? new Uint8Array()).slice();
        for (const [place, value] of changes) bytes[Math.floor(place * (bytes.length - 1))] = value;
        attempt(() => readAll(bytes));
      }),
      { numRuns: 5000 },
    );
  });

  test('with a huge length put at any place, a module costs no memory', () => {
    const hugeLength = [0xff, 0xff, 0xff, 0xff, 0x0f];
    const peakBefore = process.resourceUsage().maxRSS;
    const buffersBefore = process.memoryUsage().arrayBuffers;
    for (const kernel of kernels) {
      for (let at = 8; at < kernel.length - hugeLength.length; at += 1) {
        const bytes = kernel.slice();
        bytes.set(hugeLength, at);
        attempt(() => readAll(bytes));
        if (at % 64 === 0)
          expect(process.memoryUsage().arrayBuffers - buffersBefore).toBeLessThan(100_000_000);
      }
    }
    expect(process.resourceUsage().maxRSS - peakBefore).toBeLessThan(250_000); // kB; one such length is 4 GB
  });

  test('of any bytes behind a header, nothing but malformed is thrown', () => {
    check(fc.uint8Array({ maxLength: 200 }), (tail) => {
      attempt(() => readAll(new Writer().raw(empty).raw(tail).toBytes()));
    });
  });
});
