// Random programs for property tests: functions of i32 and i64 that call each other, touch memory and globals, trap now
// and then, and always end, because every call uses up fuel.

import fc from 'fast-check';
import { type Exports, failure } from './kernels.ts';

type Type = 'i32' | 'i64';

/** Each group of functions has these signatures; they call each other across groups. */
const signatures: readonly { readonly params: readonly Type[]; readonly result: Type }[] = [
  { params: ['i32'], result: 'i32' },
  { params: ['i64', 'i32'], result: 'i64' },
  { params: [], result: 'i32' },
  { params: ['i32', 'i32', 'i64'], result: 'i64' },
  { params: ['i64'], result: 'i32' },
];

/**
 * What a program is made of: one expression for each function. `%k[n]` stands for a function of signature k; `(&k[n] ... @k[n])` is a call of
 * one, through the table if it is there.
 */
export interface RandomProgram {
  readonly text: string;
  readonly functions: number;
  /** The text of the same program, in which function `i` is `constantly(i)` instead. */
  readonly without: (i: number) => string;
}

/** Programs of `groups` times five functions; and `more`, in WAT. */
export function randomProgram(groups: number, more = ''): fc.Arbitrary<RandomProgram> {
  const group = fc.tuple(...signatures.map((s) => expression(s.result)));
  return fc.array(group, { minLength: groups, maxLength: groups }).map((group) => {
    const bodies = group.flat();
    return {
      text: toText(bodies, more),
      functions: bodies.length,
      without: (i) => toText(bodies, more, i),
    };
  });
}

/** Function `i` of every program as one that does nothing, under a name; in WAT. */
export function constantly(i: number, name: string): string {
  const { params, result } = signatureOf(i);
  return `(func ${name} (param ${params.join(' ')}) (result ${result}) (${result}.const 77))`;
}

const fuel = 400;

/** The others are inner functions, which not every policy gives a slot. */
const exportEvery = 3;

/** What the table leads to. */
const tableEvery = 4;

function toText(bodies: readonly string[], more: string, without?: number): string {
  const functions = bodies.map((body, i) => {
    const name = `$f${i} ${i % exportEvery === 0 ? `(export "f${i}")` : ''}`;
    if (i === without) return constantly(i, name);
    const { params, result } = signatureOf(i);
    const declared = params.map((p, k) => `(param $${p}${k} ${p})`).join(' ');
    // One more local of each type, so that every body has something to read.
    return `(func ${name} ${declared} (result ${result}) (local $i32 i32) (local $i64 i64)
      ${i % 5 === 4 && body.length < 60 ? '' : burn(result)} ${localised(body, params)})`;
  });
  const table = bodies.map((_, i) => (i % tableEvery === 0 ? `$f${i}` : '')).join(' ');
  const types = signatures.map(
    ({ params, result }, k) => `(type $s${k} (func (param ${params.join(' ')}) (result ${result})))`,
  );
  return `(module ${types.join(' ')}
    (memory (export "memory") 1)
    (global $fuel (export "fuel") (mut i32) (i32.const ${fuel}))
    (global $g (export "g") (mut i64) (i64.const 0))
    (table $t ${bodies.length} funcref) (elem (table $t) (i32.const 0) func ${table})
    ${functions.map((f) => named(f, bodies.length)).join('\n')}
    ${more})`;
}

function named(text: string, count: number): string {
  return text.replace(/([%&@])(\d)\[(\d+)\]/g, (_, sign: string, k: string, n: string) => {
    const f = callee(Number(k), Number(n), count);
    const inTable = f % tableEvery === 0;
    if (sign === '&') return inTable ? `call_indirect (type $s${k})` : `call $f${f}`;
    if (sign === '@') return inTable ? `(i32.const ${f / tableEvery})` : '';
    return `$f${f}`;
  });
}

const signatureOf = (i: number): (typeof signatures)[number] =>
  signatures[i % signatures.length] ?? { params: [], result: 'i32' };

const callee = (signature: number, n: number, count: number): number =>
  signature + signatures.length * (n % (count / signatures.length));

