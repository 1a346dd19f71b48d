// @ts-nocheck: AssemblyScript, compiled by ../build.ts
// Layer normalisation and RMS normalisation over rows, forward and backward.
//
// The gradients of weight and bias are sums over rows. Each block of rows
// gives a partial sum, and sumPartials adds those up in order: the result does
// not depend on the number of threads.
import { float, int, madd, nmadd, pointer } from "./common";
import { pairs, rowSum, sum4 } from "./fused_math";

/** The sum of (x - mean)^2 over n floats. */
// @ts-ignore: decorator
@inline
function rowSquares(x: usize, n: i32, mean: f32): f32 {
  const end = pairs(n);
  const m = f32x4.splat(mean);
  let sum0 = f32x4.splat(0), sum1 = sum0;
  let i: usize = 0;
  for (; i < end; i += 32) {
    const d0 = f32x4.sub(v128.load(x + i), m);
    const d1 = f32x4.sub(v128.load(x + i, 16), m);
    sum0 = madd(d0, d0, sum0);
    sum1 = madd(d1, d1, sum1);
  }
  let sum = sum4(f32x4.add(sum0, sum1));
  for (; i < <usize> n << 2; i += 4) {
    const d = load<f32>(x + i) - mean;
    sum += d * d;
  }
  return sum;
}

/** y = (x - mean) * scale [* w] [+ b] for n floats. */
// @ts-ignore: decorator
@inline
function rowNormalise(
  y: usize,
  x: usize,
  w: usize,
  b: usize,
  n: i32,
  mean: f32,
  scale: f32,
): void {
  const end = pairs(n);
  const m = f32x4.splat(mean), s = f32x4.splat(scale);
  let i: usize = 0;
  if (w != 0 && b != 0) {
    for (; i < end; i += 32) {
      const h0 = f32x4.mul(f32x4.sub(v128.load(x + i), m), s);
      const h1 = f32x4.mul(f32x4.sub(v128.load(x + i, 16), m), s);
      const y0 = madd(h0, v128.load(w + i), v128.load(b + i));
      const y1 = madd(h1, v128.load(w + i, 16), v128.load(b + i, 16));
      v128.store(y + i, y0);
      v128.store(y + i, y1, 16);
    }
  } else if (w != 0) {
    for (; i < end; i += 32) {
      const h0 = f32x4.mul(f32x4.sub(v128.load(x + i), m), s);
      const h1 = f32x4.mul(f32x4.sub(v128.load(x + i, 16), m), s);
      v128.store(y + i, f32x4.mul(h0, v128.load(w + i)));
      v128.store(y + i, f32x4.mul(h1, v128.load(w + i, 16)), 16);
    }
  }
  for (; i < <usize> n << 2; i += 4) {
    let h = (load<f32>(x + i) - mean) * scale;
    if (w != 0) h *= load<f32>(w + i);
    if (b != 0) h += load<f32>(b + i);
    store<f32>(y + i, h);
  }
}

/**
 * y = (x - mean) / sqrt(variance + eps) * w + b by rows. w and b may be 0.
 * Items: rows. args: y, x, w, b, statistics (mean, 1 / deviation), columns, eps.
 */
export function layerNormRows(args: usize, begin: i32, end: i32): void {
  const w = pointer(args, 2), b = pointer(args, 3), s = pointer(args, 4);
  const n = int(args, 5), eps = float(args, 6);
  const bytes = <usize> n << 2;
  let y = pointer(args, 0) + <usize> begin * bytes;
  let x = pointer(args, 1) + <usize> begin * bytes;
  for (let row = begin; row < end; row++) {
    const mean = rowSum(x, n) / <f32> n;
    const variance = rowSquares(x, n, mean) / <f32> n;
    const scale = <f32> 1 / Mathf.sqrt(variance + eps);
    rowNormalise(y, x, w, b, n, mean, scale);
    store<f32>(s + (<usize> row << 3), mean);
    store<f32>(s + (<usize> row << 3), scale, 4);
    y += bytes;
    x += bytes;
  }
}

