// @ts-nocheck: AssemblyScript, compiled by ../build.ts
// GELU, exact and with tanh, forward and backward.
import { madd, nmadd, pointer } from "./common";
import { exp, loadPart, storePart } from "./fused_math";

/**
 * Q(|x|) = 1 - Phi(|x|), the upper tail of the normal distribution, given
 * e = exp(-x^2 / 2): e times a polynomial of degree 9 in 1 / (1 + 0.27 |x|),
 * fitted to the least relative error (2.3e-8) for |x| <= 13.5, beyond which the
 * tail is 0 in float32. So small values keep their digits, unlike 1 + erf.
 */
// @ts-ignore: decorator
@inline
function tail(a: v128, e: v128): v128 {
  const one = f32x4.splat(1);
  const t = f32x4.div(one, madd(a, f32x4.splat(0.27), one));
  let p = madd(t, f32x4.splat(0.0288549657), f32x4.splat(-0.125951343));
  p = madd(p, t, f32x4.splat(0.168638144));
  p = madd(p, t, f32x4.splat(-0.0678404805));
  p = madd(p, t, f32x4.splat(0.106833843));
  p = madd(p, t, f32x4.splat(0.0724942147));
  p = madd(p, t, f32x4.splat(0.101690362));
  p = madd(p, t, f32x4.splat(0.10756077));
  p = madd(p, t, f32x4.splat(0.107719537));
  return f32x4.mul(f32x4.mul(p, t), e);
}

// @ts-ignore: decorator
@inline
function halfSquare(x: v128): v128 {
  return f32x4.mul(f32x4.mul(x, x), f32x4.splat(-0.5));
}

/** x Phi(x) = max(x, 0) - |x| Q(|x|). */
// @ts-ignore: decorator
@inline
function gelu4(x: v128): v128 {
  const a = f32x4.abs(x);
  const positive = f32x4.mul(f32x4.add(x, a), f32x4.splat(0.5)); // keeps NaN
  return nmadd(a, tail(a, exp(halfSquare(x))), positive);
}

/** Phi(x) + x phi(x), phi the normal density. */
// @ts-ignore: decorator
@inline
function geluSlope4(x: v128): v128 {
  const a = f32x4.abs(x);
  const e = exp(halfSquare(x));
  const q = tail(a, e);
  const phi = v128.bitselect(
    q,
    f32x4.sub(f32x4.splat(1), q),
    f32x4.lt(x, f32x4.splat(0)),
  );
  return madd(f32x4.mul(x, e), f32x4.splat(0.3989422804), phi);
}

/**
 * sigmoid(2 u) with u = sqrt(2 / pi) (x + 0.044715 x^3): (1 + tanh(u)) / 2.
 * -2 u is kept below 88, so that exp is finite (and NaN stays NaN).
 */
// @ts-ignore: decorator
@inline
function sigmoid4(x: v128, x2: v128): v128 {
  const k = madd(
    x2,
    f32x4.splat(-0.0713548162726),
    f32x4.splat(-1.59576912161),
  );
  const one = f32x4.splat(1);
  const u = f32x4.pmin(f32x4.mul(x, k), f32x4.splat(88.0));
  return f32x4.div(one, f32x4.add(one, exp(u)));
}

/** x (1 + tanh(u)) / 2. */
// @ts-ignore: decorator
@inline
function geluTanh4(x: v128): v128 {
  return f32x4.mul(x, sigmoid4(x, f32x4.mul(x, x)));
}

/** s + x s (1 - s) 2 du/dx. */
// @ts-ignore: decorator
@inline
function geluTanhSlope4(x: v128): v128 {
  const x2 = f32x4.mul(x, x);
  const s = sigmoid4(x, x2);
  const slope = madd( // 2 du/dx
    x2,
    f32x4.splat(0.2140644488178),
    f32x4.splat(1.59576912161),
  );
  const rest = f32x4.mul(s, f32x4.sub(f32x4.splat(1), s));
  return madd(f32x4.mul(x, slope), rest, s);
}

/** Items: elements. args: out, x. */
export function gelu(args: usize, begin: i32, end: i32): void {
  const out = pointer(args, 0), x = pointer(args, 1);
  let i = <usize> begin << 2;
  const last = <usize> end << 2;
  for (; i + 32 <= last; i += 32) {
    const y0 = gelu4(v128.load(x + i));
    const y1 = gelu4(v128.load(x + i, 16));
    v128.store(out + i, y0);
    v128.store(out + i, y1, 16);
  }
  for (; i < last; i += 16) {
    const rest = min(4, <i32> (last - i) >> 2);
    if (rest == 4) v128.store(out + i, gelu4(v128.load(x + i)));
    else storePart(out + i, gelu4(loadPart(x + i, rest, 0)), rest);
  }
}

/** dx = dy * slope(x). Items: elements. args: dx, x, dy. */
export function geluGrad(args: usize, begin: i32, end: i32): void {
  const dx = pointer(args, 0), x = pointer(args, 1), dy = pointer(args, 2);
  let i = <usize> begin << 2;
  const last = <usize> end << 2;
  for (; i + 32 <= last; i += 32) {
    const g0 = f32x4.mul(v128.load(dy + i), geluSlope4(v128.load(x + i)));
    const g1 = f32x4.mul(
      v128.load(dy + i, 16),
      geluSlope4(v128.load(x + i, 16)),
    );
    v128.store(dx + i, g0);
    v128.store(dx + i, g1, 16);
  }
  for (; i < last; i += 4) {
    const g = f32x4.extract_lane(geluSlope4(v128.load32_splat(x + i)), 0);
    store<f32>(dx + i, load<f32>(dy + i) * g);
  }
}

/** Items: elements. args: out, x. */
export function geluTanh(args: usize, begin: i32, end: i32): void {
  const out = pointer(args, 0), x = pointer(args, 1);
  let i = <usize> begin << 2;
  const last = <usize> end << 2;
  for (; i + 32 <= last; i += 32) {
    const y0 = geluTanh4(v128.load(x + i));
    const y1 = geluTanh4(v128.load(x + i, 16));
    v128.store(out + i, y0);
    v128.store(out + i, y1, 16);
  }
  for (; i < last; i += 16) {
    const rest = min(4, <i32> (last - i) >> 2);
    if (rest == 4) v128.store(out + i, geluTanh4(v128.load(x + i)));
    else storePart(out + i, geluTanh4(loadPart(x + i, rest, 0)), rest);
  }
}

/** dx = dy * slope(x). Items: elements. args: dx, x, dy. */
export function geluTanhGrad(args: usize, begin: i32, end: i32): void {
  const dx = pointer(args, 0), x = pointer(args, 1), dy = pointer(args, 2);
  let i = <usize> begin << 2;
  const last = <usize> end << 2;
  for (; i + 32 <= last; i += 32) {
    const g0 = f32x4.mul(v128.load(dy + i), geluTanhSlope4(v128.load(x + i)));
    const g1 = f32x4.mul(
      v128.load(dy + i, 16),
      geluTanhSlope4(v128.load(x + i, 16)),
    );
    v128.store(dx + i, g0);
    v128.store(dx + i, g1, 16);
  }
  for (; i < last; i += 4) {
    const g = f32x4.extract_lane(geluTanhSlope4(v128.load32_splat(x + i)), 0);
    store<f32>(dx + i, load<f32>(dy + i) * g);
  }
}
