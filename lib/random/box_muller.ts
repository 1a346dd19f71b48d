/** Normal values out of uniform ones, in the two ways of PyTorch's CPU kernels. Paper: Box and Muller 1958. */

const fround = Math.fround;

/** Turns 16 float64 uniforms from `start` on into 16 normal values: value j and value j + 8 make a pair. */
export function boxMuller64(x: Float64Array, start: number): void {
  for (let j = start; j < start + 8; j++) {
    const r = Math.sqrt(-2 * Math.log(1 - x[j]));
    const theta = 2 * Math.PI * x[j + 8];
    x[j] = r * Math.cos(theta);
    x[j + 8] = r * Math.sin(theta);
  }
}

const TWO_PI = fround(2 * Math.PI);
const FOUR_OVER_PI = fround(1.27323954473516);
const powers = Float64Array.from({ length: 26 }, (_, e) => 2 ** -e);
// Coefficients of log(1 + m), highest power first, then of ln 2 in two parts.
const [L0, L1, L2, L3, L4, L5, L6, L7, L8, LN2_LOW] = [
  0.070376836292,
  -0.1151461031,
  0.116769987,
  -0.12420140846,
  0.14249322787,
  -0.16668057665,
  0.20000714765,
  -0.24999993993,
  0.33333331174,
  -2.12194440e-4,
].map(fround);
const LN2_HIGH = 0.693359375;
// pi / 4 in three parts, and the coefficients of cosine and sine on [-pi / 4, pi / 4].
const [Q0, Q1, Q2, C0, C1, C2, S0, S1, S2] = [
  -0.78515625,
  -2.4187564849853515625e-4,
  -3.77489497744594108e-8,
  2.443315711809948e-5,
  -1.388731625493765e-3,
  4.166664568298827e-2,
  -1.9515295891e-4,
  8.3321608736e-3,
  -0.16666654611,
].map(fround);

/**
 * Turns float32 uniforms into normal values in place, blocks of 16: value j and value j + 8 make a pair.
 *
 * PyTorch computes logarithm, sine and cosine with the polynomials of Cephes in vectors of float32 with fused
 * multiply-adds. Here each `fround(a * b + c)` is one of those: float64 holds the product exactly, and its extra rounding
 * of the sum could only matter next to a tie (none in 16 million values compared). So the values are the same to the last
 * bit, where Math.log and Math.cos would give others.
 */
export function boxMuller32(
  x: Float32Array,
  start: number,
  end: number,
  mean: number,
  std: number,
): void {
  mean = fround(mean);
  std = fround(std);
  for (let block = start; block < end; block += 16) {
    for (let i = block; i < block + 8; i++) {
      // log(u), u = 1 - x[i] = v / 2^24 = m * 2^e with m in [0.5, 1)
      const v = 2 ** 24 - x[i] * 2 ** 24;
      const length = 32 - Math.clz32(v);
      let e = length - 24;
      let m = v * powers[length];
      if (m < 0.70710677) {
        e -= 1;
        m = m + m - 1;
      } else {
        m -= 1;
      }
      const mm = fround(m * m);
      let p = fround(L0 * m + L1);
      p = fround(p * m + L2);
      p = fround(p * m + L3);
      p = fround(p * m + L4);
      p = fround(p * m + L5);
      p = fround(p * m + L6);
      p = fround(p * m + L7);
      p = fround(p * m + L8);
      let y = fround(p * m);
      y = fround(y * mm + fround(e * LN2_LOW));
      y = fround(mm * -0.5 + y);
      const log = fround(e * LN2_HIGH + fround(m + y));
      const r = fround(Math.sqrt(-2 * log));

      // cos(theta) and sin(theta): theta is reduced to an octant, then signs and roles are put right
      const theta = fround(TWO_PI * x[i + 8]);
      const octant = (Math.trunc(fround(theta * FOUR_OVER_PI)) + 1) & ~1;
      let t = fround(octant * Q0 + theta);
      t = fround(octant * Q1 + t);
      t = fround(octant * Q2 + t);
      const tt = fround(t * t);
      let c = fround(C0 * tt + C1);
      c = fround(fround(c * tt + C2) * tt);
      c = fround(fround(c * tt - fround(tt * 0.5)) + 1);
      let s = fround(S0 * tt + S1);
      s = fround(fround(s * tt + S2) * tt);
      s = fround(s * t + t);
      const swapped = (octant & 2) !== 0;
      let sine = swapped ? c : s;
      let cosine = swapped ? s : c;
      if ((octant & 4) !== 0) sine = -sine;
      if (((octant - 2) & 4) === 0) cosine = -cosine;

      x[i] = fround(r * cosine) * std + mean;
      x[i + 8] = fround(r * sine) * std + mean;
    }
  }
}
