;; A list of garbage-collected objects that the program keeps. The mistake: `total` forgets the first of them.
(module
  (type $entry (struct (field $amount i32) (field $next (ref null $entry))))
  (global $entries (mut (ref null $entry)) (ref.null $entry))

  (func $add (export "add") (param $amount i32) (result i32)
    (global.set $entries (struct.new $entry (local.get $amount) (global.get $entries)))
    (local.get $amount))

  (func $sum (param $entry (ref null $entry)) (result i32)
    (if (ref.is_null (local.get $entry))
      (then (return (i32.const 0))))
    (if (ref.is_null (struct.get $entry $next (local.get $entry)))
      (then (return (i32.const 0))))
    (i32.add
      (struct.get $entry $amount (local.get $entry))
      (call $sum (struct.get $entry $next (local.get $entry)))))

  (func $total (export "total") (result i32)
    (call $sum (global.get $entries))))
