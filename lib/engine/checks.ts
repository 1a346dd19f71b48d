/**
 * Which tensors a kernel takes. Both engines ask the same questions: where the answer is no, the
 * kernel declines and the formula runs, which also says what is wrong with the shapes, if anything.
 */
import type { Tensor } from "@tensorflow/tfjs-core";

/** Whether all tensors are float32 and none is empty; those that are not given do not count. */
export function usable(...tensors: (Tensor | undefined)[]): boolean {
  return tensors.every((t) => t === undefined || (t.dtype === "float32" && t.size > 0));
}

/** Whether an axis is the last one of x. */
export function isLastAxis(x: Tensor, axis: number): boolean {
  return x.rank > 0 && (axis === -1 || axis === x.rank - 1);
}

/**
 * Whether x has rows of as many columns as each parameter, a vector: x (..., C), parameters (C).
 */
export function fitRows(x: Tensor, ...parameters: (Tensor | undefined)[]): boolean {
  return usable(x, ...parameters) && x.rank > 0 &&
    parameters.every((p) => !p || (p.rank === 1 && p.size === x.shape.at(-1)));
}

/** Whether the shapes are those of a linear layer: x (..., in), weight (out, in), bias (out). */
export function fitLinear(x: Tensor, weight: Tensor, bias?: Tensor): boolean {
  return usable(x, weight, bias) && weight.rank === 2 && x.shape.at(-1) === weight.shape[1] &&
    (!bias || (bias.rank === 1 && bias.size === weight.shape[0]));
}

/** Whether ids are int32 and the table is (V, C); none may be empty. */
export function fitEmbedding(ids: Tensor, weight: Tensor): boolean {
  return ids.size > 0 && ids.dtype === "int32" && usable(weight) && weight.rank === 2;
}

/** Whether there is one int32 class for each row of x: x (..., V), targets (...), weight (V). */
export function fitClasses(x: Tensor, targets: Tensor, weight?: Tensor): boolean {
  return fitRows(x, weight) && targets.dtype === "int32" &&
    targets.size * x.shape.at(-1)! === x.size;
}

/** Whether the shapes are those of attention: q (..., Tq, D), k (..., Tk, D), v (..., Tk, Dv). */
export function fitAttention(q: Tensor, k: Tensor, v: Tensor): boolean {
  if (!usable(q, k, v) || q.rank < 2 || k.rank !== q.rank || v.rank !== q.rank) return false;
  const outer = (t: Tensor) => String(t.shape.slice(0, -2));
  return outer(q) === outer(k) && outer(q) === outer(v) &&
    q.shape.at(-1) === k.shape.at(-1) && k.shape.at(-2) === v.shape.at(-2);
}

/**
 * Distances in an attention's mask from one batch, head, query and key to the next, 0 where the
 * mask is broadcast. Undefined if the mask is not bool or does not fit, or if q is not (B, H, Tq,
 * D), (B, Tq, D) or (Tq, D).
 */
export function maskStrides(q: Tensor, k: Tensor, mask: Tensor): number[] | undefined {
  if (mask.dtype !== "bool" || q.rank > 4 || mask.rank > q.rank) return;
  const full = [...q.shape.slice(0, -1), k.shape.at(-2)!];
  const own = [...Array(full.length - mask.rank).fill(1), ...mask.shape];
  if (own.some((size, i) => size !== 1 && size !== full[i])) return;
  const strides: number[] = [];
  let step = 1;
  for (const size of own.toReversed()) {
    strides.unshift(size === 1 ? 0 : step);
    step *= size;
  }
  strides.splice(-2, 0, ...Array(4 - strides.length).fill(0)); // heads, and batches, of size 1
  return strides;
}
