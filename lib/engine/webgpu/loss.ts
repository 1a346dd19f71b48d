/**
 * Cross-entropy from logits without a one-hot matrix. Forward: a row's loss and the logarithm of
 * its sum of exponentials, then (for "mean" and "sum") one workgroup that adds the rows. Backward:
 * one kernel.
 *
 * A row's loss is log sum exp(x) - (1 - s) x[target] - s mean(x), with the label smoothing s.
 */
import type * as tf from "@tensorflow/tfjs-core";
import { fitClasses } from "../checks.ts";
import type { ClassLossOptions } from "../operations.ts";
import { differentiable } from "../tape.ts";
import { rowLayout, rowReductions } from "./rows.ts";
import { empty, f32, launch, read, u32, write } from "./runtime.ts";
import { expFrom, lowest } from "./softmax.ts";

type Tensor = tf.Tensor;

/**
 * -log softmax(logits)[target]: see lib/functional.ts. A target that is no class and not the
 * ignored value makes the loss NaN.
 */
export function crossEntropy(
  logits: Tensor,
  targets: Tensor,
  options: ClassLossOptions = {},
): Tensor | undefined {
  const { ignore_index = -100, label_smoothing = 0, reduction = "mean", weight } = options;
  if (weight || !fitClasses(logits, targets)) return;
  const V = logits.shape.at(-1)!, N = targets.size;
  const layout = rowLayout(V);
  const common = {
    name: "crossEntropy",
    threads: layout.threads,
    groups: Math.ceil(N / layout.rows),
  };
  const place = `
  let lane = t % ${layout.lanes}u;
  let row = group * ${layout.rows}u + t / ${layout.lanes}u;
  let live = row < u.rows;
  let first = row * u.columns + lane;
  let end = select(0u, (row + 1u) * u.columns, live);
  var goal = u.ignored;
  if (live) { goal = targets[row]; }`;
  const uniforms = {
    rows: u32(N),
    columns: u32(V),
    ignored: { type: "i32" as const, value: ignore_index },
    smoothing: f32(label_smoothing),
  };
  return differentiable({ logits }, (save) => {
    const losses = empty([N]), logSums = empty([N]);
    launch({
      ...common,
      variant: `forward ${layout.lanes}`,
      buffers: {
        x: read(logits),
        targets: read(targets),
        losses: write(losses),
        log_sums: write(logSums),
      },
      uniforms: { ...uniforms, nan: f32(NaN) },
      globals: () => rowReductions(layout, "row_max", "row_sums") + expFrom,
      body: () =>
        `${place}
  var largest = ${lowest};
  for (var at = first; at < end; at += ${layout.lanes}u) { largest = max(largest, x[at]); }
  let top = row_max(largest, t);
  var total = 0.0;
  var plain = 0.0;
  for (var at = first; at < end; at += ${layout.lanes}u) {
    total += exp_from(x[at], top);
    plain += x[at] - top;
  }
  let sums = row_sums(vec2f(total, plain), t);
  let log_sum = log(sums.x);
  let mean = sums.y / f32(u.columns);
  if (live && lane == 0u) {
    var loss = 0.0;
    if (goal != u.ignored) {
      loss = u.nan;
      if (goal >= 0 && u32(goal) < u.columns) {
        loss = log_sum - (1.0 - u.smoothing) * (x[row * u.columns + u32(goal)] - top);
        if (u.smoothing > 0.0) { loss -= u.smoothing * mean; } // mean may be infinite
      }
    }
    losses[row] = loss;
    log_sums[row] = top + log_sum;
  }`,
    });
    if (reduction === "none") {
      save([logits, targets, logSums]);
      return losses;
    }
    const loss = empty([]), count = empty([]);
    total(losses, targets, loss, count, uniforms.ignored, reduction === "mean");
    save([logits, targets, logSums, count]);
    return loss;
  }, (dy, [logits, targets, logSums, count]) => ({
    logits: () => {
      const dx = empty(logits.shape);
      launch({
        ...common,
        variant: `backward ${layout.lanes} ${reduction}`,
        buffers: {
          x: read(logits),
          targets: read(targets),
          log_sums: read(logSums),
          dy: read(dy),
          ...reduction === "mean" && { count: read(count) },
          dx: write(dx),
        },
        uniforms,
        body: () =>
          `${place}
  if (!live) { return; }
  let factor = ${
            reduction === "none"
              ? "dy[row]"
              : reduction === "sum"
              ? "dy[0]"
              : "dy[0] / max(count[0], 1.0)"
          };
  let log_sum = log_sums[row];
  for (var at = first; at < end; at += ${layout.lanes}u) {
    var d = 0.0;
    if (goal != u.ignored) {
      d = exp_from(x[at], log_sum) - u.smoothing / f32(u.columns);
      if (at == row * u.columns + u32(goal)) { d -= 1.0 - u.smoothing; }
    }
    dx[at] = d * factor;
  }`,
        globals: () => expFrom,
      });
      return dx;
    },
  }));
}

/**
 * Adds up the rows' losses, over the number of those that are not ignored if `mean`; `count` is
 * that number.
 */
function total(
  losses: Tensor,
  targets: Tensor,
  loss: Tensor,
  count: Tensor,
  ignored: { type: "i32"; value: number },
  mean: boolean,
) {
  const layout = { threads: 256, lanes: 256 };
  launch({
    name: "crossEntropy",
    variant: "total",
    buffers: {
      losses: read(losses),
      targets: read(targets),
      loss: write(loss),
      count: write(count),
    },
    uniforms: { rows: u32(losses.size), ignored, mean: u32(+mean), nan: f32(NaN) },
    threads: layout.threads,
    groups: 1,
    globals: () => rowReductions(layout, "row_sums"),
    body: () => `
  var own = 0.0;
  var own_count = 0.0;
  for (var row = t; row < u.rows; row += 256u) {
    if (targets[row] != u.ignored) { own += losses[row]; own_count += 1.0; }
  }
  let sums = row_sums(vec2f(own, own_count), t);
  let sum = sums.x;
  let n = sums.y;
  if (t == 0u) {
    count[0] = n;
    loss[0] = select(sum, select(u.nan, sum / max(n, 1.0), n > 0.0), u.mean == 1u);
  }`,
  });
}
