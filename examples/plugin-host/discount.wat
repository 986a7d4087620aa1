;; Ten percent off.
(module
  (func $discount (export "discount") (param $cents i32) (result i32)
    (i32.div_u (local.get $cents) (i32.const 10))))
