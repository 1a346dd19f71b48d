// @ts-nocheck: AssemblyScript, compiled by ../build.ts
// What every kernel file needs: reading the argument record, the scratch area
// of this thread, and a fused multiply-add.
//
// A kernel is an exported function (args: usize, begin: i32, end: i32): void.
// `args` points to a record of 64-bit floats in shared memory: pointers and
// integers are whole numbers in it. `begin` and `end` are items (rows, blocks):
// what an item is, each kernel says. Items are independent of each other, so
// results do not depend on how the threads divide them.

/** Argument i as a pointer. */
// @ts-ignore: decorator
@inline
export function pointer(args: usize, i: i32): usize {
  return <usize> load<f64>(args + (<usize> i << 3));
}

/** Argument i as an integer. */
// @ts-ignore: decorator
@inline
export function int(args: usize, i: i32): i32 {
  return <i32> load<f64>(args + (<usize> i << 3));
}

/** Argument i as a float32. */
// @ts-ignore: decorator
@inline
export function float(args: usize, i: i32): f32 {
  return <f32> load<f64>(args + (<usize> i << 3));
}

// Each thread has an instance of the module of its own, and so its own value
// of this global.
let scratchPointer: usize = 0;

/** Gives this thread its scratch area. Called once per instance. */
export function setScratch(pointer: usize): void {
  scratchPointer = pointer;
}

/** This thread's scratch area: SCRATCH_BYTES bytes, 64-byte aligned. */
// @ts-ignore: decorator
@inline
export function scratch(): usize {
  return scratchPointer;
}

/** a * b + c, with one rounding where the processor has it. */
// @ts-ignore: decorator
@inline
export function madd(a: v128, b: v128, c: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) {
    return f32x4.relaxed_madd(a, b, c);
  } else {
    return f32x4.add(f32x4.mul(a, b), c);
  }
}

/** -(a * b) + c, with one rounding where the processor has it. */
// @ts-ignore: decorator
@inline
export function nmadd(a: v128, b: v128, c: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) {
    return f32x4.relaxed_nmadd(a, b, c);
  } else {
    return f32x4.sub(c, f32x4.mul(a, b));
  }
}
