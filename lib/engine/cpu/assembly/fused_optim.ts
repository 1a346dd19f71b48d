// @ts-nocheck: AssemblyScript, compiled by ../build.ts
// Updates of all parameters in one job, and the norm of all gradients.
//
// Each kernel gets a table with one entry of 8 float64 words for each tensor:
// 0 values, 1 gradient, 2 and 3 state, 4 elements, 5 and 6 numbers of this
// tensor, 7 its first block. An item is a block of 8192 elements of a tensor.
import { float, int, pointer } from "./common";

const BLOCK = 8192;

/** The entry that a block belongs to. */
// @ts-ignore: decorator
@inline
function entryOf(table: usize, count: i32, block: i32): usize {
  let low = 0, high = count - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (int(table + (<usize> middle << 6), 7) <= block) low = middle;
    else high = middle - 1;
  }
  return table + (<usize> low << 6);
}

/**
 * Adam and AdamW (torch.optim): g = gradient + l2 p, m += (1 - beta1) (g - m),
 * v = beta2 v + (1 - beta2) g^2, p = decay p - size m / (sqrt(v) / root + eps).
 * Entry: p, gradient, m, v, elements, size, root. Items: blocks.
 * args: table, entries, 1 - beta1, beta2, 1 - beta2, eps, decay, l2.
 */
export function adam(args: usize, begin: i32, end: i32): void {
  const table = pointer(args, 0), count = int(args, 1);
  const a = float(args, 2), b = float(args, 3), c = float(args, 4);
  const eps = float(args, 5), decay = float(args, 6), l2 = float(args, 7);
  const va = f32x4.splat(a), vb = f32x4.splat(b), vc = f32x4.splat(c);
  const veps = f32x4.splat(eps), vdecay = f32x4.splat(decay);
  const vl2 = f32x4.splat(l2);
  for (let block = begin; block < end; block++) {
    const entry = entryOf(table, count, block);
    const first = (block - int(entry, 7)) * BLOCK;
    const n = min(BLOCK, int(entry, 4) - first);
    const offset = <usize> first << 2;
    const p = pointer(entry, 0) + offset, g = pointer(entry, 1) + offset;
    const m = pointer(entry, 2) + offset, v = pointer(entry, 3) + offset;
    const size = float(entry, 5), root = float(entry, 6);
    const vsize = f32x4.splat(size), vroot = f32x4.splat(root);
    const last = <usize> n << 2;
    let i: usize = 0;
    for (; i + 32 <= last; i += 32) {
      const p0 = v128.load(p + i), p1 = v128.load(p + i, 16);
      const g0 = f32x4.add(v128.load(g + i), f32x4.mul(p0, vl2));
      const g1 = f32x4.add(v128.load(g + i, 16), f32x4.mul(p1, vl2));
      let m0 = v128.load(m + i), m1 = v128.load(m + i, 16);
      m0 = f32x4.add(m0, f32x4.mul(va, f32x4.sub(g0, m0)));
      m1 = f32x4.add(m1, f32x4.mul(va, f32x4.sub(g1, m1)));
      v128.store(m + i, m0);
      v128.store(m + i, m1, 16);
      const v0 = f32x4.add(
        f32x4.mul(v128.load(v + i), vb),
        f32x4.mul(f32x4.mul(vc, g0), g0),
      );
      const v1 = f32x4.add(
        f32x4.mul(v128.load(v + i, 16), vb),
        f32x4.mul(f32x4.mul(vc, g1), g1),
      );
      v128.store(v + i, v0);
      v128.store(v + i, v1, 16);
      const d0 = f32x4.add(f32x4.div(f32x4.sqrt(v0), vroot), veps);
      const d1 = f32x4.add(f32x4.div(f32x4.sqrt(v1), vroot), veps);
      const q0 = f32x4.div(f32x4.mul(vsize, m0), d0);
      const q1 = f32x4.div(f32x4.mul(vsize, m1), d1);
      v128.store(p + i, f32x4.sub(f32x4.mul(p0, vdecay), q0));
      v128.store(p + i, f32x4.sub(f32x4.mul(p1, vdecay), q1), 16);
    }
    for (; i < last; i += 4) {
      const p0 = load<f32>(p + i);
      const g0 = load<f32>(g + i) + p0 * l2;
      let m0 = load<f32>(m + i);
      m0 += a * (g0 - m0);
      store<f32>(m + i, m0);
      const v0 = load<f32>(v + i) * b + (c * g0) * g0;
      store<f32>(v + i, v0);
      const d0 = Mathf.sqrt(v0) / root + eps;
      store<f32>(p + i, p0 * decay - size * m0 / d0);
    }
  }
}

/**
 * SGD (torch.optim): d = gradient + l2 p; with momentum, the buffer is d at the
 * first step, then momentum * buffer + (1 - dampening) d, and d is the buffer
 * or, for Nesterov's, d + momentum * buffer; p -= lr d.
 * Entry: p, gradient, buffer (or 0), -, elements, whether this is the first
 * step. Items: blocks.
 * args: table, entries, lr, momentum, 1 - dampening, l2, nesterov.
 */
