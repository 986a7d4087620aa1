;; What a tenant pays, and how often it asked: state that a patch must not lose.
(module
  (global $asked (mut i32) (i32.const 0))
  (func $discount (param $cents i32) (result i32) (i32.const 0))
  (func $price (export "price") (param $cents i32) (result i32)
    (global.set $asked (i32.add (global.get $asked) (i32.const 1)))
    (i32.add
      (i32.sub (local.get $cents) (call $discount (local.get $cents)))
      (global.get $asked))))
