/** Rows of a table on the CPU engine: see assembly/fused_embedding.ts. */
import type { Tensor } from "@tensorflow/tfjs-core";
import { fitEmbedding } from "../checks.ts";
import { differentiable } from "../tape.ts";
import { checkIds } from "./ids.ts";
import { at, computed, grainOf, parallel } from "./runtime.ts";

/**
 * Rows of a table: see lib/functional.ts.
 *
 * @throws {RangeError} If an id is not a row
 */
export function embedding(ids: Tensor, weight: Tensor): Tensor | undefined {
  if (!fitEmbedding(ids, weight)) return;
  const [rows, columns] = weight.shape;
  checkIds("look up", ids, rows);
  return differentiable({ weight }, (save) => {
    save([ids]);
    return computed([...ids.shape, columns], (out) => {
      const args = [out, at(ids), at(weight), columns];
      parallel("embeddingRows", args, ids.size, grainOf(columns / 4));
    });
  }, (dy, [ids]) => ({
    weight: () =>
      computed([rows, columns], (dw) => {
        const args = [dw, at(ids), at(dy), columns, ids.size, rows];
        parallel("embeddingGrad", args, Math.ceil(columns / 16), grainOf(8 * ids.size));
      }),
  }));
}
