/**
 * The fused operations of the CPU engine: one kernel forward and one backward
 * where the formula in lib/functional.ts or lib/optim.ts is a chain of tfjs
 * operations. What a kernel does not do (other types, an empty tensor, another
 * axis) goes to the formula.
 *
 * Between forward and backward as little as possible is kept: inputs, a few
 * numbers a row, dropout masks as bits.
 */
import type { Tensor } from "@tensorflow/tfjs-core";
import * as F from "../../functional.ts";
import { registerKernels } from "../registry.ts";
import { scaledDotProductAttention } from "./attention.ts";
import { alloc, at, free, heap, output, parallel, tensor } from "./index.ts";
import { matmul, type Matrices } from "./matmul.ts";
import { computed, drawing, dropoutFactor, grainOf, operation, usable } from "./operation.ts";
import { multinomial, topK, topP } from "./sampling.ts";
import { adamUpdate, clipGradients, sgdUpdate } from "./update.ts";

/** Registers the fused operations; the backend must be started. */
export function registerFusedKernels(): void {
  registerKernels("engine", {
    adamUpdate,
    binaryCrossEntropy,
    clipGradients,
    crossEntropy,
    dropout,
    embedding,
    gelu,
    layerNorm,
    linear,
    logSoftmax,
    multinomial,
    nllLoss,
    rmsNorm,
    scaledDotProductAttention,
    sgdUpdate,
    softmax,
    topK,
    topP,
  });
}

// ---- dropout and activations

const DROPOUT_BLOCK = 4096; // as in assembly/fused_dropout.ts

function dropout(x: Tensor, p = 0.5, training = true): Tensor {
  if (!training || p === 0) return x;
  if (!usable(x) || !(p > 0 && p < 1)) return F.dropout.reference(x, p, training);
  const blocks = Math.ceil(x.size / DROPOUT_BLOCK);
  return operation({ x }, (save) => {
    const bits = output([Math.ceil(x.size / 32)], "int32");
    const y = computed(x.shape, (y) =>
      drawing(p, ({ state, high, low, factor, turn }) => {
        const args = [y, at(x), bits.pointer, x.size, state, high, low, factor, turn];
        parallel("dropout", args, blocks, 1);
      }));
    save([tensor(bits.info)]);
    return y;
  }, (dy, [bits]) => ({
    x: () =>
      computed(dy.shape, (dx) => {
        const args = [dx, at(dy), at(bits), dy.size, dropoutFactor(p)];
        parallel("dropoutGrad", args, blocks, 4);
      }),
  }));
}

function gelu(x: Tensor, approximate: "none" | "tanh" = "none"): Tensor {
  if (!usable(x)) return F.gelu.reference(x, approximate);
  const name = approximate === "tanh" ? "geluTanh" : "gelu";
  return operation({ x }, (save) => {
    save([x]);
    return computed(x.shape, (y) => parallel(name, [y, at(x)], x.size, 8192));
  }, (dy, [x]) => ({
    x: () =>
      computed(x.shape, (dx) => {
        parallel(`${name}Grad`, [dx, at(x), at(dy)], x.size, 8192);
      }),
  }));
}

function softmax(x: Tensor, axis = -1): Tensor {
  if (!usable(x) || !isLast(x, axis)) return F.softmax.reference(x, axis);
  return overRows("softmaxRows", x);
}

function logSoftmax(x: Tensor, axis = -1): Tensor {
  if (!usable(x) || !isLast(x, axis)) return F.logSoftmax.reference(x, axis);
  return overRows("logSoftmaxRows", x);
}

