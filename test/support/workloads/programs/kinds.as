// AssemblyScript: arithmetic, virtual calls, SIMD, strings and maps, a garbage-collected tree, calls to the host.

// @ts-ignore: decorator
@external("env", "progress") declare function progress(total: f64): void;

abstract class Shape {
  abstract area(): f64;
}
class Square extends Shape {
  constructor(public side: f64) { super(); }
  area(): f64 { return this.side * this.side; }
}
class Circle extends Shape {
  constructor(public radius: f64) { super(); }
  area(): f64 { return Math.PI * this.radius * this.radius; }
}

export function sum(count: i32): f64 {
  let total: f64 = 0;
  let shape: Shape = new Square(1);
  for (let i = 0; i < count; i++) {
    if (i % 3 == 0) shape = new Square(<f64>(i % 17));
    else if (i % 5 == 0) shape = new Circle(<f64>(i % 11));
    total += shape.area();
    if (i % 10000 == 0) progress(total);
  }
  return total;
}

// Two points at a time.
export function mandelbrot(size: i32): i32 {
  let inside = 0;
  for (let y = 0; y < size; y++) {
    const ci = f64x2.splat(2.0 * <f64>y / <f64>size - 1.0);
    for (let x = 0; x < size; x += 2) {
      const cr = f64x2.replace_lane(f64x2.splat(3.0 * <f64>x / <f64>size - 2.0), 1, 3.0 * <f64>(x + 1) / <f64>size - 2.0);
      let zr = f64x2.splat(0), zi = f64x2.splat(0), alive = i64x2.splat(-1);
      for (let n = 0; n < 40 && v128.any_true(alive); n++) {
        const rr = f64x2.mul(zr, zr), ii = f64x2.mul(zi, zi);
        alive = v128.and(alive, f64x2.le(f64x2.add(rr, ii), f64x2.splat(4)));
        zi = f64x2.add(f64x2.mul(f64x2.add(zr, zr), zi), ci);
        zr = f64x2.add(f64x2.sub(rr, ii), cr);
      }
      inside += <i32>(i64x2.extract_lane(alive, 0) & 1) + <i32>(i64x2.extract_lane(alive, 1) & 1);
    }
  }
  return inside;
}

export function words(count: i32): i32 {
  const seen = new Map<string, i32>();
  let seed: u32 = 9;
  for (let i = 0; i < count; i++) {
    seed = seed * 1103515245 + 12345;
    const word = (seed >> 16 & 1023).toString(36) + "-" + (i & 3).toString();
    seen.set(word, seen.has(word) ? seen.get(word) + 1 : 1);
  }
  const keys = seen.keys();
  keys.sort((a, b) => a < b ? -1 : a > b ? 1 : 0);
  let mixed = 0;
  for (let i = 0; i < keys.length; i++) mixed = mixed * 31 + keys[i].charCodeAt(0) * seen.get(keys[i]);
  return mixed;
}

// The mean of each byte and its neighbour, 16 bytes at a time: v128 as parameter and result.
function mean(a: v128, b: v128): v128 {
  return i8x16.avgr_u(a, b);
}
const image = new Uint8Array(64 * 1024);
export function blur(rounds: i32): i32 {
  for (let i = 0; i < image.length; i++) image[i] = <u8>(i * 7 + (i >> 5));
  for (let round = 0; round < rounds; round++)
    for (let i = 0; i + 17 < image.length; i += 16)
      v128.store(image.dataStart + i, mean(v128.load(image.dataStart + i), v128.load(image.dataStart + i + 1)));
  let mixed = 0;
  for (let i = 0; i < image.length; i++) mixed = mixed * 31 + image[i];
  return mixed;
}

class Node {
  left: Node | null = null;
  right: Node | null = null;
}
function grow(depth: i32): Node {
  const node = new Node();
  if (depth > 0) {
    node.left = grow(depth - 1);
    node.right = grow(depth - 1);
  }
  return node;
}
function count(node: Node | null): i32 {
  return node == null ? 0 : 1 + count(node.left) + count(node.right);
}
export function tree(depth: i32): i32 {
  let total = 0;
  for (let i = 0; i < 4; i++) total += count(grow(depth));
  __collect();
  return total;
}
