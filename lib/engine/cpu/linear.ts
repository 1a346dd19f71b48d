/**
 * x W^T + b on the CPU engine: three matrix products, whose operands are never copied or
 * transposed.
 */
import type { Tensor } from "@tensorflow/tfjs-core";
import { fitLinear } from "../checks.ts";
import { differentiable } from "../tape.ts";
import { matmul, type Matrices } from "./matmul.ts";
import { columnSums } from "./rows.ts";
import { at, atOrZero, computed } from "./runtime.ts";

/** x W^T + b: see lib/functional.ts. */
export function linear(x: Tensor, weight: Tensor, bias?: Tensor): Tensor | undefined {
  if (!fitLinear(x, weight, bias)) return;
  const [outputs, features] = weight.shape;
  const rows = x.size / features;
  const inputs = { x, weight, ...bias && { bias } };
  return differentiable(inputs, (save) => {
    save([x, weight]);
    return computed([...x.shape.slice(0, -1), outputs], (y) => {
      const [a, b, out] = [rowsOf(x), transposed(weight), matrix(y, outputs)];
      matmul(out, a, b, rows, outputs, features, 1, { bias: atOrZero(bias) });
    });
  }, (dy, [x, weight]) => ({
    x: () =>
      computed(x.shape, (dx) => {
        matmul(matrix(dx, features), rowsOf(dy), rowsOf(weight), rows, features, outputs);
      }),
    weight: () =>
      computed(weight.shape, (dw) => {
        matmul(matrix(dw, features), transposed(dy), rowsOf(x), outputs, features, rows);
      }),
    bias: () => columnSums(dy, outputs),
  }));
}

/** A matrix of so many columns. */
function matrix(pointer: number, columns: number): Matrices {
  return { pointer, batch: 0, row: columns, column: 1 };
}

/** A tensor as a matrix of its last axis's rows. */
function rowsOf(t: Tensor): Matrices {
  return matrix(at(t), t.shape.at(-1)!);
}

function transposed(t: Tensor): Matrices {
  return { pointer: at(t), batch: 0, row: 1, column: t.shape.at(-1)! };
}
