/**
 * The operations that have a kernel on the CPU engine, by the names of lib/functional.ts and
 * optim.ts.
 */
import type { KernelTable } from "../registry.ts";
import { gelu } from "./activation.ts";
import { scaledDotProductAttention } from "./attention.ts";
import { dropout } from "./dropout.ts";
import { embedding } from "./embedding.ts";
import { linear } from "./linear.ts";
import { binaryCrossEntropy, crossEntropy, nllLoss } from "./loss.ts";
import { layerNorm, rmsNorm } from "./norm.ts";
import { adamUpdate, clipGradients, sgdUpdate } from "./optim.ts";
import { greedy, multinomial, topK, topP } from "./sampling.ts";
import { logSoftmax, softmax } from "./softmax.ts";

/** The kernels. */
export const kernels: KernelTable = {
  adamUpdate,
  binaryCrossEntropy,
  clipGradients,
  crossEntropy,
  dropout,
  embedding,
  gelu,
  greedy,
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
};
