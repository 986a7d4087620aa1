;; The replacement of `sum`; its type of an entry is the program's, because it looks the same.
(module
  (type $entry (struct (field $amount i32) (field $next (ref null $entry))))
  (import "target" "sum" (func $rest (param (ref null $entry)) (result i32)))

  (func $sum (export "sum") (param $entry (ref null $entry)) (result i32)
    (if (ref.is_null (local.get $entry))
      (then (return (i32.const 0))))
    (i32.add
      (struct.get $entry $amount (local.get $entry))
      (call $rest (struct.get $entry $next (local.get $entry))))))
