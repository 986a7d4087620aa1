// A program of more than 8 kB of code, in which small functions have no guard: what its text does not say itself, fillers do.

const about240Bytes = '(drop (i32.const 1000000))'.repeat(48);

export const fillers = Array.from({ length: 40 }, (_, i) => `(func $filler${i} ${about240Bytes})`).join(' ');

/** A module in WAT, made large; what `text` declares keeps its indices. */
export function largeProgram(text: string): string {
  return `(module ${text} ${fillers})`;
}

/**
 * Numbers have methods, which a table that nobody else sees leads to: double (entries 1 and 3), triple (2), wait (4), which calls the
 * host. `direct`, and `deep` by way of `inner`, call double without the table.
 */
export const methods = largeProgram(`
  (type $method (func (param i32) (result i32)))
  (import "env" "pause" (func $pause))
  (table 5 funcref)
  (elem (i32.const 1) $double $triple $double $wait)
  (func $double (type $method) (i32.mul (local.get 0) (i32.const 2)))
  (func $triple (type $method) (i32.mul (local.get 0) (i32.const 3)))
  (func $wait (type $method) (call $pause) (local.get 0))
  (func $inner (type $method) (i32.add (call $double (local.get 0)) (i32.const 1)))
  (func (export "dispatch") (param i32 i32) (result i32)
    (call_indirect (type $method) (local.get 1) (local.get 0)))
  (func (export "direct") (param i32) (result i32) (call $double (local.get 0)))
  (func (export "deep") (param i32) (result i32) (call $inner (local.get 0)))`);