function overRows(name: string, x: Tensor): Tensor {
  const columns = x.shape.at(-1)!;
  const rows = x.size / columns;
  const grain = grainOf(4 * columns);
  return operation({ x }, (save) => {
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

function isLast(x: Tensor, axis: number): boolean {
  return x.rank > 0 && (axis === -1 || axis === x.rank - 1);
}

// ---- normalisations

function layerNorm(x: Tensor, weight?: Tensor, bias?: Tensor, eps = 1e-5): Tensor {
  if (!fitsRows(x, weight) || !fitsRows(x, bias)) {
    return F.layerNorm.reference(x, weight, bias, eps);
  }
  return normalised(x, weight, bias, true, (y, statistics, columns) => [
    "layerNormRows",
    [y, at(x), pointerOf(weight), pointerOf(bias), statistics, columns, eps],
  ]);
}

function rmsNorm(x: Tensor, weight?: Tensor, eps = 1e-6): Tensor {
  if (!fitsRows(x, weight)) return F.rmsNorm.reference(x, weight, eps);
  return normalised(x, weight, undefined, false, (y, statistics, columns) => [
    "rmsNormRows",
    [y, at(x), pointerOf(weight), statistics, columns, eps],
  ]);
}

/** The pointer of a tensor that may be missing. */
function pointerOf(t?: Tensor): number {
  return t ? at(t) : 0;
}

function fitsRows(x: Tensor, w?: Tensor): boolean {
  return usable(x, w) && x.rank > 0 && (!w || (w.rank === 1 && w.size === x.shape.at(-1)));
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
  return operation(inputs, (save) => {
    const statistics = output([rows, 2]);
    const y = computed(x.shape, (y) => {
      const [name, args] = kernel(y, statistics.pointer, columns);
      parallel(name, args, rows, grainOf(columns));
    });
    save([x, tensor(statistics.info), ...weight ? [weight] : []]);
    return y;
  }, (dy, [x, statistics, weight]) => {
    const { size, blocks } = blocksOf(rows);
    const partial = weight || bias ? alloc(blocks * 2 * columns * 4) : 0;
    const dx = computed(x.shape, (dx) => {
      const args = [dx, at(x), pointerOf(weight), at(dy), at(statistics), partial];
      parallel(
        "normRowsGrad",
        [...args, columns, rows, size, Number(centred)],
        blocks,
        grainOf(2 * columns * size),
      );
    });
    const sums = (from: number) =>
      computed([columns], (out) => {
        parallel("sumPartials", [out, from, blocks, 2 * columns], columns, grainOf(blocks));
      });
    const dw = weight && sums(partial);
    const db = bias && sums(partial + columns * 4);
    if (partial) free(partial);
    return { x: () => dx, weight: () => dw!, bias: () => db! };
  });
}

/** The rows' division into blocks, each with a partial sum: not more than 64 blocks. */
function blocksOf(rows: number): { size: number; blocks: number } {
  const size = Math.max(16, Math.ceil(rows / 64));
  return { size, blocks: Math.ceil(rows / size) };
}

// ---- linear layer and embedding

function linear(x: Tensor, weight: Tensor, bias?: Tensor): Tensor {
  const features = x.shape.at(-1);
  if (
    !usable(x, weight, bias) || weight.rank !== 2 || features !== weight.shape[1] ||
    bias && (bias.rank !== 1 || bias.size !== weight.shape[0])
  ) {
    return F.linear.reference(x, weight, bias);
  }
  const outputs = weight.shape[0];
  const rows = x.size / features!;
  const inputs = { x, weight, ...bias && { bias } };
  return operation(inputs, (save) => {
    save([x, weight]);
    return computed([...x.shape.slice(0, -1), outputs], (y) => {
      const epilogue = { bias: pointerOf(bias) };
      matmul(
        matrix(y, outputs),
        rowsOf(x),
        transposed(weight),
        rows,
        outputs,
        features!,
        1,
        epilogue,
      );
    });
  }, (dy, [x, weight]) => ({
    x: () =>
      computed(
        x.shape,
        (dx) => matmul(matrix(dx, features!), rowsOf(dy), rowsOf(weight), rows, features!, outputs),
      ),
    weight: () =>
      computed(
        weight.shape,
        (dw) => matmul(matrix(dw, features!), transposed(dy), rowsOf(x), outputs, features!, rows),
      ),
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

/** Sums over the rows of a matrix of so many columns. */
function columnSums(x: Tensor, columns: number): Tensor {
  const rows = x.size / columns;
  const { size, blocks } = blocksOf(rows);
  const partial = alloc(blocks * columns * 4);
  parallel(
    "sumRowBlocks",
    [partial, at(x), columns, rows, size],
    blocks,
    grainOf(size * columns / 4),
  );
  const sums = computed([columns], (out) => {
    parallel("sumPartials", [out, partial, blocks, columns], columns, grainOf(blocks));
  });
  free(partial);
  return sums;
}

function embedding(ids: Tensor, weight: Tensor): Tensor {
  if (!usable(weight) || weight.rank !== 2 || ids.dtype !== "int32" || ids.size === 0) {
    return F.embedding.reference(ids, weight);
  }
  const [rows, columns] = weight.shape;
  checkRange("look up", ids, rows);
  return operation({ weight }, (save) => {
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

/** Throws if a number is not a class or a token: below 0 or not below `count`. */
function checkRange(action: string, ids: Tensor, count: number, ignored?: number): void {
  const start = at(ids) / 4;
  const values = heap().i32.subarray(start, start + ids.size);
  for (let i = 0; i < values.length; i++) {
    if ((values[i] < 0 || values[i] >= count) && values[i] !== ignored) {
      throw new RangeError(
        `Cannot ${action} ${values[i]} (at position ${i} of ${values.length}): it must be in 0..${
          count - 1
        }`,
      );
    }
  }
}

// ---- losses

function crossEntropy(
  logits: Tensor,
  targets: Tensor,
  options: F.ClassLossOptions = {},
): Tensor {
  return classLoss(logits, targets, options, false) ??
    F.crossEntropy.reference(logits, targets, options);
}

function nllLoss(
  logProbabilities: Tensor,
  targets: Tensor,
  options: F.ClassLossOptions = {},
): Tensor {
  return classLoss(logProbabilities, targets, options, true) ??
    F.nllLoss.reference(logProbabilities, targets, options);
}

function classLoss(
  x: Tensor,
  targets: Tensor,
  options: F.ClassLossOptions,
  isLog: boolean,
): Tensor | undefined {
  const { ignore_index = -100, label_smoothing = 0, reduction = "mean", weight } = options;
  const columns = x.shape.at(-1)!;
  const rows = x.size / columns;
  if (
    !usable(x, weight) || x.rank === 0 || targets.dtype !== "int32" || targets.size !== rows ||
    weight && (weight.rank !== 1 || weight.size !== columns)
  ) return;
  checkRange("take the loss of class", targets, columns, ignore_index);
  const each = reduction === "none";
  const grain = grainOf((isLog ? 1 : 4) * columns);
  // The numbers of each row (3), and the denominator of the mean.
  return operation({ x }, (save) => {
    const statistics = output([3 * rows + 1]);
    const denominator = statistics.pointer + 12 * rows;
    const losses = output([rows]);
    const args = [losses.pointer, at(x), at(targets), statistics.pointer, pointerOf(weight)];
    parallel(
      "classLossRows",
      [...args, columns, ignore_index, label_smoothing, Number(isLog)],
      rows,
      grain,
    );
    save([x, targets, tensor(statistics.info), ...weight ? [weight] : []]);
    const each1 = tensor(losses.info);
    if (each) {
      heap().f32[denominator / 4] = 1;
      return each1;
    }
    return computed([], (out) => {
      const mean = Number(reduction === "mean");
      const args = [out, losses.pointer, statistics.pointer, rows, mean, denominator];
      parallel("reduceLosses", args, 1, 1);
    });
  }, (dy, [x, targets, statistics, weight]) => ({
    x: () =>
      computed(x.shape, (dx) => {
        const args = [dx, at(x), at(targets), at(statistics), pointerOf(weight), columns];
        const denominator = at(statistics) + 12 * rows;
        parallel(
          "classLossRowsGrad",
          [
            ...args,
            ...[ignore_index, label_smoothing, Number(isLog), at(dy), Number(each), denominator],
          ],
          rows,
          grain,
        );
      }),
  }));
}

function binaryCrossEntropy(p: Tensor, y: Tensor, reduction: F.Reduction = "mean"): Tensor {
  const sameShape = String(p.shape) === String(y.shape);
  if (!usable(p, y) || !sameShape) return F.binaryCrossEntropy.reference(p, y, reduction);
  const each = reduction === "none";
  const denominator = reduction === "mean" ? p.size : 1;
  return operation({ p }, (save) => {
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
