// @ts-nocheck: AssemblyScript, compiled by ../build.ts
// softmax and log-softmax over rows, forward and backward.
import { int, pointer } from "./common";
import {
  exp,
  exp1,
  pairs,
  rowDot,
  rowExp,
  rowExpSum,
  rowMax,
  rowSum,
} from "./fused_math";

/** out = x * factor + shift for n floats; out may be x. */
// @ts-ignore: decorator
@inline
function rowScale(out: usize, x: usize, n: i32, factor: f32, shift: f32): void {
  const end = pairs(n);
  const f = f32x4.splat(factor), s = f32x4.splat(shift);
  let i: usize = 0;
  for (; i < end; i += 32) {
    const y0 = f32x4.add(f32x4.mul(v128.load(x + i), f), s);
    const y1 = f32x4.add(f32x4.mul(v128.load(x + i, 16), f), s);
    v128.store(out + i, y0);
    v128.store(out + i, y1, 16);
  }
  for (; i < <usize> n << 2; i += 4) {
    store<f32>(out + i, load<f32>(x + i) * factor + shift);
  }
}

/** out = softmax(x) by rows. Items: rows. args: out, x, columns. */
export function softmaxRows(args: usize, begin: i32, end: i32): void {
  const n = int(args, 2);
  const bytes = <usize> n << 2;
  let out = pointer(args, 0) + <usize> begin * bytes;
  let x = pointer(args, 1) + <usize> begin * bytes;
  for (let row = begin; row < end; row++) {
    const sum = rowExp(out, x, n, rowMax(x, n));
    rowScale(out, out, n, 1 / sum, 0);
    out += bytes;
    x += bytes;
  }
}

/** out = log(softmax(x)) by rows. Items: rows. args: out, x, columns. */
export function logSoftmaxRows(args: usize, begin: i32, end: i32): void {
  const n = int(args, 2);
  const bytes = <usize> n << 2;
  let out = pointer(args, 0) + <usize> begin * bytes;
  let x = pointer(args, 1) + <usize> begin * bytes;
  for (let row = begin; row < end; row++) {
    const max = rowMax(x, n);
    const log = <f32> Math.log(rowExpSum(x, n, max));
    const endPairs = pairs(n);
    const m = f32x4.splat(max), l = f32x4.splat(log);
    let i: usize = 0;
    for (; i < endPairs; i += 32) {
      const y0 = f32x4.sub(f32x4.sub(v128.load(x + i), m), l);
      const y1 = f32x4.sub(f32x4.sub(v128.load(x + i, 16), m), l);
      v128.store(out + i, y0);
      v128.store(out + i, y1, 16);
    }
    for (; i < bytes; i += 4) {
      store<f32>(out + i, (load<f32>(x + i) - max) - log);
    }
    out += bytes;
    x += bytes;
  }
}

/**
 * dx = y (dy - sum(y dy)) by rows, y the softmax.
 * Items: rows. args: dx, y, dy, columns.
 */
export function softmaxRowsGrad(args: usize, begin: i32, end: i32): void {
  const n = int(args, 3);
  const bytes = <usize> n << 2;
  let dx = pointer(args, 0) + <usize> begin * bytes;
  let y = pointer(args, 1) + <usize> begin * bytes;
  let dy = pointer(args, 2) + <usize> begin * bytes;
  const endPairs = pairs(n);
  for (let row = begin; row < end; row++) {
    const dot = rowDot(y, dy, n);
    const d = f32x4.splat(dot);
    let i: usize = 0;
    for (; i < endPairs; i += 32) {
      const g0 = f32x4.mul(v128.load(y + i), f32x4.sub(v128.load(dy + i), d));
      const g1 = f32x4.mul(
        v128.load(y + i, 16),
        f32x4.sub(v128.load(dy + i, 16), d),
      );
      v128.store(dx + i, g0);
      v128.store(dx + i, g1, 16);
    }
    for (; i < bytes; i += 4) {
      store<f32>(dx + i, load<f32>(y + i) * (load<f32>(dy + i) - dot));
    }
    dx += bytes;
    y += bytes;
    dy += bytes;
  }
}

/**
 * dx = dy - exp(y) sum(dy) by rows, y the log-softmax.
 * Items: rows. args: dx, y, dy, columns.
 */
export function logSoftmaxRowsGrad(args: usize, begin: i32, end: i32): void {
  const n = int(args, 3);
  const bytes = <usize> n << 2;
  let dx = pointer(args, 0) + <usize> begin * bytes;
  let y = pointer(args, 1) + <usize> begin * bytes;
  let dy = pointer(args, 2) + <usize> begin * bytes;
  const endPairs = pairs(n);
  for (let row = begin; row < end; row++) {
    const sum = rowSum(dy, n);
    const s = f32x4.splat(sum);
    let i: usize = 0;
    for (; i < endPairs; i += 32) {
      const g0 = f32x4.sub(
        v128.load(dy + i),
        f32x4.mul(exp(v128.load(y + i)), s),
      );
      const g1 = f32x4.sub(
        v128.load(dy + i, 16),
        f32x4.mul(exp(v128.load(y + i, 16)), s),
      );
      v128.store(dx + i, g0);
      v128.store(dx + i, g1, 16);
    }
    for (; i < bytes; i += 4) {
      store<f32>(dx + i, load<f32>(dy + i) - exp1(load<f32>(y + i)) * sum);
    }
    dx += bytes;
    y += bytes;
    dy += bytes;
  }
}
