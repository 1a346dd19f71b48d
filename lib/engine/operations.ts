/**
 * What an operation's formula and its kernels agree on, beside tensors: options, settings, entries.
 * The formulas are in lib/functional.ts and lib/optim.ts, which give these types out again.
 */
import type { Tensor, Variable } from "@tensorflow/tfjs-core";

/** Options of {@linkcode scaledDotProductAttention}. */
export interface AttentionOptions {
  /** True where a query may attend to a key; any shape that broadcasts to (B, H, Tq, Tk). */
  mask?: Tensor;
  /** Whether a query attends only to keys at its own position and before; false by default. */
  causal?: boolean;
  /** Probability of dropping an attention weight while training; 0 by default. */
  dropout_p?: number;
  /** Whether dropout is applied; true by default. */
  training?: boolean;
  /** Factor of the scores; 1 / sqrt(D) by default. */
  scale?: number;
}

/** How a loss is put together from its elements. */
export type Reduction = "mean" | "sum" | "none";

/** Options of {@linkcode crossEntropy} and {@linkcode nllLoss}. */
export interface ClassLossOptions {
  /** Targets of this value count neither in the loss nor in its mean; -100 by default. */
  ignore_index?: number;
  /**
   * Share of the target's probability that is spread over all classes (Szegedy et al. 2016); 0 by
   * default.
   */
  label_smoothing?: number;
  /** "mean" (by default), "sum" or "none". */
  reduction?: Reduction;
  /** A weight for each class: (V). */
  weight?: Tensor;
}

/** One parameter in an update: its gradient, the number of this update from 1, and its state. */
export type UpdateEntry = {
  param: Variable;
  gradient: Tensor;
  step: number;
  momentum_buffer?: Variable;
  exp_avg?: Variable;
  exp_avg_sq?: Variable;
};

/** Settings of {@linkcode SGD}. */
export interface SGDSettings {
  lr: number;
  momentum: number;
  dampening: number;
  weight_decay: number;
  nesterov: boolean;
}

/** Settings of {@linkcode Adam} and {@linkcode AdamW}. */
export interface AdamSettings {
  lr: number;
  betas: [number, number];
  eps: number;
  weight_decay: number;
}
