// @ts-nocheck: AssemblyScript, compiled by ../build.ts
// Two values in, one value out, with broadcasting.
import { int, pointer } from "./common";

const ADD: i32 = 0, SUB: i32 = 1, MUL: i32 = 2, DIV: i32 = 3, MAX: i32 = 4, MIN: i32 = 5;
const SQUAREDDIFFERENCE: i32 = 6;

// @ts-ignore: decorator
@inline
function apply(op: i32, a: v128, b: v128): v128 {
  if (op == ADD) return f32x4.add(a, b);
  if (op == SUB) return f32x4.sub(a, b);
  if (op == MUL) return f32x4.mul(a, b);
  if (op == DIV) return f32x4.div(a, b);
  if (op == MAX) return f32x4.max(a, b);
  if (op == MIN) return f32x4.min(a, b);
  const d = f32x4.sub(a, b);
  return f32x4.mul(d, d);
}

// `count` elements. aStep and bStep: 4, or 0 for one value for all.
// @ts-ignore: decorator
@inline
function loop(
  op: i32,
  out: usize,
  a: usize,
  aStep: usize,
  b: usize,
  bStep: usize,
  count: i32,
): void {
  const last: usize = <usize> count << 2;
  const a0 = v128.load_splat<f32>(a), b0 = v128.load_splat<f32>(b);
  let i: usize = 0;
  if (aStep != 0 && bStep != 0) {
    for (; i + 32 <= last; i += 32) {
      const y0 = apply(op, v128.load(a + i), v128.load(b + i));
      const y1 = apply(op, v128.load(a + i, 16), v128.load(b + i, 16));
      v128.store(out + i, y0);
      v128.store(out + i, y1, 16);
    }
  } else if (aStep != 0) {
    for (; i + 32 <= last; i += 32) {
      const y0 = apply(op, v128.load(a + i), b0), y1 = apply(op, v128.load(a + i, 16), b0);
      v128.store(out + i, y0);
      v128.store(out + i, y1, 16);
    }
  } else if (bStep != 0) {
    for (; i + 32 <= last; i += 32) {
      const y0 = apply(op, a0, v128.load(b + i)), y1 = apply(op, a0, v128.load(b + i, 16));
      v128.store(out + i, y0);
      v128.store(out + i, y1, 16);
    }
  }
  for (; i < last; i += 4) {
    const x = aStep != 0 ? v128.load_splat<f32>(a + i) : a0;
    const y = bStep != 0 ? v128.load_splat<f32>(b + i) : b0;
    v128.store_lane<f32>(out + i, apply(op, x, y), 0);
  }
}

/**
 * out = f(a, b) without rows. Items: elements.
 * args: out, a, aStep, b, bStep (steps in bytes: 4, or 0 for one value for all).
 */
// @ts-ignore: decorator
@inline
function flat(op: i32, args: usize, begin: i32, end: i32): void {
  const aStep = pointer(args, 2), bStep = pointer(args, 4);
  loop(
    op,
    pointer(args, 0) + (<usize> begin << 2),
    pointer(args, 1) + <usize> begin * aStep, aStep,
    pointer(args, 3) + <usize> begin * bStep, bStep,
    end - begin,
  );
}

/**
 * out (d0, d1, d2) = f(a, b), each operand with a stride in bytes (0 where it
 * is broadcast) for the three dimensions. Items: rows, d0 * d1 of them.
 * args: out, a, a2, b, b2, d1, d2, a0, a1, b0, b1.
 */
// @ts-ignore: decorator
@inline
function rows(op: i32, args: usize, begin: i32, end: i32): void {
  const aStep = pointer(args, 2), bStep = pointer(args, 4);
  const d1 = int(args, 5), d2 = int(args, 6);
  for (let row = begin; row < end; row++) {
    const i0 = <usize> (row / d1), i1 = <usize> (row % d1);
    loop(
      op,
      pointer(args, 0) + (<usize> row * d2 << 2),
      pointer(args, 1) + i0 * pointer(args, 7) + i1 * pointer(args, 8), aStep,
      pointer(args, 3) + i0 * pointer(args, 9) + i1 * pointer(args, 10), bStep,
      d2,
    );
  }
}

// An exported function for each operation: in one function the compiler folds
// the loops into one that looks up the operation for every vector.

export function binaryAddFlat(args: usize, begin: i32, end: i32): void {
  flat(ADD, args, begin, end);
}

export function binaryAddRows(args: usize, begin: i32, end: i32): void {
  rows(ADD, args, begin, end);
}

export function binarySubFlat(args: usize, begin: i32, end: i32): void {
  flat(SUB, args, begin, end);
}

export function binarySubRows(args: usize, begin: i32, end: i32): void {
  rows(SUB, args, begin, end);
}

export function binaryMulFlat(args: usize, begin: i32, end: i32): void {
  flat(MUL, args, begin, end);
}

export function binaryMulRows(args: usize, begin: i32, end: i32): void {
  rows(MUL, args, begin, end);
}

export function binaryDivFlat(args: usize, begin: i32, end: i32): void {
  flat(DIV, args, begin, end);
}

export function binaryDivRows(args: usize, begin: i32, end: i32): void {
  rows(DIV, args, begin, end);
}

export function binaryMaxFlat(args: usize, begin: i32, end: i32): void {
  flat(MAX, args, begin, end);
}

export function binaryMaxRows(args: usize, begin: i32, end: i32): void {
  rows(MAX, args, begin, end);
}

export function binaryMinFlat(args: usize, begin: i32, end: i32): void {
  flat(MIN, args, begin, end);
}

export function binaryMinRows(args: usize, begin: i32, end: i32): void {
  rows(MIN, args, begin, end);
}

export function binarySquaredDifferenceFlat(args: usize, begin: i32, end: i32): void {
  flat(SQUAREDDIFFERENCE, args, begin, end);
}

export function binarySquaredDifferenceRows(args: usize, begin: i32, end: i32): void {
  rows(SQUAREDDIFFERENCE, args, begin, end);
}

/**
 * out = condition ? a : b. Items: elements. args: out, condition (bytes), a, b.
 */
export function select(args: usize, begin: i32, end: i32): void {
  const out = pointer(args, 0), condition = pointer(args, 1);
  const a = pointer(args, 2), b = pointer(args, 3);
  for (let i: usize = begin; i < <usize> end; i++) {
    const at = i << 2;
    store<i32>(out + at, load<u8>(condition + i) != 0 ? load<i32>(a + at) : load<i32>(b + at));
  }
}

/** out += x. Items: elements. args: out, x. */
export function accumulate(args: usize, begin: i32, end: i32): void {
  const out = pointer(args, 0) + (<usize> begin << 2);
  loop(ADD, out, out, 4, pointer(args, 1) + (<usize> begin << 2), 4, end - begin);
}
