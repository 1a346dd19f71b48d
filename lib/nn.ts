/**
 * Building blocks of models, as PyTorch's torch.nn has them: the layers, and with them `Module` (in
 * lib/module.ts) and the initialisations (in lib/init.ts). A layer draws its initial values from the
 * torch generator in PyTorch's order, so the same seed gives the same weights.
 */
import * as tf from "@tensorflow/tfjs";
import * as F from "./functional.ts";
import { defaultUniform, drawn } from "./init.ts";
import { type Layer, Module, type Parameter, parameter } from "./module.ts";
import { torch } from "./random.ts";
import type { Tensor } from "./tensor.ts";

export { init, skipInit } from "./init.ts";
export { type Layer, Module, type Parameter, parameter } from "./module.ts";

/** x W^T + b: (..., in_features) -> (..., out_features). `bias` is true by default. */
export class Linear extends Module {
  weight: Parameter; // (out, in)
  bias?: Parameter; // (out)

  constructor(in_features: number, out_features: number, { bias = true } = {}) {
    super();
    this.weight = defaultUniform([out_features, in_features], in_features);
    if (bias) this.bias = defaultUniform([out_features], in_features);
  }

  forward(x: Tensor): Tensor {
    return F.linear(x, this.weight, this.bias);
  }
}

/**
 * A table of `num_embeddings` vectors: ids int32 (...) -> (..., embedding_dim), drawn from N(0, 1).
 *
 * @param options.padding_idx A row that is zero and stays so.
 */
export class Embedding extends Module {
  weight: Parameter; // (V, C)
  padding_idx?: number;

  constructor(
    num_embeddings: number,
    embedding_dim: number,
    { padding_idx }: { padding_idx?: number } = {},
  ) {
    super();
    if (padding_idx !== undefined) {
      this.padding_idx = padding_idx < 0 ? padding_idx + num_embeddings : padding_idx;
    }
    this.weight = drawn([num_embeddings, embedding_dim], (size) => {
      const rows = torch.randn(size);
      if (this.padding_idx === undefined) return rows;
      const start = this.padding_idx * embedding_dim;
      return rows.fill(0, start, start + embedding_dim);
    });
  }

  forward(ids: Tensor): Tensor {
    const rows = F.embedding(ids, this.weight); // (..., C)
    if (this.padding_idx === undefined) return rows;
    // No gradient may reach the padding row; the values stay as they are in the table.
    const padding = ids.equal(this.padding_idx).expandDims(-1); // (..., 1)
    return tf.where(
      tf.broadcastTo(padding, rows.shape),
      F.stopGradient(rows),
      rows,
    );
  }

  /** An embedding with given rows (V, C), frozen unless `freeze` is false. */
  static fromPretrained(weight: Tensor, { freeze = true } = {}): Embedding {
    const embedding: Embedding = Object.create(Embedding.prototype);
    return Object.assign(embedding, {
      training: true,
      weight: parameter(weight, !freeze),
    });
  }
}

/** Normalises the last axis of size `normalized_shape`, then scales and shifts it; see {@linkcode F.layerNorm}. */
export class LayerNorm extends Module {
  weight: Parameter; // (C)
  bias?: Parameter; // (C)
  eps: number;

  constructor(normalized_shape: number, { eps = 1e-5, bias = true } = {}) {
    super();
    this.weight = parameter(tf.ones([normalized_shape]));
    if (bias) this.bias = parameter(tf.zeros([normalized_shape]));
    this.eps = eps;
  }

  forward(x: Tensor): Tensor {
    return F.layerNorm(x, this.weight, this.bias, this.eps);
  }
}

/** Drops elements with probability p while training; see {@linkcode F.dropout}. */
export class Dropout extends Module {
  constructor(public p = 0.5) {
    super();
    if (!(p >= 0 && p <= 1)) {
      throw new RangeError(
        `Cannot drop with probability ${p}: it must be from 0 to 1`,
      );
    }
  }

  forward(x: Tensor): Tensor {
    return F.dropout(x, this.p, this.training);
  }
}

/** A convolution with kernel 1: the same linear map at each position, (B, in_channels, T) -> (B, out_channels, T). */
export class Conv1d extends Module {
  weight: Parameter; // (out, in, 1)
  bias?: Parameter; // (out)

  constructor(in_channels: number, out_channels: number, { bias = true } = {}) {
    super();
    this.weight = defaultUniform([out_channels, in_channels, 1], in_channels);
    if (bias) this.bias = defaultUniform([out_channels], in_channels);
  }

  forward(x: Tensor): Tensor {
    const positions = x.transpose([0, 2, 1]); // (B, T, in)
    const y = F.linear(positions, this.weight.squeeze([2]), this.bias); // (B, T, out)
    return y.transpose([0, 2, 1]); // (B, out, T)
  }
}

/** GELU as a module; see {@linkcode F.gelu}. */
export class GELU extends Module {
  constructor(public approximate: "none" | "tanh" = "none") {
    super();
  }

  forward(x: Tensor): Tensor {
    return F.gelu(x, this.approximate);
  }
}

/** Softmax as a module, in logarithms; see {@linkcode F.logSoftmax}. */
export class LogSoftmax extends Module {
  constructor(public dim = -1) {
    super();
  }

  forward(x: Tensor): Tensor {
    return F.logSoftmax(x, this.dim);
  }
}

/** Modules in a row, named by their index: `for (const block of this.h)`, `this.h[0]`. */
export class ModuleList<M extends Module> extends Module {
  [index: number]: M;

  constructor(modules: Iterable<M>) {
    super();
    Object.assign(this, [...modules]);
  }

  /** A list of `length` modules that `make` makes one after the other. */
  static repeat<M extends Module>(length: number, make: (i: number) => M): ModuleList<M> {
    return new ModuleList(Array.from({ length }, (_, i) => make(i)));
  }

  get length(): number {
    return this.namedChildren().length;
  }

  *[Symbol.iterator](): IterableIterator<M> {
    for (const [, child] of this.namedChildren()) yield child as M;
  }

  /**
   * x through all modules, one after the other, as `apply` calls each; frees what each made beside its result.
   *
   *     x = this.h.chain(x, (block, x, i) => block.forward(x, cache?.layer(i)));
   */
  chain(x: Tensor, apply: (module: M, x: Tensor, index: number) => Tensor): Tensor {
    const modules = [...this];
    return modules.reduce((x, module, i) => tf.tidy(() => apply(module, x, i)), x);
  }
}

/** Modules by name, each a field: `new ModuleDict({ wte, wpe }).wte`. */
export const ModuleDict = class extends Module {
  constructor(modules: Record<string, Module>) {
    super();
    Object.assign(this, modules);
  }
} as new <T extends Record<string, Module>>(modules: T) => Module & T;

/** Layers that are applied one after the other, named by their index. */
export class Sequential extends ModuleList<Layer> {
  constructor(...layers: Layer[]) {
    super(layers);
  }

  forward(x: Tensor): Tensor {
    for (const layer of this) x = layer.forward(x);
    return x;
  }
}
