/**
 * What kernels share that work on rows (N, C): several threads, "lanes", to a row, and sums over
 * its lanes.
 */
import type * as tf from "@tensorflow/tfjs-core";
import { empty, launch, read, u32, write } from "./runtime.ts";

type Tensor = tf.Tensor;

/**
 * How a workgroup works on rows of `columns`: `lanes` threads to a row, a power of two, and `rows`
 * rows at once.
 */
export function rowLayout(columns: number): { threads: number; lanes: number; rows: number } {
  const threads = columns <= 256 ? 64 : 256;
  const wanted = 2 ** Math.ceil(Math.log2(Math.max(1, columns / 4))); // about 4 columns a lane
  const lanes = Math.min(threads, wanted);
  return { threads, lanes, rows: threads / lanes };
}

/**
 * WGSL for `row_sum(value, t)`, `row_sums(value, t)` of a pair, and `row_max(value, t)` over the
 * lanes of a row, which every thread of the workgroup has to call. The order of the additions is
 * fixed. The kernel gets those it names.
 */
export function rowReductions(
  { threads, lanes }: { threads: number; lanes: number },
  ...names: ("row_sum" | "row_sums" | "row_max")[]
): string {
  return names.map((name) => {
    const type = name === "row_sums" ? "vec2f" : "f32";
    const header = `fn ${name}(value: ${type}, t: u32) -> ${type} {`;
    if (lanes === 1) return `${header} return value; }`;
    return `
var<workgroup> ${name}_lanes: array<${type}, ${threads}>;
${header}
  ${name}_lanes[t] = value;
  workgroupBarrier();
  for (var width = ${lanes / 2}u; width > 0u; width = width / 2u) {
    if (t % ${lanes}u < width) {
      let a = ${name}_lanes[t];
      let b = ${name}_lanes[t + width];
      ${name}_lanes[t] = ${name === "row_max" ? "max(a, b)" : "a + b"};
    }
    workgroupBarrier();
  }
  let result = ${name}_lanes[t - t % ${lanes}u];
  workgroupBarrier();
  return result;
}`;
  }).join("\n");
}

/**
 * Sums over the first axis of each tensor (P, ...), in its order, all in one kernel; the tensors
 * are at most 3.
 */
export function sumParts(parts: Tensor[]): Tensor[] {
  const sums = parts.map((p) => empty(p.shape.slice(1)));
  const sizes = sums.map((s) => s.size);
  const buffers = Object.fromEntries(
    parts.flatMap((p, j) => [[`part${j}`, read(p)], [`sum${j}`, write(sums[j])]]),
  );
  launch({
    name: "sumParts",
    buffers,
    uniforms: {
      parts: u32(parts[0].shape[0]),
      ...Object.fromEntries(sizes.map((size, j) => [`size${j}`, u32(size)])),
    },
    threads: 64,
    groups: Math.ceil(sizes.reduce((a, b) => a + b) / 64),
    body: () =>
      "var at = i;" + parts.map((_, j) => `
  if (at < u.size${j}) {
    var sum = 0.0;
    for (var p = 0u; p < u.parts; p++) { sum += part${j}[p * u.size${j} + at]; }
    sum${j}[at] = sum;
    return;
  }
  at -= u.size${j};`).join(""),
  });
  return sums;
}
