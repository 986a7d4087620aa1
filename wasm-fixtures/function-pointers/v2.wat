;; A fee of two percent and at least 1, reached through a table, an address in memory, and a direct call.
(module
  (type $fee (func (param i32) (result i32)))
  (memory (export "memory") 1)
  (table $handlers 4 funcref)
  (elem (table $handlers) (i32.const 2) func $fee)
  (data (i32.const 64) "\02\00\00\00")

  (func $fee (export "fee") (type $fee)
    (local $two i32)
    (local.set $two (i32.div_s (local.get 0) (i32.const 50)))
    (select (local.get $two) (i32.const 1) (i32.gt_s (local.get $two) (i32.const 1))))

  (func $stored (export "stored") (param i32) (result i32)
    (call_indirect $handlers (type $fee) (local.get 0) (i32.load (i32.const 64))))

  (func $direct (export "direct") (param i32) (result i32)
    (call $fee (local.get 0))))
