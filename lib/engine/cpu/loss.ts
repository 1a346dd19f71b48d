/**
 * Losses on the CPU engine: see assembly/fused_loss.ts. No matrix of one-hot targets is made, and
 * the gradient of the scores takes one more pass.
 */
import type { Tensor } from "@tensorflow/tfjs-core";
import { fitClasses, usable } from "../checks.ts";
import type { ClassLossOptions, Reduction } from "../operations.ts";
import { differentiable } from "../tape.ts";
import { checkIds } from "./ids.ts";
import { at, atOrZero, computed, grainOf, heap, output, parallel, tensor } from "./runtime.ts";

/** -log softmax(logits)[target]: see lib/functional.ts. */
export function crossEntropy(
  logits: Tensor,
  targets: Tensor,
  options: ClassLossOptions = {},
): Tensor | undefined {
  return classLoss(logits, targets, options, false);
}

/** -logProbabilities[target]: see lib/functional.ts. */
export function nllLoss(
  logProbabilities: Tensor,
  targets: Tensor,
  options: ClassLossOptions = {},
): Tensor | undefined {
  return classLoss(logProbabilities, targets, options, true);
}

function classLoss(
  x: Tensor,
  targets: Tensor,
  options: ClassLossOptions,
  isLog: boolean,
): Tensor | undefined {
  const { ignore_index = -100, label_smoothing = 0, reduction = "mean", weight } = options;
  if (!fitClasses(x, targets, weight)) return;
  const columns = x.shape.at(-1)!;
  const rows = targets.size;
  checkIds("take the loss of class", targets, columns, ignore_index);
  const each = reduction === "none";
  const grain = grainOf((isLog ? 1 : 4) * columns);
  return differentiable({ x }, (save) => {
    const statistics = output([3 * rows + 1]); // 3 of each row, and the denominator of the mean
    const denominator = statistics.pointer + 12 * rows;
    const losses = output([rows]);
    const args = [losses.pointer, at(x), at(targets), statistics.pointer, atOrZero(weight)];
    args.push(columns, ignore_index, label_smoothing, Number(isLog));
    parallel("classLossRows", args, rows, grain);
    save([x, targets, tensor(statistics.info), ...weight ? [weight] : []]);
    const all = tensor(losses.info);
    if (each) {
      heap().f32[denominator / 4] = 1;
      return all;
    }
    return computed([], (out) => {
      const mean = Number(reduction === "mean");
      const args = [out, losses.pointer, statistics.pointer, rows, mean, denominator];
      parallel("reduceLosses", args, 1, 1);
    });
  }, (dy, [x, targets, statistics, weight]) => ({
    x: () =>
      computed(x.shape, (dx) => {
        const args = [dx, at(x), at(targets), at(statistics), atOrZero(weight), columns];
        const denominator = at(statistics) + 12 * rows;
        args.push(ignore_index, label_smoothing, Number(isLog), at(dy), Number(each), denominator);
        parallel("classLossRowsGrad", args, rows, grain);
      }),
  }));
}

/** -(y log p + (1 - y) log(1 - p)): see lib/functional.ts. */
export function binaryCrossEntropy(
  p: Tensor,
  y: Tensor,
  reduction: Reduction = "mean",
): Tensor | undefined {
  if (!usable(p, y) || String(p.shape) !== String(y.shape)) return;
  const each = reduction === "none";
  const denominator = reduction === "mean" ? p.size : 1;
  return differentiable({ p }, (save) => {
    save([p, y]);
    const losses = output(p.shape);
    parallel("binaryLosses", [losses.pointer, at(p), at(y)], p.size, grainOf(4));
    const all = tensor(losses.info);
    if (each) return all;
    return computed([], (out) => {
      parallel("sumLosses", [out, losses.pointer, p.size, denominator], 1, 1);
    });
  }, (dy, [p, y]) => ({
    p: () =>
      computed(p.shape, (dp) => {
        const args = [dp, at(p), at(y), at(dy), Number(each), denominator];
        parallel("binaryLossesGrad", args, p.size, grainOf(1));
      }),
  }));
}
