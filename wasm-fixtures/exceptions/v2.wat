;; A parser that throws, and one that catches.
(module
  (tag $bad_digit (param i32))

  (func $digit (param $c i32) (result i32)
    (if (i32.gt_u (i32.sub (local.get $c) (i32.const 48)) (i32.const 9))
      (then (throw $bad_digit (local.get $c))))
    (i32.sub (local.get $c) (i32.const 48)))

  (func $parse (export "parse") (param $c i32) (result i32)
    (call $digit (local.get $c)))

  (func $safe (export "safe") (param $c i32) (result i32)
    (block $caught (result i32)
      (return
        (try_table (result i32) (catch $bad_digit $caught)
          (call $parse (local.get $c)))))
    drop
    (i32.const -1)))
