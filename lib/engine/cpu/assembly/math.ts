// @ts-nocheck: AssemblyScript, compiled by ../build.ts
// Functions of four float32 numbers, computed two and two in float64: the
// result is the correctly rounded one in all but a few of a million cases, and
// NaN, infinities, zeros and denormal numbers come out as they should.

// @ts-ignore: decorator
@inline
function madd64(a: v128, b: v128, c: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) {
    return f64x2.relaxed_madd(a, b, c);
  } else {
    return f64x2.add(f64x2.mul(a, b), c);
  }
}

// The first and the second half of four float32, as float64.
// @ts-ignore: decorator
@inline
function low(x: v128): v128 {
  return f64x2.promote_low_f32x4(x);
}

// @ts-ignore: decorator
@inline
function high(x: v128): v128 {
  return f64x2.promote_low_f32x4(v128.shuffle<f64>(x, x, 1, 0));
}

// @ts-ignore: decorator
@inline
function join(a: v128, b: v128): v128 {
  return v128.shuffle<f64>(f32x4.demote_f64x2_zero(a), f32x4.demote_f64x2_zero(b), 0, 2);
}

// exp in float64, relative error 2e-10: x = n ln 2 + r, Taylor's series in r.
// Beyond -120 and 100 the result is 0 and infinity in float32.
// @ts-ignore: decorator
@inline
function exp64(x: v128): v128 {
  // pmax and pmin give their first operand if that is NaN.
  x = f64x2.pmin(f64x2.pmax(x, f64x2.splat(-120)), f64x2.splat(100));
  // Adding 1.5 * 2^52 rounds to a whole number, which is then in the low bits.
  const magic = f64x2.splat(6755399441055744);
  const t = f64x2.add(f64x2.mul(x, f64x2.splat(1.4426950408889634)), magic);
  const n = f64x2.sub(t, magic);
  const r = f64x2.sub(x, f64x2.mul(n, f64x2.splat(0.6931471805599453)));
  let p = f64x2.splat(1.0 / 40320);
  p = madd64(p, r, f64x2.splat(1.0 / 5040));
  p = madd64(p, r, f64x2.splat(1.0 / 720));
  p = madd64(p, r, f64x2.splat(1.0 / 120));
  p = madd64(p, r, f64x2.splat(1.0 / 24));
  p = madd64(p, r, f64x2.splat(1.0 / 6));
  p = madd64(p, r, f64x2.splat(0.5));
  p = madd64(p, r, f64x2.splat(1));
  p = madd64(p, r, f64x2.splat(1));
  const scale = i64x2.shl(i64x2.add(t, i64x2.splat(1023)), 52);
  return f64x2.mul(p, scale);
}

// The natural logarithm in float64 of numbers that are positive and finite:
// x = 2^e m with m near 1, log m = 2 artanh((m - 1) / (m + 1)) as a series.
// @ts-ignore: decorator
@inline
function log64(x: v128): v128 {
  // The bits of sqrt(1/2), less 1023 exponents, so that e + 1023 is positive: an
  // arithmetic shift of 64 bits is not one instruction.
  const half = i64x2.splat(0x3FE6A09E667F3BCD - 0x3FF0000000000000);
  const biased = i64x2.shr_u(i64x2.sub(x, half), 52);
  const m = i64x2.sub(x, i64x2.shl(i64x2.sub(biased, i64x2.splat(1023)), 52));
  const one = f64x2.splat(1);
  const s = f64x2.div(f64x2.sub(m, one), f64x2.add(m, one));
  const z = f64x2.mul(s, s);
  let p = f64x2.splat(1.0 / 13);
  p = madd64(p, z, f64x2.splat(1.0 / 11));
  p = madd64(p, z, f64x2.splat(1.0 / 9));
  p = madd64(p, z, f64x2.splat(1.0 / 7));
  p = madd64(p, z, f64x2.splat(1.0 / 5));
  p = madd64(p, z, f64x2.splat(1.0 / 3));
  p = madd64(f64x2.mul(p, z), s, s);
  // As the low bits of 2^52 + biased, a whole number becomes a float64.
  const whole = f64x2.sub(
    v128.or(biased, f64x2.splat(4503599627370496)),
    f64x2.splat(4503599627370496.0 + 1023),
  );
  return madd64(whole, f64x2.splat(0.6931471805599453), f64x2.add(p, p));
}

/** exp(x). */
// @ts-ignore: decorator
@inline
export function exp(x: v128): v128 {
  return join(exp64(low(x)), exp64(high(x)));
}

/** log(x): NaN below 0, -infinity at 0. */
// @ts-ignore: decorator
@inline
export function log(x: v128): v128 {
  const zero = f32x4.splat(0);
  let y = join(log64(low(x)), log64(high(x)));
  y = v128.bitselect(f32x4.splat(-Infinity), y, f32x4.eq(x, zero));
  y = v128.bitselect(f32x4.splat(NaN), y, f32x4.lt(x, zero));
  // Infinity and NaN are their own logarithms.
  return v128.bitselect(y, x, f32x4.lt(x, f32x4.splat(Infinity)));
}

// @ts-ignore: decorator
@inline
function sigmoid64(x: v128): v128 {
  const one = f64x2.splat(1);
  return f64x2.div(one, f64x2.add(one, exp64(f64x2.neg(x))));
}

/** 1 / (1 + exp(-x)). */
// @ts-ignore: decorator
@inline
export function sigmoid(x: v128): v128 {
  return join(sigmoid64(low(x)), sigmoid64(high(x)));
}

// tanh x = 1 - 2 / (exp(2x) + 1). Near 0, where that cancels, the first terms
// of the series.
// @ts-ignore: decorator
@inline
function tanh64(x: v128): v128 {
  const one = f64x2.splat(1);
  const e = exp64(f64x2.add(x, x));
  const y = f64x2.sub(one, f64x2.div(f64x2.splat(2), f64x2.add(e, one)));
  const cube = f64x2.mul(f64x2.mul(x, x), x);
  const near = f64x2.sub(x, f64x2.mul(cube, f64x2.splat(1.0 / 3)));
  return v128.bitselect(near, y, f64x2.lt(f64x2.abs(x), f64x2.splat(0.0005)));
}

/** tanh(x). */
// @ts-ignore: decorator
@inline
export function tanh(x: v128): v128 {
  return join(tanh64(low(x)), tanh64(high(x)));
}
