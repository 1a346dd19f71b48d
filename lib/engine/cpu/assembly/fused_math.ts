// @ts-nocheck: AssemblyScript, compiled by ../build.ts
// What the fused kernels share: exp, vectors of fewer than four elements at the
// end of a row, and reductions of rows in a fixed order.
import { madd, nmadd } from "./common";

/**
 * exp(x), four at a time, for x up to 88, within 1 unit in the last place:
 * x = n ln 2 + r with |r| <= ln 2 / 2 (Cody and Waite), exp(r) by a polynomial
 * of degree 6, whose coefficients minimise the largest relative error (3e-9).
 * 0 below -87.68, where float32 has no more normal numbers; NaN stays NaN.
 */
// @ts-ignore: decorator
@inline
export function exp(x: v128): v128 {
  // pmax gives its first argument if that is NaN. At -88, n is -127.
  x = f32x4.pmax(x, f32x4.splat(-88.0));
  // Adding 1.5 * 2^23 + 127 leaves n + 127 in the low bits, n rounded.
  const magic = f32x4.splat(12583039.0);
  const t = madd(x, f32x4.splat(1.44269504), magic);
  const n = f32x4.sub(t, magic);
  const r = nmadd(
    n,
    f32x4.splat(-2.12194440e-4),
    nmadd(n, f32x4.splat(0.693359375), x),
  );
  let q = madd(r, f32x4.splat(0.00138145), f32x4.splat(0.00836875));
  q = madd(q, r, f32x4.splat(0.04166839));
  q = madd(q, r, f32x4.splat(0.1666652));
  q = madd(q, r, f32x4.splat(0.49999993));
  const y = f32x4.add(madd(q, f32x4.mul(r, r), r), f32x4.splat(1));
  // 2^n; 0 if n is -127.
  return f32x4.mul(y, i32x4.shl(t, 23));
}

/** exp of one number, by the same steps. */
// @ts-ignore: decorator
@inline
export function exp1(x: f32): f32 {
  return f32x4.extract_lane(exp(f32x4.splat(x)), 0);
}

/** The sum of the four elements, in a fixed order. */
// @ts-ignore: decorator
@inline
export function sum4(x: v128): f32 {
  return (f32x4.extract_lane(x, 0) + f32x4.extract_lane(x, 2)) +
    (f32x4.extract_lane(x, 1) + f32x4.extract_lane(x, 3));
}

/** The largest of the four elements. NaN does not count. */
// @ts-ignore: decorator
@inline
export function max4(x: v128): f32 {
  let m = f32x4.extract_lane(x, 0);
  const b = f32x4.extract_lane(x, 1);
  const c = f32x4.extract_lane(x, 2);
  const d = f32x4.extract_lane(x, 3);
  if (b > m) m = b;
  if (c > m) m = c;
  if (d > m) m = d;
  return m;
}

/** The first `count` (1 to 3) floats at p; the other elements are `fill`. */
// @ts-ignore: decorator
@inline
export function loadPart(p: usize, count: i32, fill: f32): v128 {
  let v = f32x4.splat(fill);
  v = f32x4.replace_lane(v, 0, load<f32>(p));
  if (count > 1) v = f32x4.replace_lane(v, 1, load<f32>(p, 4));
  if (count > 2) v = f32x4.replace_lane(v, 2, load<f32>(p, 8));
  return v;
}

/** Stores the first `count` (1 to 3) elements of v at p. */
// @ts-ignore: decorator
@inline
export function storePart(p: usize, v: v128, count: i32): void {
  store<f32>(p, f32x4.extract_lane(v, 0));
  if (count > 1) store<f32>(p, f32x4.extract_lane(v, 1), 4);
  if (count > 2) store<f32>(p, f32x4.extract_lane(v, 2), 8);
}

/** Vector loop bounds of a row of n floats: bytes in whole pairs of vectors. */
// @ts-ignore: decorator
@inline
export function pairs(n: i32): usize {
  return <usize> (n & ~7) << 2;
}