export function sgd(args: usize, begin: i32, end: i32): void {
  const table = pointer(args, 0), count = int(args, 1);
  const lr = float(args, 2), momentum = float(args, 3), a = float(args, 4);
  const l2 = float(args, 5), nesterov = int(args, 6) != 0;
  const vlr = f32x4.splat(lr), vmomentum = f32x4.splat(momentum);
  const va = f32x4.splat(a), vl2 = f32x4.splat(l2);
  for (let block = begin; block < end; block++) {
    const entry = entryOf(table, count, block);
    const start = (block - int(entry, 7)) * BLOCK;
    const n = min(BLOCK, int(entry, 4) - start);
    const offset = <usize> start << 2;
    const p = pointer(entry, 0) + offset, g = pointer(entry, 1) + offset;
    const state = pointer(entry, 2);
    const buffer = state == 0 ? state : state + offset;
    const first = int(entry, 5) != 0;
    const last = <usize> n << 2;
    let i: usize = 0;
    for (; i + 16 <= last; i += 16) {
      const p0 = v128.load(p + i);
      let d = f32x4.add(v128.load(g + i), f32x4.mul(p0, vl2));
      if (buffer != 0) {
        const b = first ? d : f32x4.add(
          f32x4.mul(v128.load(buffer + i), vmomentum),
          f32x4.mul(d, va),
        );
        v128.store(buffer + i, b);
        d = nesterov ? f32x4.add(d, f32x4.mul(b, vmomentum)) : b;
      }
      v128.store(p + i, f32x4.sub(p0, f32x4.mul(d, vlr)));
    }
    for (; i < last; i += 4) {
      const p0 = load<f32>(p + i);
      let d = load<f32>(g + i) + p0 * l2;
      if (buffer != 0) {
        const b = first ? d : load<f32>(buffer + i) * momentum + d * a;
        store<f32>(buffer + i, b);
        d = nesterov ? d + b * momentum : b;
      }
      store<f32>(p + i, p0 - d * lr);
    }
  }
}

/**
 * Sums of squares in float64, one for each block, two of them at a time.
 * Entry: -, gradient, -, -, elements. Items: blocks.
 * args: table, entries, sums (float64).
 */
export function sumSquares(args: usize, begin: i32, end: i32): void {
  const table = pointer(args, 0), count = int(args, 1);
  for (let block = begin; block < end; block++) {
    const entry = entryOf(table, count, block);
    const start = (block - int(entry, 7)) * BLOCK;
    const n = min(BLOCK, int(entry, 4) - start);
    const g = pointer(entry, 1) + (<usize> start << 2);
    const last = <usize> n << 2;
    let sum0 = f64x2.splat(0), sum1 = sum0;
    let i: usize = 0;
    for (; i + 16 <= last; i += 16) {
      const d0 = f64x2.promote_low_f32x4(v128.load64_zero(g + i));
      const d1 = f64x2.promote_low_f32x4(v128.load64_zero(g + i, 8));
      sum0 = f64x2.add(sum0, f64x2.mul(d0, d0));
      sum1 = f64x2.add(sum1, f64x2.mul(d1, d1));
    }
    sum0 = f64x2.add(sum0, sum1);
    let sum = f64x2.extract_lane(sum0, 0) + f64x2.extract_lane(sum0, 1);
    for (; i < last; i += 4) {
      const d = <f64> load<f32>(g + i);
      sum += d * d;
    }
    store<f64>(pointer(args, 2) + (<usize> block << 3), sum);
  }
}

/**
 * norm = the norm of the tensors' norms; factor = max / (norm + 1e-6), at most
 * 1 (NaN stays). One item.
 * args: table, entries, sums, blocks, max, norm, factor.
 */
export function clipFactor(args: usize, begin: i32, end: i32): void {
  const table = pointer(args, 0), count = int(args, 1);
  const sums = pointer(args, 2), blocks = int(args, 3);
  let total: f64 = 0;
  for (let i = 0; i < count; i++) {
    const next = i + 1 < count
      ? int(table + (<usize> (i + 1) << 6), 7)
      : blocks;
    let sum: f64 = 0;
    for (let b = int(table + (<usize> i << 6), 7); b < next; b++) {
      sum += load<f64>(sums + (<usize> b << 3));
    }
    const norm = <f64> <f32> Math.sqrt(sum);
    total += norm * norm;
  }
  const norm = <f32> Math.sqrt(total);
  const factor = float(args, 4) / (norm + <f32> 1e-6);
  store<f32>(pointer(args, 5), norm);
  store<f32>(pointer(args, 6), factor > 1 ? 1 : factor);
}

/**
 * Values times a factor. Entry: out, x, -, -, elements. Items: blocks.
 * args: table, entries, pointer of the factor.
 */
export function scaleAll(args: usize, begin: i32, end: i32): void {
  const table = pointer(args, 0), count = int(args, 1);
  const factor = load<f32>(pointer(args, 2));
  const f = f32x4.splat(factor);
  for (let block = begin; block < end; block++) {
    const entry = entryOf(table, count, block);
    const start = (block - int(entry, 7)) * BLOCK;
    const n = min(BLOCK, int(entry, 4) - start);
    const out = pointer(entry, 0) + (<usize> start << 2);
    const x = pointer(entry, 1) + (<usize> start << 2);
    const last = <usize> n << 2;
    let i: usize = 0;
    for (; i + 32 <= last; i += 32) {
      const y0 = f32x4.mul(v128.load(x + i), f);
      const y1 = f32x4.mul(v128.load(x + i, 16), f);
      v128.store(out + i, y0);
      v128.store(out + i, y1, 16);
    }
    for (; i < last; i += 4) store<f32>(out + i, load<f32>(x + i) * factor);
  }
}