/**
 * y = x / sqrt(mean(x^2) + eps) * w by rows. w may be 0.
 * Items: rows. args: y, x, w, statistics (0, 1 / root), columns, eps.
 */
export function rmsNormRows(args: usize, begin: i32, end: i32): void {
  const w = pointer(args, 2), s = pointer(args, 3);
  const n = int(args, 4), eps = float(args, 5);
  const bytes = <usize> n << 2;
  let y = pointer(args, 0) + <usize> begin * bytes;
  let x = pointer(args, 1) + <usize> begin * bytes;
  for (let row = begin; row < end; row++) {
    const scale = <f32> 1 / Mathf.sqrt(rowSquares(x, n, 0) / <f32> n + eps);
    rowNormalise(y, x, w, 0, n, 0, scale);
    store<f32>(s + (<usize> row << 3), 0);
    store<f32>(s + (<usize> row << 3), scale, 4);
    y += bytes;
    x += bytes;
  }
}

/**
 * The gradient of both normalisations. With h = (x - mean) * scale, g = dy * w:
 * dx = scale * (g - mean(g) - h * mean(g h)), without mean(g) for RMS;
 * dw = sum over rows of dy * h; db = sum over rows of dy.
 * Items: blocks of rows. args: dx, x, w (or 0), dy, statistics, partial sums
 * (or 0), columns, rows, rows a block, whether to subtract mean(g).
 * partial: for each block the sums dw and db, 2 * columns floats.
 */
export function normRowsGrad(args: usize, begin: i32, end: i32): void {
  const w = pointer(args, 2), s = pointer(args, 4), p = pointer(args, 5);
  const n = int(args, 6), rows = int(args, 7), size = int(args, 8);
  const centred = int(args, 9) != 0;
  const bytes = <usize> n << 2;
  const pairEnd = pairs(n);
  for (let block = begin; block < end; block++) {
    const dw = p + <usize> block * 2 * bytes;
    const db = dw + bytes;
    if (p != 0) memory.fill(dw, 0, 2 * bytes);
    const first = block * size;
    const last = min(rows, first + size);
    let dx = pointer(args, 0) + <usize> first * bytes;
    let x = pointer(args, 1) + <usize> first * bytes;
    let dy = pointer(args, 3) + <usize> first * bytes;
    for (let row = first; row < last; row++) {
      const mean = load<f32>(s + (<usize> row << 3));
      const scale = load<f32>(s + (<usize> row << 3), 4);
      const m = f32x4.splat(mean), sc = f32x4.splat(scale);
      // The two means, and the partial sums on the way.
      let g0 = f32x4.splat(0), g1 = g0, gh0 = g0, gh1 = g0;
      let i: usize = 0;
      for (; i < pairEnd; i += 32) {
        const h0 = f32x4.mul(f32x4.sub(v128.load(x + i), m), sc);
        const h1 = f32x4.mul(f32x4.sub(v128.load(x + i, 16), m), sc);
        let d0 = v128.load(dy + i), d1 = v128.load(dy + i, 16);
        if (p != 0) {
          const w0 = madd(d0, h0, v128.load(dw + i));
          const w1 = madd(d1, h1, v128.load(dw + i, 16));
          v128.store(dw + i, w0);
          v128.store(dw + i, w1, 16);
          const b0 = f32x4.add(v128.load(db + i), d0);
          const b1 = f32x4.add(v128.load(db + i, 16), d1);
          v128.store(db + i, b0);
          v128.store(db + i, b1, 16);
        }
        if (w != 0) {
          d0 = f32x4.mul(d0, v128.load(w + i));
          d1 = f32x4.mul(d1, v128.load(w + i, 16));
        }
        g0 = f32x4.add(g0, d0);
        g1 = f32x4.add(g1, d1);
        gh0 = madd(d0, h0, gh0);
        gh1 = madd(d1, h1, gh1);
      }
      let g = sum4(f32x4.add(g0, g1)), gh = sum4(f32x4.add(gh0, gh1));
      for (; i < bytes; i += 4) {
        const h = (load<f32>(x + i) - mean) * scale;
        let d = load<f32>(dy + i);
        if (p != 0) {
          store<f32>(dw + i, load<f32>(dw + i) + d * h);
          store<f32>(db + i, load<f32>(db + i) + d);
        }
        if (w != 0) d *= load<f32>(w + i);
        g += d;
        gh += d * h;
      }
      g = centred ? g / <f32> n : 0;
      gh /= <f32> n;
      const gs = f32x4.splat(g), ghs = f32x4.splat(gh);
      i = 0;
      for (; i < pairEnd; i += 32) {
        const h0 = f32x4.mul(f32x4.sub(v128.load(x + i), m), sc);
        const h1 = f32x4.mul(f32x4.sub(v128.load(x + i, 16), m), sc);
        let d0 = v128.load(dy + i), d1 = v128.load(dy + i, 16);
        if (w != 0) {
          d0 = f32x4.mul(d0, v128.load(w + i));
          d1 = f32x4.mul(d1, v128.load(w + i, 16));
        }
        const y0 = f32x4.mul(sc, nmadd(h0, ghs, f32x4.sub(d0, gs)));
        const y1 = f32x4.mul(sc, nmadd(h1, ghs, f32x4.sub(d1, gs)));
        v128.store(dx + i, y0);
        v128.store(dx + i, y1, 16);
      }
      for (; i < bytes; i += 4) {
        const h = (load<f32>(x + i) - mean) * scale;
        let d = load<f32>(dy + i);
        if (w != 0) d *= load<f32>(w + i);
        store<f32>(dx + i, scale * (d - g - h * gh));
      }
      dx += bytes;
      x += bytes;
      dy += bytes;
    }
  }
}

