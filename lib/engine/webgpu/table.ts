/**
 * The operations that have a kernel on WebGPU, by the names of lib/functional.ts, optim.ts and
 * amp.ts.
 */
import type { KernelTable } from "../registry.ts";
import { gelu, relu } from "./activation.ts";
import { scaledDotProductAttention } from "./attention.ts";
import { dropout } from "./dropout.ts";
import { embedding } from "./embedding.ts";
import { linear } from "./linear.ts";
import { crossEntropy } from "./loss.ts";
import { layerNorm, rmsNorm } from "./norm.ts";
import { adamUpdate, clipGradients, scaleGradients, sgdUpdate } from "./optim.ts";
import { greedy, multinomial, topK, topP } from "./sampling.ts";
import { logSoftmax, softmax } from "./softmax.ts";

/** The kernels. */
export const kernels: KernelTable = {
  adamUpdate,
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
  relu,
  rmsNorm,
  scaleGradients,
  scaledDotProductAttention,
  sgdUpdate,
  softmax,
  topK,
  topP,
};
