/**
 * Layer norm and RMS norm on the CPU engine: see assembly/fused_norm.ts. Beside the inputs, two
 * numbers a row are kept for the gradients.
 */
import type { Tensor } from "@tensorflow/tfjs-core";
import { fitRows } from "../checks.ts";
import { differentiable } from "../tape.ts";
import { blocksOf, sumPartials } from "./rows.ts";
import {
  alloc,
  at,
  atOrZero,
  computed,
  free,
  grainOf,
  output,
  parallel,
  tensor,
} from "./runtime.ts";

/** (x - mean) / sqrt(variance + eps) * weight + bias: see lib/functional.ts. */
export function layerNorm(
  x: Tensor,
  weight?: Tensor,
  bias?: Tensor,
  eps = 1e-5,
): Tensor | undefined {
  if (!fitRows(x, weight, bias)) return;
  return normalised(x, weight, bias, true, (y, statistics, columns) => [
    "layerNormRows",
    [y, at(x), atOrZero(weight), atOrZero(bias), statistics, columns, eps],
  ]);
}

/** x / sqrt(mean(x^2) + eps) * weight: see lib/functional.ts. */
export function rmsNorm(x: Tensor, weight?: Tensor, eps = 1e-6): Tensor | undefined {
  if (!fitRows(x, weight)) return;
  return normalised(x, weight, undefined, false, (y, statistics, columns) => [
    "rmsNormRows",
    [y, at(x), atOrZero(weight), statistics, columns, eps],
  ]);
}

function normalised(
  x: Tensor,
  weight: Tensor | undefined,
  bias: Tensor | undefined,
  centred: boolean,
  kernel: (y: number, statistics: number, columns: number) => [string, number[]],
): Tensor {
  const columns = x.shape.at(-1)!;
  const rows = x.size / columns;
  const inputs = { x, ...weight && { weight }, ...bias && { bias } };
  return differentiable(inputs, (save) => {
    const statistics = output([rows, 2]);
    const y = computed(x.shape, (y) => {
      const [name, args] = kernel(y, statistics.pointer, columns);
      parallel(name, args, rows, grainOf(columns));
    });
    save([x, tensor(statistics.info), ...weight ? [weight] : []]);
    return y;
  }, (dy, [x, statistics, weight]) => {
    const { size, blocks } = blocksOf(rows);
    const partial = weight || bias ? alloc(blocks * 2 * columns * 4) : 0; // of weight and bias
    const dx = computed(x.shape, (dx) => {
      const args = [dx, at(x), atOrZero(weight), at(dy), at(statistics), partial];
      args.push(columns, rows, size, Number(centred));
      parallel("normRowsGrad", args, blocks, grainOf(2 * columns * size));
    });
    const dw = weight && sumPartials(partial, blocks, columns, 2 * columns);
    const db = bias && sumPartials(partial + columns * 4, blocks, columns, 2 * columns);
    if (partial) free(partial);
    return { x: () => dx, weight: () => dw!, bias: () => db! };
  });
}
