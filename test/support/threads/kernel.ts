// A kernel for threads, in the shape of a wasi-threads program: imported shared memory, a table, a thread start function.
// Word 0 is the counter, word 4 a stop flag, word 8 a function pointer that all threads call through.

export const kernel = `(module
  (type $step (func (param i32) (result i32)))
  (import "env" "memory" (memory $memory 2 16 shared))
  (import "env" "gate" (func $gate (param i32)))
  (import "env" "deaf" (func $deaf (param i32)))
  (import "env" "host" (func $host))
  (import "wasi" "thread-spawn" (func $spawn (param i32) (result i32)))
  (table $table (export "table") 3 funcref)
  (elem (i32.const 1) $step $double)
  (func $step (type $step) (local.get 0))
  (func $double (type $step) (i32.mul (local.get 0) (i32.const 2)))
  ;; in no table
  (func $hidden (type $step) (i32.add (local.get 0) (i32.const 1000)))
  (func (export "grow") (param i32) (result i32) (table.grow $table (ref.null func) (local.get 0)))
  (func $answer (export "answer") (result i32) (i32.const 1))
  (func $where (export "where") (result i32) (i32.const 0))
  (func $pointer (export "pointer") (result i32) (i32.const 1))
  ;; waits at a gate inside the function that patches change
  (func $slow (export "slow") (param $n i32) (result i32) (call $gate (local.get $n)) (call $answer))
  (func $waitDeaf (export "waitDeaf") (param $n i32) (result i32) (call $deaf (local.get $n)) (call $answer))
  ;; waits in the host, outside of it
  (func $rest (export "rest") (param $n i32) (result i32) (call $gate (local.get $n)) (i32.const 0))
  (func $publish (export "publish") (i32.atomic.store (i32.const 8) (call $pointer)))
  (func $through (export "through") (param i32) (result i32)
    (call_indirect $table (type $step) (local.get 0) (i32.atomic.load (i32.const 8))))
  ;; adds to the shared counter until the stop flag is set, with a host call each time; says how often
  (func $work (export "work") (result i32) (local $n i32)
    (loop $more
      (drop (i32.atomic.rmw.add (i32.const 0) (call $step (i32.const 1))))
      (local.set $n (i32.add (local.get $n) (i32.const 1)))
      (call $host)
      (br_if $more (i32.eqz (i32.atomic.load (i32.const 4)))))
    (local.get $n))
  ;; the same without host calls
  (func $spin (export "spin") (result i32) (local $n i32)
    (loop $more
      (local.set $n (i32.add (local.get $n) (call $answer)))
      (br_if $more (i32.eqz (i32.atomic.load (i32.const 4)))))
    (call $answer))
  (func $start (export "wasi_thread_start") (param $tid i32) (param $arg i32)
    (drop (i32.atomic.rmw.add (local.get $arg) (call $answer))))
  (func (export "spawn") (param i32) (result i32) (call $spawn (local.get 0))))`;

/** Has data of its own, which counts, a function address of its own, and wants that of a function in no table. */
export const withPlaces = `(module
  (import "target" "memory" (memory 2 16 shared))
  (import "target" "table" (table 3 funcref))
  (import "patch" "memory_base" (global $base i32))
  (import "patch" "table_base" (global $first i32))
  (import "GOT.func" "hidden" (global $hidden (mut i32)))
  (data (global.get $base) "\\64\\00\\00\\00")
  (elem (global.get $first) $triple)
  (func $triple (param i32) (result i32) (i32.mul (local.get 0) (i32.const 3)))
  (func (export "where") (result i32) (global.get $base))
  (func (export "answer") (result i32) (i32.add (i32.atomic.rmw.add (global.get $base) (i32.const 1)) (i32.const 1)))
  (func (export "slow") (param i32) (result i32) (global.get $hidden))
  (func (export "pointer") (result i32) (global.get $first)))`;

/** The functions that `withPlaces` replaces. */
export const placed = ['where', 'answer', 'pointer', 'slow'] as const;

/** Replaces a function that returns an i32. */
export const returning = (name: string, value: number, params = ''): string =>
  `(module (func (export "${name}") ${params} (result i32) (i32.const ${value})))`;
