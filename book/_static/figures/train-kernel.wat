;; The inner loops of train-arithmetic.js, four float32 numbers at a time; what each does, it says in JavaScript, too.
;; All sizes are in bytes, except rows, columns, inner and images. tools/assemble.py makes train-kernel.js of this file.
(module
  (import "page" "memory" (memory 1))

  ;; to += A·B by four rows and eight columns at a time; the number of columns is a multiple of 8.
  (func (export "multiply") (param $to i32) (param $a i32) (param $b i32) (param $rows i32) (param $inner i32)
      (param $columns i32) (param $rowStep i32) (param $innerStep i32)
    (local $c i32) (local $k i32) (local $width i32) (local $out i32) (local $i i32) (local $j i32)
    (local $i1 i32) (local $i2 i32) (local $i3 i32)
    (local $b0 v128) (local $b1 v128) (local $x v128)
    (local $p0 v128) (local $p1 v128) (local $q0 v128) (local $q1 v128)
    (local $r0 v128) (local $r1 v128) (local $s0 v128) (local $s1 v128)
    (local.set $width (i32.shl (local.get $columns) (i32.const 2)))
    (block $done
      (loop $fours
        (br_if $done (i32.lt_s (local.get $rows) (i32.const 4)))
        (local.set $c (i32.const 0))
        (loop $across
          (local.set $out (i32.add (local.get $to) (local.get $c)))
          (local.set $p0 (v128.load (local.get $out)))
          (local.set $p1 (v128.load offset=16 (local.get $out)))
          (local.set $out (i32.add (local.get $out) (local.get $width)))
          (local.set $q0 (v128.load (local.get $out)))
          (local.set $q1 (v128.load offset=16 (local.get $out)))
          (local.set $out (i32.add (local.get $out) (local.get $width)))
          (local.set $r0 (v128.load (local.get $out)))
          (local.set $r1 (v128.load offset=16 (local.get $out)))
          (local.set $out (i32.add (local.get $out) (local.get $width)))
          (local.set $s0 (v128.load (local.get $out)))
          (local.set $s1 (v128.load offset=16 (local.get $out)))
          (local.set $k (local.get $inner))
          (local.set $i (local.get $a))
          (local.set $i1 (i32.add (local.get $i) (local.get $rowStep)))
          (local.set $i2 (i32.add (local.get $i1) (local.get $rowStep)))
          (local.set $i3 (i32.add (local.get $i2) (local.get $rowStep)))
          (local.set $j (i32.add (local.get $b) (local.get $c)))
          (loop $deep
            (local.set $b0 (v128.load (local.get $j)))
            (local.set $b1 (v128.load offset=16 (local.get $j)))
            (local.set $x (v128.load32_splat (local.get $i)))
            (local.set $p0 (f32x4.add (local.get $p0) (f32x4.mul (local.get $x) (local.get $b0))))
            (local.set $p1 (f32x4.add (local.get $p1) (f32x4.mul (local.get $x) (local.get $b1))))
            (local.set $x (v128.load32_splat (local.get $i1)))
            (local.set $q0 (f32x4.add (local.get $q0) (f32x4.mul (local.get $x) (local.get $b0))))
            (local.set $q1 (f32x4.add (local.get $q1) (f32x4.mul (local.get $x) (local.get $b1))))
            (local.set $x (v128.load32_splat (local.get $i2)))
            (local.set $r0 (f32x4.add (local.get $r0) (f32x4.mul (local.get $x) (local.get $b0))))
            (local.set $r1 (f32x4.add (local.get $r1) (f32x4.mul (local.get $x) (local.get $b1))))
            (local.set $x (v128.load32_splat (local.get $i3)))
            (local.set $s0 (f32x4.add (local.get $s0) (f32x4.mul (local.get $x) (local.get $b0))))
            (local.set $s1 (f32x4.add (local.get $s1) (f32x4.mul (local.get $x) (local.get $b1))))
            (local.set $i (i32.add (local.get $i) (local.get $innerStep)))
            (local.set $i1 (i32.add (local.get $i1) (local.get $innerStep)))
            (local.set $i2 (i32.add (local.get $i2) (local.get $innerStep)))
            (local.set $i3 (i32.add (local.get $i3) (local.get $innerStep)))
            (local.set $j (i32.add (local.get $j) (local.get $width)))
            (br_if $deep (local.tee $k (i32.sub (local.get $k) (i32.const 1)))))
          (v128.store (local.get $out) (local.get $s0))
          (v128.store offset=16 (local.get $out) (local.get $s1))
          (local.set $out (i32.sub (local.get $out) (local.get $width)))
          (v128.store (local.get $out) (local.get $r0))
          (v128.store offset=16 (local.get $out) (local.get $r1))
          (local.set $out (i32.sub (local.get $out) (local.get $width)))
          (v128.store (local.get $out) (local.get $q0))
          (v128.store offset=16 (local.get $out) (local.get $q1))
          (local.set $out (i32.sub (local.get $out) (local.get $width)))
          (v128.store (local.get $out) (local.get $p0))
          (v128.store offset=16 (local.get $out) (local.get $p1))
          (br_if $across (i32.lt_s (local.tee $c (i32.add (local.get $c) (i32.const 32))) (local.get $width))))
        (local.set $to (i32.add (local.get $to) (i32.shl (local.get $width) (i32.const 2))))
        (local.set $a (i32.add (local.get $a) (i32.shl (local.get $rowStep) (i32.const 2))))
        (local.set $rows (i32.sub (local.get $rows) (i32.const 4)))
        (br $fours)))

    ;; The up to three rows that are left over.
    (block $finished
      (loop $ones
        (br_if $finished (i32.eqz (local.get $rows)))
        (local.set $c (i32.const 0))
        (loop $along
          (local.set $out (i32.add (local.get $to) (local.get $c)))
          (local.set $p0 (v128.load (local.get $out)))
          (local.set $p1 (v128.load offset=16 (local.get $out)))
          (local.set $k (local.get $inner))
          (local.set $i (local.get $a))
          (local.set $j (i32.add (local.get $b) (local.get $c)))
          (loop $down
            (local.set $x (v128.load32_splat (local.get $i)))
            (local.set $p0 (f32x4.add (local.get $p0) (f32x4.mul (local.get $x) (v128.load (local.get $j)))))
            (local.set $p1 (f32x4.add (local.get $p1) (f32x4.mul (local.get $x) (v128.load offset=16 (local.get $j)))))
            (local.set $i (i32.add (local.get $i) (local.get $innerStep)))
            (local.set $j (i32.add (local.get $j) (local.get $width)))
            (br_if $down (local.tee $k (i32.sub (local.get $k) (i32.const 1)))))
          (v128.store (local.get $out) (local.get $p0))
          (v128.store offset=16 (local.get $out) (local.get $p1))
          (br_if $along (i32.lt_s (local.tee $c (i32.add (local.get $c) (i32.const 32))) (local.get $width))))
        (local.set $to (i32.add (local.get $to) (local.get $width)))
        (local.set $a (i32.add (local.get $a) (local.get $rowStep)))
        (local.set $rows (i32.sub (local.get $rows) (i32.const 1)))
        (br $ones))))

  ;; For each image and each triple (in the patches, in the image, length) of `places`: patches = image.
  (func (export "gather") (param $patches i32) (param $image i32) (param $places i32) (param $end i32)
      (param $images i32) (param $patchStep i32) (param $imageStep i32)
    (local $p i32) (local $to i32) (local $from i32) (local $length i32)
    (loop $each
      (local.set $p (local.get $places))
      (loop $all
        (local.set $to (i32.add (local.get $patches) (i32.load (local.get $p))))
        (local.set $from (i32.add (local.get $image) (i32.load offset=4 (local.get $p))))
        (local.set $length (i32.load offset=8 (local.get $p)))
        (block $rest
          (loop $fours
            (br_if $rest (i32.lt_s (local.get $length) (i32.const 16)))
            (v128.store (local.get $to) (v128.load (local.get $from)))
            (local.set $to (i32.add (local.get $to) (i32.const 16)))
            (local.set $from (i32.add (local.get $from) (i32.const 16)))
            (local.set $length (i32.sub (local.get $length) (i32.const 16)))
            (br $fours)))
        (block $next
          (loop $ones
            (br_if $next (i32.eqz (local.get $length)))
            (f32.store (local.get $to) (f32.load (local.get $from)))
            (local.set $to (i32.add (local.get $to) (i32.const 4)))
            (local.set $from (i32.add (local.get $from) (i32.const 4)))
            (local.set $length (i32.sub (local.get $length) (i32.const 4)))
            (br $ones)))
        (br_if $all (i32.lt_u (local.tee $p (i32.add (local.get $p) (i32.const 12))) (local.get $end))))
      (local.set $patches (i32.add (local.get $patches) (local.get $patchStep)))
      (local.set $image (i32.add (local.get $image) (local.get $imageStep)))
      (br_if $each (local.tee $images (i32.sub (local.get $images) (i32.const 1))))))

  ;; The way back: image += patches. All lengths are multiples of 16.
  (func (export "scatter") (param $patches i32) (param $image i32) (param $places i32) (param $end i32)
      (param $images i32) (param $patchStep i32) (param $imageStep i32)
    (local $p i32) (local $to i32) (local $from i32) (local $length i32)
    (loop $each
      (local.set $p (local.get $places))
      (loop $all
        (local.set $from (i32.add (local.get $patches) (i32.load (local.get $p))))
        (local.set $to (i32.add (local.get $image) (i32.load offset=4 (local.get $p))))
        (local.set $length (i32.load offset=8 (local.get $p)))
        (loop $fours
          (v128.store (local.get $to) (f32x4.add (v128.load (local.get $to)) (v128.load (local.get $from))))
          (local.set $to (i32.add (local.get $to) (i32.const 16)))
          (local.set $from (i32.add (local.get $from) (i32.const 16)))
          (br_if $fours (local.tee $length (i32.sub (local.get $length) (i32.const 16)))))
        (br_if $all (i32.lt_u (local.tee $p (i32.add (local.get $p) (i32.const 12))) (local.get $end))))
      (local.set $patches (i32.add (local.get $patches) (local.get $patchStep)))
      (local.set $image (i32.add (local.get $image) (local.get $imageStep)))
      (br_if $each (local.tee $images (i32.sub (local.get $images) (i32.const 1))))))

  ;; A ReLU, in place, over `length` bytes.
  (func (export "clip") (param $values i32) (param $length i32)
    (local $end i32)
    (local.set $end (i32.add (local.get $values) (local.get $length)))
    (loop $fours
      (v128.store (local.get $values) (f32x4.max (v128.load (local.get $values)) (v128.const f32x4 0 0 0 0)))
      (br_if $fours
        (i32.lt_u (local.tee $values (i32.add (local.get $values) (i32.const 16))) (local.get $end)))))

  ;; Its way back: the gradient becomes 0 where the value is not above 0.
  (func (export "unclip") (param $gradient i32) (param $values i32) (param $length i32)
    (local $end i32)
    (local.set $end (i32.add (local.get $values) (local.get $length)))
    (loop $fours
      (v128.store (local.get $gradient) (v128.and (v128.load (local.get $gradient))
        (f32x4.gt (v128.load (local.get $values)) (v128.const f32x4 0 0 0 0))))
      (local.set $gradient (i32.add (local.get $gradient) (i32.const 16)))
      (br_if $fours
        (i32.lt_u (local.tee $values (i32.add (local.get $values) (i32.const 16))) (local.get $end))))))