function burn(result: Type): string {
  return `(if (i32.eqz (global.get $fuel)) (then (return (${result}.const 3))))
    (global.set $fuel (i32.sub (global.get $fuel) (i32.const 1)))`;
}

/** `%i32`, `%i64`: the first parameter of that type, else the local. */
function localised(body: string, params: readonly Type[]): string {
  const name = (type: Type): string => {
    const k = params.indexOf(type);
    return k < 0 ? `$${type}` : `$${type}${k}`;
  };
  return body.replaceAll('%i32', name('i32')).replaceAll('%i64', name('i64'));
}

function expression(type: Type): fc.Arbitrary<string> {
  const constant = { i32: fc.integer(), i64: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }) };
  const both = fc.letrec<Record<Type, string>>((tie) => {
    const of = (t: Type): fc.Arbitrary<string> => {
      const other: Type = t === 'i32' ? 'i64' : 'i32';
      const arithmetic = ['add', 'sub', 'mul', 'xor', 'rotl', 'div_s', 'rem_u', 'shr_s'];
      const two = fc.tuple(tie(t), tie(t));
      const calls = signatures.flatMap(({ params, result }, k) =>
        result === t
          ? [
              fc
                .tuple(fc.nat(99), ...params.map((p) => tie(p)))
                .map(([n, ...operands]) => `(call %${k}[${n}] ${operands.join(' ')})`),
              fc
                .tuple(fc.nat(99), ...params.map((p) => tie(p)))
                .map(([n, ...operands]) => `(&${k}[${n}] ${operands.join(' ')} @${k}[${n}])`),
            ]
          : [],
      );
      return fc.oneof(
        { maxDepth: 5, depthSize: 'small', withCrossShrink: true },
        constant[t].map((n) => `(${t}.const ${n})`),
        fc.constant(`(local.get %${t})`),
        fc.tuple(fc.constantFrom(...arithmetic), two).map(([o, [a, b]]) => `(${t}.${o} ${a} ${b})`),
        fc.tuple(tie('i32'), two).map(([c, [a, b]]) => `(if (result ${t}) ${c} (then ${a}) (else ${b}))`),
        tie(other).map((e) => (t === 'i32' ? `(i32.wrap_i64 ${e})` : `(i64.extend_i32_s ${e})`)),
        tie(t).map((e) => `(local.tee %${t} ${e})`),
        tie('i32').map((a) => `(${t}.load (i32.and ${a} (i32.const 0xffff)))`),
        fc.tuple(tie('i32'), tie(t), tie(t)).map(([a, v, r]) => {
          return `(block (result ${t}) (${t}.store (i32.and ${a} (i32.const 0xfff0)) ${v}) ${r})`;
        }),
        tie('i64').map((e) => `(block (result ${t}) (global.set $g ${e}) (${t}.const 1))`),
        fc.tuple(tie(t), tie('i32')).map(([v, c]) => `(block $b (result ${t}) (br_if $b ${v} ${c}))`),
        ...calls,
      );
    };
    return { i32: of('i32'), i64: of('i64') };
  });
  return both[type];
}

/** Calls the exported functions a few times and gives all that can be seen: results, traps, memory, globals. */
export function observeProgram(x: Exports, { functions }: RandomProgram): unknown {
  const values: Record<Type, unknown[]> = { i32: [0, 1, -7], i64: [5n, -(2n ** 40n), 2n ** 62n] };
  const results: string[] = [];
  for (let round = 0; round < 3; round += 1) {
    for (let i = 0; i < functions; i += exportEvery) {
      x['fuel'].value = fuel;
      const operands = signatureOf(i).params.map((p, k) => values[p][(round + k) % 3]);
      results.push(failure(() => x[`f${i}`](...operands)));
    }
  }
  const memory = new Int32Array(x['memory'].buffer);
  return {
    results,
    fuel: x['fuel'].value,
    g: String(x['g'].value),
    memory: memory.reduce((sum, n) => (sum * 31 + n) | 0, 0),
  };
}