/**
 * Adds up partial sums, in the order of the blocks. Items: columns.
 * args: out, partial, blocks, distance between blocks in floats.
 */
export function sumPartials(args: usize, begin: i32, end: i32): void {
  const out = pointer(args, 0), partial = pointer(args, 1);
  const blocks = int(args, 2), step = <usize> int(args, 3) << 2;
  let i = <usize> begin << 2;
  const last = <usize> end << 2;
  for (; i + 16 <= last; i += 16) {
    let sum = f32x4.splat(0);
    let p = partial + i;
    for (let block = 0; block < blocks; block++) {
      sum = f32x4.add(sum, v128.load(p));
      p += step;
    }
    v128.store(out + i, sum);
  }
  for (; i < last; i += 4) {
    let sum: f32 = 0;
    let p = partial + i;
    for (let block = 0; block < blocks; block++) {
      sum += load<f32>(p);
      p += step;
    }
    store<f32>(out + i, sum);
  }
}

/**
 * Sums of columns over each block of rows: the partial sums for a bias.
 * Items: blocks. args: partial, x, columns, rows, rows a block.
 */
export function sumRowBlocks(args: usize, begin: i32, end: i32): void {
  const n = int(args, 2), rows = int(args, 3), size = int(args, 4);
  const bytes = <usize> n << 2;
  const pairEnd = pairs(n);
  for (let block = begin; block < end; block++) {
    const out = pointer(args, 0) + <usize> block * bytes;
    const first = block * size;
    const last = min(rows, first + size);
    const start = pointer(args, 1) + <usize> first * bytes;
    const stop = pointer(args, 1) + <usize> last * bytes;
    let i: usize = 0;
    for (; i < pairEnd; i += 32) {
      let sum0 = f32x4.splat(0), sum1 = sum0;
      for (let x = start + i; x < stop; x += bytes) {
        sum0 = f32x4.add(sum0, v128.load(x));
        sum1 = f32x4.add(sum1, v128.load(x, 16));
      }
      v128.store(out + i, sum0);
      v128.store(out + i, sum1, 16);
    }
    for (; i < bytes; i += 4) {
      let sum: f32 = 0;
      for (let x = start + i; x < stop; x += bytes) sum += load<f32>(x);
      store<f32>(out + i, sum);
    }
  }
}
