// Small kernels, one for each thing that a module may have and preparing must not disturb. Each says what it needs from
// the host and what to do with it; doing that gives the same answer in every prepared form.

// biome-ignore lint/suspicious/noExplicitAny: exports of a fixture, whose types its WAT says
export type Exports = Record<string, any>;

export interface Kernel {
  readonly name: string;
  readonly text: string;
  /** Made anew for each instance. */
  readonly imports?: () => WebAssembly.Imports;
  readonly run: (x: Exports) => unknown;
  /** Where the binaryen engine must refuse it. */
  readonly gc?: true;
}

const range = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

const host = { tag: 'host object' };

export const kernels: readonly Kernel[] = [
  {
    name: 'every value type',
    text: `(module
      (elem declare func $i32)
      (func $i32 (export "i32") (param i32) (result i32) (i32.add (local.get 0) (i32.const 1)))
      (func (export "i64") (param i64) (result i64) (i64.mul (local.get 0) (i64.const -3)))
      (func (export "f32") (param f32) (result f32) (f32.sqrt (local.get 0)))
      (func (export "f64") (param f64) (result f64) (f64.neg (local.get 0)))
      (func $v128 (param v128 i32) (result v128) (i32x4.add (local.get 0) (i32x4.splat (local.get 1))))
      (func (export "v128") (param i32) (result i32)
        (i32x4.extract_lane 2 (call $v128 (v128.const i32x4 1 2 3 4) (local.get 0))))
      (func $pick (export "funcref") (param i32 funcref) (result funcref)
        (if (result funcref) (local.get 0) (then (local.get 1)) (else (ref.func $i32))))
      (func (export "externref") (param externref externref) (result externref)
        (if (result externref) (ref.is_null (local.get 0)) (then (local.get 1)) (else (local.get 0)))))`,
    run: (x) => [
      x['i32'](2 ** 31 - 1),
      x['i64'](2n ** 62n),
      x['f32'](2),
      x['f64'](-0),
      x['v128'](40),
      x['funcref'](1, null),
      x['funcref'](0, null)(6),
      x['externref'](null, host),
      x['externref'](host, 1) === host,
    ],
  },
  {
    name: 'several results',
    text: `(module
      (func $turn (export "turn") (param i32 i64 f64 f32) (result f32 f64 i64 i32)
        (local.get 3) (local.get 2) (local.get 1) (local.get 0))
      (func (export "block") (param i32) (result i32 i32)
        (local.get 0) (i32.const 5)
        (block (param i32 i32) (result i32 i32) (i32.add) (i32.const 7))))`,
    run: (x) => [x['turn'](1, 2n, 3.5, 0.25).map(String), x['block'](4)],
  },
  {
    name: '64 parameters',
    text: `(module (func $wide (export "wide") ${'(param i32)'.repeat(32)}${'(param i64)'.repeat(32)} (result i64)
        ${range(63)
          .map(() => '(i64.add')
          .join(' ')} (i64.extend_i32_u (local.get 0))
        ${range(63)
          .map((i) => i + 1)
          .map((i) =>
            i < 32
              ? `(i64.mul (i64.extend_i32_u (local.get ${i})) (i64.const ${i + 1})))`
              : `(i64.mul (local.get ${i}) (i64.const ${i + 1})))`,
          )
          .join(' ')})
      (func (export "narrow") (result i64) (call $wide ${range(32)
        .map((i) => `(i32.const ${i})`)
        .join(' ')}
        ${range(32)
          .map((i) => `(i64.const ${i * 1000})`)
          .join(' ')})))`,
    run: (x) => [x['narrow']().toString(), x['wide'](...range(32), ...range(32).map(BigInt)).toString()],
  },
  {
    name: 'tail calls',
    text: `(module
      (type $t (func (param i32) (result i32)))
      (table $f 2 2 funcref) (elem (table $f) (i32.const 0) func $even $odd)
      (func $even (export "even") (type $t)
        (if (result i32) (i32.eqz (local.get 0)) (then (i32.const 1))
          (else (return_call $odd (i32.sub (local.get 0) (i32.const 1))))))
      (func $odd (export "odd") (type $t)
        (if (result i32) (i32.eqz (local.get 0)) (then (i32.const 0))
          (else (return_call_indirect $f (type $t) (i32.sub (local.get 0) (i32.const 1)) (i32.const 0))))))`,
    run: (x) => [x['even'](100_000), x['odd'](100_001), x['even'](7)],
  },
  {
    name: 'recursion, a stack that ends, a trap',
    text: `(module
      (func $fib (export "fib") (param i32) (result i32)
        (if (result i32) (i32.lt_s (local.get 0) (i32.const 2)) (then (local.get 0))
          (else (i32.add (call $fib (i32.sub (local.get 0) (i32.const 1))) (call $fib (i32.sub (local.get 0) (i32.const 2)))))))
      (func $deep (export "deep") (result i32) (i32.add (call $deep) (i32.const 1)))
      (func (export "divide") (param i32 i32) (result i32) (i32.div_s (local.get 0) (local.get 1))))`,
    run: (x) => [
      x['fib'](15),
      failure(() => x['deep']()),
      failure(() => x['divide'](1, 0)),
      x['divide'](9, 2),
    ],
  },
  {
    name: 'memory, data, globals and a start function',
    text: `(module
      (import "env" "log" (func $log (param i32)))
      (import "env" "base" (global $base i32))
      (import "env" "counter" (global $counter (mut i32)))
      (memory (export "memory") 1 3)
      (data (i32.const 16) "kernel")
      (data $later "passive")
      (global $own (mut i64) (i64.const 7))
      (global $sum i32 (global.get $base))
      (start $begin)
      (func $begin (global.set $own (i64.const 9)) (call $log (i32.load8_u (i32.const 16))))
      (func (export "own") (result i64) (global.set $own (i64.add (global.get $own) (i64.const 1))) (global.get $own))
      (func (export "count") (result i32)
        (global.set $counter (i32.add (global.get $counter) (global.get $sum))) (global.get $counter))
      (func (export "load") (param i32) (result i32) (i32.load8_u (local.get 0)))
      (func (export "init") (memory.init $later (i32.const 64) (i32.const 0) (i32.const 7)) (data.drop $later))
      (func (export "grow") (result i32) (memory.grow (i32.const 1))))`,
    imports: () => ({
      env: { log: () => {}, base: 5, counter: new WebAssembly.Global({ value: 'i32', mutable: true }, 100) },
    }),
    run(x) {
      x['init']();
      const loads = range(70).map((i) => x['load'](i));
      return [
        String(x['own']()),
        String(x['own']()),
        x['count'](),
        loads,
        x['grow'](),
        x['grow'](),
        x['grow'](),
      ];
    },
  },
  {
    name: 'imported memory and table, functions called through them',
    text: `(module
      (import "env" "memory" (memory 1 4))
      (import "env" "table" (table $t 4 10 funcref))
      (import "env" "double" (func $double (param i32) (result i32)))
      (type $t (func (param i32) (result i32)))
      (elem (table $t) (i32.const 1) func $double $inc $double)
      (func $inc (export "inc") (type $t) (i32.store (i32.const 8) (local.get 0)) (i32.add (local.get 0) (i32.const 1)))
      (func (export "last") (result i32) (i32.load (i32.const 8)))
      (func (export "indirect") (param i32 i32) (result i32) (call_indirect $t (type $t) (local.get 1) (local.get 0)))
      (func (export "size") (result i32) (table.size $t)))`,
    imports: () => ({
      env: {
        memory: new WebAssembly.Memory({ initial: 1, maximum: 4 }),
        table: new WebAssembly.Table({ element: 'anyfunc', initial: 4, maximum: 10 }),
        double: (n: number) => 2 * n,
      },
    }),
    run: (x) => [
      ...range(5).map((i) =>
        i === 0 || i === 4 ? failure(() => x['indirect'](i, 21)) : x['indirect'](i, 21),
      ),
      x['last'](),
      x['size'](),
      x['inc'](1),
    ],
  },
  {
    name: 'several tables and element segments of every form',
    text: `(module
      (type $t (func (result i32)))
      (table $a (export "a") 3 5 funcref)
      (table $b 4 externref)
      (table $c 3 (ref null $t) (ref.func $two))
      (global $g (mut funcref) (ref.func $one))
      (elem (table $a) (i32.const 0) func $one $two)
      (elem $p func $two $one)
      (elem $e funcref (ref.func $three) (ref.null func))
      (elem declare func $four)
      (func $one (type $t) (i32.const 1))
      (func $two (type $t) (i32.const 2))
      (func $three (type $t) (i32.const 3))
      (func $four (type $t) (i32.const 4))
      (func (export "a_call") (param i32) (result i32) (call_indirect $a (type $t) (local.get 0)))
      (func (export "c_call") (param i32) (result i32) (call_ref $t (table.get $c (local.get 0))))
      (func (export "init") (table.init $a $p (i32.const 1) (i32.const 0) (i32.const 2)))
      (func (export "init2") (table.init $a $e (i32.const 0) (i32.const 0) (i32.const 1)) (elem.drop $e))
      (func (export "put") (table.set $c (i32.const 1) (ref.func $four)))
      (func (export "keep") (param externref) (result externref)
        (table.set $b (i32.const 2) (local.get 0)) (table.get $b (i32.const 2)))
      (func (export "g") (result funcref) (global.get $g)))`,
    run(x) {
      const a = (): unknown[] => range(4).map((i) => orFailure(() => x['a_call'](i)));
      const c = (): unknown[] => range(4).map((i) => orFailure(() => x['c_call'](i)));
      const before = [a(), c()];
      x['init']();
      x['init2']();
      x['put']();
      return [before, a(), c(), x['keep'](host) === host, x['g']()()];
    },
  },
  {
    name: 'two memories, 64-bit memory and table',
    text: `(module
      (type $t (func (param i64) (result i64)))
      (memory $m i64 1 4) (memory $n 1)
      (table $t i64 3 7 funcref)
      (elem (table $t) (i64.const 1) func $put)
      (func $put (export "put") (type $t) (i64.store $m (local.get 0) (local.get 0)) (i64.load $m (local.get 0)))
      (func (export "both") (param i32) (result i32)
        (i32.store8 $n (local.get 0) (i32.const 77)) (i32.add (i32.load8_u $n (local.get 0)) (i32.load8_u $m (i64.const 8))))
      (func (export "indirect") (param i64 i64) (result i64) (call_indirect $t (type $t) (local.get 1) (local.get 0)))
      (func (export "grow") (result i64) (memory.grow $m (i64.const 1))))`,
    run: (x) => [
      String(x['put'](8n)),
      x['both'](3),
      String(x['indirect'](1n, 16n)),
      failure(() => x['indirect'](0n, 16n)),
      failure(() => x['put'](2n ** 40n)),
      String(x['grow']()),
    ],
  },
  {
    name: 'shared memory and atomics',
    text: `(module
      (import "env" "memory" (memory 1 1 shared))
      (func $add (export "add") (param i32) (result i32) (i32.atomic.rmw.add (i32.const 4) (local.get 0)))
      (func (export "exchange") (param i32 i32) (result i32)
        (atomic.fence) (i32.atomic.rmw.cmpxchg (i32.const 4) (local.get 0) (local.get 1)))
      (func (export "notify") (result i32) (memory.atomic.notify (i32.const 4) (i32.const 1))))`,
    imports: () => ({ env: { memory: new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true }) } }),
    run: (x) => [x['add'](5), x['add'](6), x['exchange'](11, 3), x['add'](0), x['notify']()],
  },
  {
    name: 'exceptions, the old form',
    text: `(module
      (tag $number (export "number") (param i32))
      (tag $pair (param i32 i64))
      (func $throw (param i32)
        (if (local.get 0) (then (throw $number (local.get 0))) (else (throw $pair (i32.const 4) (i64.const 5)))))
      (func (export "catch") (param i32) (result i32)
        (try (result i32) (do (call $throw (local.get 0)) (i32.const -1))
          (catch $number (i32.add (pop i32) (i32.const 100)))
          (catch_all (i32.const 1000))))
      (func (export "through") (param i32) (call $throw (local.get 0))))`,
    run: (x) => [x['catch'](7), x['catch'](0), failure(() => x['through'](3))],
  },
  {
    name: 'exceptions, the new form',
    text: `(module
      (import "env" "tag" (tag $host (param i32)))
      (import "env" "throws" (func $throws (param i32)))
      (tag $own (export "own") (param i32))
      (func $throw (param i32) (if (i32.gt_s (local.get 0) (i32.const 10)) (then (throw $own (local.get 0))))
        (call $throws (local.get 0)))
      (func (export "catch") (param i32) (result i32)
        (block $mine (result i32)
          (block $theirs (result i32)
            (try_table (catch $own $mine) (catch $host $theirs) (call $throw (local.get 0)))
            (return (i32.const -1)))
          (return (i32.add (i32.const 500)))))
      (func (export "rethrow") (param i32)
        (block $again (result exnref)
          (try_table (catch_all_ref $again) (call $throw (local.get 0))) (return))
        (throw_ref)))`,
    imports() {
      const tag = new WebAssembly.Tag({ parameters: ['i32'] });
      const throws = (n: number): void => {
        if (n > 5) throw new WebAssembly.Exception(tag, [n]);
      };
      // The DOM's declarations do not know that a tag is an import value.
      return { env: { tag: tag as unknown as WebAssembly.ExportValue, throws } };
    },
    run: (x) => [
      x['catch'](12),
      x['catch'](8),
      x['catch'](1),
      failure(() => x['rethrow'](99)),
      x['rethrow'](1),
    ],
  },
  {
    name: 'GC types in recursion groups',
    gc: true,
    text: `(module
      (rec (type $node (struct (field i32) (field (mut (ref null $node))) (field (ref null $visit))))
           (type $visit (func (param (ref $node)) (result i32))))
      (type $shape (sub (struct (field i32))))
      (type $square (sub final $shape (struct (field i32) (field i32))))
      (type $bytes (array (mut i8)))
      (type $any (sub (func (param i32) (result i32))))
      (elem declare func $value)
      (func $value (type $visit) (struct.get $node 0 (local.get 0)))
      (func $make (export "make") (param i32 anyref) (result anyref)
        (struct.new $node (local.get 0) (ref.cast (ref null $node) (local.get 1)) (ref.func $value)))
      (func $sum (param (ref null $node)) (result i32)
        (if (result i32) (ref.is_null (local.get 0)) (then (i32.const 0))
          (else (i32.add (call_ref $visit (ref.as_non_null (local.get 0)) (struct.get $node 2 (local.get 0)))
                         (call $sum (struct.get $node 1 (local.get 0)))))))
      (func (export "sum") (param anyref) (result i32) (call $sum (ref.cast (ref null $node) (local.get 0))))
      (func $twice (export "twice") (type $any) (i32.mul (local.get 0) (i32.const 2)))
      (func (export "area") (param i32 i32) (result i32) (local $s (ref null $shape))
        (local.set $s (struct.new $square (local.get 0) (local.get 1)))
        (i32.mul (struct.get $shape 0 (local.get $s)) (struct.get $square 1 (ref.cast (ref $square) (local.get $s)))))
      (func (export "bytes") (param i32) (result i32) (array.len (array.new $bytes (i32.const 1) (local.get 0)))))`,
    run: (x) => [
      x['sum'](x['make'](1, x['make'](20, x['make'](300, null)))),
      x['twice'](21),
      x['area'](6, 7),
      x['bytes'](12),
      failure(() => x['sum'](x['make'](1, 5))),
    ],
  },
  {
    name: 'more than 256 functions',
    text: `(module
      (type $t (func (param i32) (result i32)))
      (table 700 funcref) (elem (i32.const 0) func ${range(700)
        .map((i) => `$f${i}`)
        .join(' ')})
      ${range(700)
        .map((i) => `(func $f${i} (param i32) (result i32) ${body(i)})`)
        .join('\n')}
      (func (export "call") (param i32 i32) (result i32) (call_indirect (type $t) (local.get 1) (local.get 0))))`,
    run: (x) => range(700).map((i) => x['call'](i, 3)),
  },
  {
    name: 'a function without parameters or results, an empty one',
    text: `(module (global $n (mut i32) (i32.const 0))
      (func $empty (export "empty"))
      (func (export "bump") (call $empty) (global.set $n (i32.add (global.get $n) (i32.const 1))))
      (func (export "n") (result i32) (global.get $n)))`,
    run(x) {
      x['empty']();
      x['bump']();
      x['bump']();
      return x['n']();
    },
  },
];

/** Each function calls another one, so that slots in the middle are passed too. */
function body(i: number): string {
  const own = `(i32.xor (local.get 0) (i32.const ${i * 7919}))`;
  return i % 5 === 0 || i < 300 ? own : `(call $f${i - 256} ${own})`;
}

/** How a call fails. */
export function failure(call: () => unknown): string {
  try {
    return `no failure: ${String(call())}`;
  } catch (error) {
    if (error instanceof WebAssembly.Exception) return 'WebAssembly.Exception';
    return error instanceof Error ? `${error.constructor.name}: ${error.message}` : String(error);
  }
}

function orFailure(call: () => unknown): unknown {
  try {
    return call();
  } catch {
    return 'trap';
  }
}