/** The largest of n floats; -inf if all are NaN or n is 0. */
// @ts-ignore: decorator
@inline
export function rowMax(x: usize, n: i32): f32 {
  const end = pairs(n);
  let m0 = f32x4.splat(-Infinity), m1 = m0;
  let i: usize = 0;
  for (; i < end; i += 32) {
    m0 = f32x4.pmax(m0, v128.load(x + i));
    m1 = f32x4.pmax(m1, v128.load(x + i, 16));
  }
  let m = max4(f32x4.pmax(m0, m1));
  for (; i < <usize> n << 2; i += 4) {
    const v = load<f32>(x + i);
    if (v > m) m = v;
  }
  return m;
}

/** out = exp(x - shift) for n floats (out may be x); returns their sum. */
// @ts-ignore: decorator
@inline
export function rowExp(out: usize, x: usize, n: i32, shift: f32): f32 {
  const end = pairs(n);
  const s = f32x4.splat(shift);
  let sum0 = f32x4.splat(0), sum1 = sum0;
  let i: usize = 0;
  for (; i < end; i += 32) {
    const e0 = exp(f32x4.sub(v128.load(x + i), s));
    const e1 = exp(f32x4.sub(v128.load(x + i, 16), s));
    v128.store(out + i, e0);
    v128.store(out + i, e1, 16);
    sum0 = f32x4.add(sum0, e0);
    sum1 = f32x4.add(sum1, e1);
  }
  let rest = n & 7;
  if (rest >= 4) {
    const e = exp(f32x4.sub(v128.load(x + i), s));
    v128.store(out + i, e);
    sum0 = f32x4.add(sum0, e);
    i += 16;
    rest -= 4;
  }
  if (rest > 0) {
    const e = exp(f32x4.sub(loadPart(x + i, rest, -Infinity), s));
    storePart(out + i, e, rest);
    // The unused elements are exp(-inf), which is 0 (or NaN if shift is).
    sum1 = f32x4.add(sum1, e);
  }
  return sum4(f32x4.add(sum0, sum1));
}

/** The sum of exp(x - shift) over n floats, in rowExp's order. */
// @ts-ignore: decorator
@inline
export function rowExpSum(x: usize, n: i32, shift: f32): f32 {
  const end = pairs(n);
  const s = f32x4.splat(shift);
  let sum0 = f32x4.splat(0), sum1 = sum0;
  let i: usize = 0;
  for (; i < end; i += 32) {
    sum0 = f32x4.add(sum0, exp(f32x4.sub(v128.load(x + i), s)));
    sum1 = f32x4.add(sum1, exp(f32x4.sub(v128.load(x + i, 16), s)));
  }
  let rest = n & 7;
  if (rest >= 4) {
    sum0 = f32x4.add(sum0, exp(f32x4.sub(v128.load(x + i), s)));
    i += 16;
    rest -= 4;
  }
  if (rest > 0) {
    const v = loadPart(x + i, rest, -Infinity);
    sum1 = f32x4.add(sum1, exp(f32x4.sub(v, s)));
  }
  return sum4(f32x4.add(sum0, sum1));
}

/** The sum of a * b over n floats. */
// @ts-ignore: decorator
@inline
export function rowDot(a: usize, b: usize, n: i32): f32 {
  const end = pairs(n);
  let sum0 = f32x4.splat(0), sum1 = sum0;
  let i: usize = 0;
  for (; i < end; i += 32) {
    sum0 = f32x4.add(sum0, f32x4.mul(v128.load(a + i), v128.load(b + i)));
    sum1 = f32x4.add(
      sum1,
      f32x4.mul(v128.load(a + i, 16), v128.load(b + i, 16)),
    );
  }
  let sum = sum4(f32x4.add(sum0, sum1));
  for (; i < <usize> n << 2; i += 4) sum += load<f32>(a + i) * load<f32>(b + i);
  return sum;
}

/** The sum of n floats. */
// @ts-ignore: decorator
@inline
export function rowSum(a: usize, n: i32): f32 {
  const end = pairs(n);
  let sum0 = f32x4.splat(0), sum1 = sum0;
  let i: usize = 0;
  for (; i < end; i += 32) {
    sum0 = f32x4.add(sum0, v128.load(a + i));
    sum1 = f32x4.add(sum1, v128.load(a + i, 16));
  }
  let sum = sum4(f32x4.add(sum0, sum1));
  for (; i < <usize> n << 2; i += 4) sum += load<f32>(a + i);
  return sum;
}
