// @ts-nocheck: AssemblyScript, compiled by ../build.ts
// Binary element-wise kernels.
import { pointer } from "./common";

/** out = a + b, element by element. Items: elements. args: out, a, b. */
export function addSame(args: usize, begin: i32, end: i32): void {
  const out = pointer(args, 0), a = pointer(args, 1), b = pointer(args, 2);
  let i: usize = <usize> begin << 2;
  const last: usize = <usize> end << 2;
  for (; i + 32 <= last; i += 32) {
    const x0 = f32x4.add(v128.load(a + i), v128.load(b + i));
    const x1 = f32x4.add(v128.load(a + i, 16), v128.load(b + i, 16));
    v128.store(out + i, x0);
    v128.store(out + i, x1, 16);
  }
  for (; i < last; i += 4) {
    store<f32>(out + i, load<f32>(a + i) + load<f32>(b + i));
  }
}
