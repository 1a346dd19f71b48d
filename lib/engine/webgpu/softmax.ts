/**
 * Softmax and its logarithm over the last axis: one kernel forward (maximum, sum, result) and one
 * backward.
 */
import type * as tf from "@tensorflow/tfjs-core";
import { isLastAxis, usable } from "../checks.ts";
import { differentiable } from "../tape.ts";
import { rowLayout, rowReductions } from "./rows.ts";
import { empty, launch, read, u32, write } from "./runtime.ts";

type Tensor = tf.Tensor;

/** exp(x) / sum(exp(x)): see lib/functional.ts. */
export function softmax(x: Tensor, axis = -1): Tensor | undefined {
  if (usable(x) && isLastAxis(x, axis)) return overRows("softmax", x);
}

/** log(softmax(x)): see lib/functional.ts. */
export function logSoftmax(x: Tensor, axis = -1): Tensor | undefined {
  if (usable(x) && isLastAxis(x, axis)) return overRows("logSoftmax", x);
}

function overRows(name: "softmax" | "logSoftmax", x: Tensor): Tensor {
  const log = name === "logSoftmax";
  const C = x.shape.at(-1)!, N = x.size / C;
  const layout = rowLayout(C);
  const place = `
  let lane = t % ${layout.lanes}u;
  let row = group * ${layout.rows}u + t / ${layout.lanes}u;
  let live = row < u.rows;
  let first = row * u.columns + lane;
  let end = select(0u, (row + 1u) * u.columns, live); // a row that is not there has no columns`;
  /** A loop over this thread's columns. */
  const each = (line: string) =>
    `for (var at = first; at < end; at += ${layout.lanes}u) { ${line} }`;
  const common = {
    name,
    uniforms: { rows: u32(N), columns: u32(C) },
    threads: layout.threads,
    groups: Math.ceil(N / layout.rows),
  };
  return differentiable({ x }, (save) => {
    const y = empty(x.shape);
    launch({
      ...common,
      variant: `forward ${layout.lanes}`,
      buffers: { x: read(x), y: write(y) },
      body: () =>
        `${place}
  var largest = ${lowest};
  ${each("largest = max(largest, x[at]);")}
  let top = row_max(largest, t);
  var total = 0.0;
  ${each("total += exp_from(x[at], top);")}
  let sum = row_sum(total, t);
  ${
          log
            ? `let log_sum = log(sum); ${each("y[at] = x[at] - top - log_sum;")}`
            : each("y[at] = exp_from(x[at], top) / sum;")
        }`,
      globals: () => rowReductions(layout, "row_max", "row_sum") + expFrom,
    });
    save([y]);
    return y;
  }, (dy, [y]) => ({
    x: () => {
      const dx = empty(x.shape);
      launch({
        ...common,
        variant: `backward ${layout.lanes}`,
        buffers: { y: read(y), dy: read(dy), dx: write(dx) },
        globals: () => rowReductions(layout, "row_sum"),
        body: () =>
          `${place}
  var total = 0.0;
  ${each(log ? "total += dy[at];" : "total += dy[at] * y[at];")}
  let sum = row_sum(total, t);
  ${each(log ? "dx[at] = dy[at] - exp(y[at]) * sum;" : "dx[at] = y[at] * (dy[at] - sum);")}`,
      });
      return dx;
    },
  }));
}

/** Below all finite numbers that occur: WGSL knows no infinity. */
export const lowest = "-3.0e38";
/** WGSL for exp(v - top) that is 0 for v = -infinity whatever the compiler makes of infinities. */
export const expFrom = `
fn exp_from(v: f32, top: f32) -> f32 { return select(exp(v - top), 0.0, v < ${lowest}); }
`;
