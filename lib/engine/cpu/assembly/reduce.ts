// @ts-nocheck: AssemblyScript, compiled by ../build.ts
// Sums and maxima. x is seen as (outer, count, inner), and the middle axis goes.
// Every sum has a fixed order: four accumulators a block of BLOCK elements, and
// the blocks' sums added in float64 one after another.
import { float, int, pointer } from "./common";

const BLOCK: i32 = 2048;

// Sum of at most BLOCK contiguous elements.
function sumBlock(x: usize, count: i32): f64 {
  let s0 = f32x4.splat(0), s1 = f32x4.splat(0), s2 = f32x4.splat(0), s3 = f32x4.splat(0);
  let i = 0;
  for (; i + 16 <= count; i += 16) {
    s0 = f32x4.add(s0, v128.load(x));
    s1 = f32x4.add(s1, v128.load(x, 16));
    s2 = f32x4.add(s2, v128.load(x, 32));
    s3 = f32x4.add(s3, v128.load(x, 48));
    x += 64;
  }
  const s = f32x4.add(f32x4.add(s0, s1), f32x4.add(s2, s3));
  let sum = <f64> f32x4.extract_lane(s, 0) + <f64> f32x4.extract_lane(s, 1) +
    <f64> f32x4.extract_lane(s, 2) + <f64> f32x4.extract_lane(s, 3);
  for (; i < count; i++) {
    sum += <f64> load<f32>(x);
    x += 4;
  }
  return sum;
}

function maxBlock(x: usize, count: i32, sign: f32): f32 {
  const signs = f32x4.splat(sign);
  let m0 = f32x4.splat(-Infinity), m1 = m0;
  let i = 0;
  for (; i + 8 <= count; i += 8) {
    m0 = f32x4.max(m0, f32x4.mul(v128.load(x), signs));
    m1 = f32x4.max(m1, f32x4.mul(v128.load(x, 16), signs));
    x += 32;
  }
  const m = f32x4.max(m0, m1);
  let result: f32 = max(
    max(f32x4.extract_lane(m, 0), f32x4.extract_lane(m, 1)),
    max(f32x4.extract_lane(m, 2), f32x4.extract_lane(m, 3)),
  );
  for (; i < count; i++) {
    result = max(result, load<f32>(x) * sign);
    x += 4;
  }
  return result;
}

/** Sums times a factor over the last axis. Items: rows. args: out, x, count, factor. */
export function sumRows(args: usize, begin: i32, end: i32): void {
  const out = pointer(args, 0), count = int(args, 2);
  const factor = load<f64>(args, 24);
  for (let row = begin; row < end; row++) {
    const x = pointer(args, 1) + (<usize> row * count << 2);
    let sum: f64 = 0;
    for (let i = 0; i < count; i += BLOCK) {
      sum += sumBlock(x + (<usize> i << 2), min(BLOCK, count - i));
    }
    store<f32>(out + (<usize> row << 2), <f32> (sum * factor));
  }
}

/** Sums of blocks of one long row, as float64. Items: blocks. args: out, x, count. */
export function sumBlocks(args: usize, begin: i32, end: i32): void {
  const count = int(args, 2);
  for (let block = begin; block < end; block++) {
    const i = block * BLOCK;
    const sum = sumBlock(pointer(args, 1) + (<usize> i << 2), min(BLOCK, count - i));
    store<f64>(pointer(args, 0) + (<usize> block << 3), sum);
  }
}

/**
 * Maxima (sign 1) or minima (sign -1) over the last axis. Items: rows. args: out, x, count, sign.
 */
export function maxRows(args: usize, begin: i32, end: i32): void {
  const out = pointer(args, 0), count = int(args, 2), sign = float(args, 3);
  for (let row = begin; row < end; row++) {
    const x = pointer(args, 1) + (<usize> row * count << 2);
    store<f32>(out + (<usize> row << 2), maxBlock(x, count, sign) * sign);
  }
}

/**
 * Sums of rows: out (items, inner), an item being `rows` rows of x (the last
 * item of an outer index may have fewer).
 * args: out, x, count, inner, rows, blocks (items an outer index), factor.
 */
export function sumColumns(args: usize, begin: i32, end: i32): void {
  const count = int(args, 2), inner = int(args, 3), rows = int(args, 4), blocks = int(args, 5);
  const factor = f32x4.splat(float(args, 6));
  const stride: usize = <usize> inner << 2;
  for (let item = begin; item < end; item++) {
    const outer = item / blocks, first = item % blocks * rows;
    const many = min(rows, count - first);
    const x = pointer(args, 1) + (<usize> (outer * count + first)) * stride;
    const out = pointer(args, 0) + <usize> item * stride;
    let j: usize = 0;
    for (; j + 64 <= stride; j += 64) {
      let s0 = f32x4.splat(0), s1 = s0, s2 = s0, s3 = s0;
      let p = x + j;
      for (let i = 0; i < many; i++) {
        s0 = f32x4.add(s0, v128.load(p));
        s1 = f32x4.add(s1, v128.load(p, 16));
        s2 = f32x4.add(s2, v128.load(p, 32));
        s3 = f32x4.add(s3, v128.load(p, 48));
        p += stride;
      }
      v128.store(out + j, f32x4.mul(s0, factor));
      v128.store(out + j, f32x4.mul(s1, factor), 16);
      v128.store(out + j, f32x4.mul(s2, factor), 32);
      v128.store(out + j, f32x4.mul(s3, factor), 48);
    }
    for (; j + 16 <= stride; j += 16) {
      let s0 = f32x4.splat(0);
      let p = x + j;
      for (let i = 0; i < many; i++) {
        s0 = f32x4.add(s0, v128.load(p));
        p += stride;
      }
      v128.store(out + j, f32x4.mul(s0, factor));
    }
    for (; j < stride; j += 4) {
      let s: f32 = 0;
      let p = x + j;
      for (let i = 0; i < many; i++) {
        s += load<f32>(p);
        p += stride;
      }
      store<f32>(out + j, s * float(args, 6));
    }
  }
}

/** As sumColumns, for maxima and minima. args: out, x, count, inner, sign. Items: outer. */
export function maxColumns(args: usize, begin: i32, end: i32): void {
  const count = int(args, 2), inner = int(args, 3), sign = float(args, 4);
  const stride: usize = <usize> inner << 2;
  for (let outer = begin; outer < end; outer++) {
    const x = pointer(args, 1) + <usize> (outer * count) * stride;
    const out = pointer(args, 0) + <usize> outer * stride;
    for (let j: usize = 0; j < stride; j += 4) {
      let m: f32 = -Infinity;
      let p = x + j;
      for (let i = 0; i < count; i++) {
        m = max(m, load<f32>(p) * sign);
        p += stride;
      }
      store<f32>(out + j, m * sign);
    }
  }
}
