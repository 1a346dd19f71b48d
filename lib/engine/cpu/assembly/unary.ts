// @ts-nocheck: AssemblyScript, compiled by ../build.ts
// One value in, one value out.
import { int, pointer } from "./common";
import { exp, log, sigmoid, tanh } from "./math";

const NEG: i32 = 0, ABS: i32 = 1, SQUARE: i32 = 2, SQRT: i32 = 3, RSQRT: i32 = 4;
const RECIPROCAL: i32 = 5, RELU: i32 = 6, STEP: i32 = 7, EXP: i32 = 8, LOG: i32 = 9;
const SIGMOID: i32 = 10, TANH: i32 = 11, RELU6: i32 = 12, COPY: i32 = 13;

// @ts-ignore: decorator
@inline
function apply(op: i32, x: v128): v128 {
  const zero = f32x4.splat(0), one = f32x4.splat(1);
  if (op == NEG) return f32x4.neg(x);
  if (op == ABS) return f32x4.abs(x);
  if (op == SQUARE) return f32x4.mul(x, x);
  if (op == SQRT) return f32x4.sqrt(x);
  if (op == RSQRT) return f32x4.div(one, f32x4.sqrt(x));
  if (op == RECIPROCAL) return f32x4.div(one, x);
  if (op == RELU) return f32x4.pmax(x, zero); // NaN stays
  if (op == RELU6) return f32x4.pmin(f32x4.pmax(x, zero), f32x4.splat(6));
  if (op == STEP) { // 1 above 0, else 0; NaN stays
    const y = v128.and(one, f32x4.gt(x, zero));
    return v128.bitselect(y, x, f32x4.eq(x, x));
  }
  if (op == EXP) return exp(x);
  if (op == LOG) return log(x);
  if (op == SIGMOID) return sigmoid(x);
  if (op == TANH) return tanh(x);
  return x;
}

// @ts-ignore: decorator
@inline
function loop(op: i32, out: usize, x: usize, begin: i32, end: i32): void {
  let i: usize = <usize> begin << 2;
  const last: usize = <usize> end << 2;
  for (; i + 32 <= last; i += 32) {
    const y0 = apply(op, v128.load(x + i)), y1 = apply(op, v128.load(x + i, 16));
    v128.store(out + i, y0);
    v128.store(out + i, y1, 16);
  }
  // The rest, by the same operations.
  for (; i < last; i += 4) {
    v128.store_lane<f32>(out + i, apply(op, v128.load_splat<f32>(x + i)), 0);
  }
}

// out = f(x). Items: elements. args: out, x. An exported function for each
// operation: in one function the compiler folds the loops into one that looks
// up the operation for every vector.

export function unaryNeg(args: usize, begin: i32, end: i32): void {
  loop(NEG, pointer(args, 0), pointer(args, 1), begin, end);
}

export function unaryAbs(args: usize, begin: i32, end: i32): void {
  loop(ABS, pointer(args, 0), pointer(args, 1), begin, end);
}

export function unarySquare(args: usize, begin: i32, end: i32): void {
  loop(SQUARE, pointer(args, 0), pointer(args, 1), begin, end);
}

export function unarySqrt(args: usize, begin: i32, end: i32): void {
  loop(SQRT, pointer(args, 0), pointer(args, 1), begin, end);
}

export function unaryRsqrt(args: usize, begin: i32, end: i32): void {
  loop(RSQRT, pointer(args, 0), pointer(args, 1), begin, end);
}

export function unaryReciprocal(args: usize, begin: i32, end: i32): void {
  loop(RECIPROCAL, pointer(args, 0), pointer(args, 1), begin, end);
}

export function unaryRelu(args: usize, begin: i32, end: i32): void {
  loop(RELU, pointer(args, 0), pointer(args, 1), begin, end);
}

export function unaryRelu6(args: usize, begin: i32, end: i32): void {
  loop(RELU6, pointer(args, 0), pointer(args, 1), begin, end);
}

export function unaryStep(args: usize, begin: i32, end: i32): void {
  loop(STEP, pointer(args, 0), pointer(args, 1), begin, end);
}

export function unaryExp(args: usize, begin: i32, end: i32): void {
  loop(EXP, pointer(args, 0), pointer(args, 1), begin, end);
}

export function unaryLog(args: usize, begin: i32, end: i32): void {
  loop(LOG, pointer(args, 0), pointer(args, 1), begin, end);
}

export function unarySigmoid(args: usize, begin: i32, end: i32): void {
  loop(SIGMOID, pointer(args, 0), pointer(args, 1), begin, end);
}

export function unaryTanh(args: usize, begin: i32, end: i32): void {
  loop(TANH, pointer(args, 0), pointer(args, 1), begin, end);
}

export function unaryCopy(args: usize, begin: i32, end: i32): void {
  loop(COPY, pointer(args, 0), pointer(args, 1), begin, end);
}

/** out = value, as 32-bit words. Items: elements. args: out, value's bits. */
export function fillWords(args: usize, begin: i32, end: i32): void {
  const value = i32x4.splat(int(args, 1));
  let p = pointer(args, 0) + (<usize> begin << 2);
  const last = pointer(args, 0) + (<usize> end << 2);
  for (; p + 32 <= last; p += 32) {
    v128.store(p, value);
    v128.store(p, value, 16);
  }
  for (; p < last; p += 4) store<i32>(p, int(args, 1));
}

/** out = (float32) x of int32. Items: elements. args: out, x. */
export function intToFloat(args: usize, begin: i32, end: i32): void {
  const out = pointer(args, 0), x = pointer(args, 1);
  for (let i: usize = <usize> begin << 2; i < <usize> end << 2; i += 4) {
    store<f32>(out + i, <f32> load<i32>(x + i));
  }
}

/** out = (float32) x of bool. Items: elements. args: out, x. */
export function boolToFloat(args: usize, begin: i32, end: i32): void {
  const out = pointer(args, 0), x = pointer(args, 1);
  for (let i: usize = begin; i < <usize> end; i++) {
    store<f32>(out + (i << 2), <f32> load<u8>(x + i));
  }
}
