/**
 * Softmax and its logarithm over the last axis on the CPU engine: see assembly/fused_softmax.ts.
 */
import type { Tensor } from "@tensorflow/tfjs-core";
import { isLastAxis, usable } from "../checks.ts";
import { differentiable } from "../tape.ts";
import { at, computed, grainOf, parallel } from "./runtime.ts";

/** exp(x) / sum(exp(x)): see lib/functional.ts. */
export function softmax(x: Tensor, axis = -1): Tensor | undefined {
  if (usable(x) && isLastAxis(x, axis)) return overRows("softmaxRows", x);
}

/** log(softmax(x)): see lib/functional.ts. */
export function logSoftmax(x: Tensor, axis = -1): Tensor | undefined {
  if (usable(x) && isLastAxis(x, axis)) return overRows("logSoftmaxRows", x);
}

function overRows(name: string, x: Tensor): Tensor {
  const columns = x.shape.at(-1)!;
  const rows = x.size / columns;
  const grain = grainOf(4 * columns);
  return differentiable({ x }, (save) => {
    const y = computed(x.shape, (y) => parallel(name, [y, at(x), columns], rows, grain));
    save([y]);
    return y;
  }, (dy, [y]) => ({
    x: () =>
      computed(y.shape, (dx) => {
        parallel(`${name}Grad`, [dx, at(y), at(dy), columns], rows, grain);
      }),
  }));
}
