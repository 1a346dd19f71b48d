/**
 * Building blocks of models, as PyTorch's torch.nn has them: `Module`, its layers, and the initialisations. A layer
 * draws its initial values from the torch generator in PyTorch's order, so the same seed gives the same weights.
 */
import * as tf from "@tensorflow/tfjs";
import { InputError } from "./io/errors.ts";
import * as F from "./functional.ts";
import { torch } from "./random.ts";
import type { Tensor } from "./tensor.ts";

/** A tensor that an optimiser changes. */
export type Parameter = tf.Variable;

/** Makes a parameter of a tensor, which it takes over. `trainable` false freezes it. */
export function parameter(value: Tensor, trainable = true): Parameter {
  const result = tf.variable(value, trainable);
  value.dispose();
  return result;
}

/**
 * The base of all models and layers. Each field that holds a parameter or another module belongs to it, in the order
 * in which the fields are declared: its parameters first, then those of its modules, as in PyTorch. Declare fields in
 * the order in which the constructor makes them.
 */
export abstract class Module {
  /** Whether dropout is active; set by `train` and `eval`. */
  training = true;

  /** The modules that are fields of this one, by name. */
  namedChildren(): [string, Module][] {
    return Object.entries(this).filter(([, field]) => field instanceof Module);
  }

  /** This module under the name `prefix` and all modules below it: `["", this], ["h", ...], ["h.0", ...]`. */
  namedModules(prefix = ""): [string, Module][] {
    const below = this.namedChildren().flatMap(([name, child]) =>
      child.namedModules(prefix ? `${prefix}.${name}` : name)
    );
    return [[prefix, this], ...below];
  }

  /** All parameters under their checkpoint names. A shared one stands under its first name only. */
  namedParameters(): [string, Parameter][] {
    const seen = new Set<Parameter>();
    return Object.entries(this.stateDict())
      .filter(([, p]) => !seen.has(p) && seen.add(p));
  }

  /** All parameters, a shared one once. */
  parameters(): Parameter[] {
    return this.namedParameters().map(([, p]) => p);
  }

  /** How many numbers the parameters hold; with `trainableOnly`, without the frozen ones. */
  countParameters(trainableOnly = false): number {
    return this.parameters()
      .filter((p) => p.trainable || !trainableOnly)
      .reduce((sum, p) => sum + p.size, 0);
  }

  /** All parameters under their checkpoint names, a shared one under each. They are the model's own, not copies. */
  stateDict(): Record<string, Parameter> {
    const state: Record<string, Parameter> = {};
    for (const [path, module] of this.namedModules()) {
      for (const [name, field] of Object.entries(module)) {
        if (field instanceof tf.Variable) {
          state[path ? `${path}.${name}` : name] = field;
        }
      }
    }
    return state;
  }

  /**
   * Copies tensors of the same names and shapes into the parameters.
   *
   * @param options.strict Whether each parameter must be given and no other tensor; true by default. Otherwise the
   * names that are missing and those that are unexpected are returned and left alone.
   * @throws {InputError} If names or shapes do not fit; nothing is copied then.
   */
  loadStateDict(
    state: Record<string, Tensor>,
    { strict = true } = {},
  ): { missing: string[]; unexpected: string[] } {
    const own = this.stateDict();
    const missing = Object.keys(own).filter((name) => !Object.hasOwn(state, name));
    const unexpected = Object.keys(state).filter((name) => !Object.hasOwn(own, name));
    const shape = (t: Tensor) => `(${t.shape.join(", ")})`;
    const misshapen = Object.keys(own)
      .filter((name) => Object.hasOwn(state, name) && shape(state[name]) !== shape(own[name]))
      .map((name) => `${name} (${shape(state[name])} given, ${shape(own[name])} needed)`);
    const problems = [
      strict && missing.length && `missing: ${missing.join(", ")}`,
      strict && unexpected.length && `unexpected: ${unexpected.join(", ")}`,
      misshapen.length && `of the wrong shape: ${misshapen.join(", ")}`,
    ].filter(Boolean);
    if (problems.length) {
      throw new InputError(
        `Cannot load the parameters: ${problems.join("; ")}`,
      );
    }
    for (const [name, p] of Object.entries(own)) {
      if (Object.hasOwn(state, name)) assign(p, state[name]);
    }
    return { missing, unexpected };
  }

  /** Calls `f` for every module, children before their parents (PyTorch's `apply`). */
  apply(f: (module: Module) => void): this {
    for (const [, child] of this.namedChildren()) child.apply(f);
    f(this);
    return this;
  }

  /** Switches dropout on. */
  train(on = true): this {
    for (const [, module] of this.namedModules()) module.training = on;
    return this;
  }

  /** Switches dropout off. */
  eval(): this {
    return this.train(false);
  }

  /** Frees the parameters. */
  dispose(): void {
    for (const p of this.parameters()) p.dispose();
  }
}

/** A module that maps one tensor to one tensor. */
export type Layer = Module & { forward(x: Tensor): Tensor };

/** Copies a tensor's values into a parameter. */
function assign(p: Parameter, value: Tensor) {
  tf.tidy(() => p.assign(tf.mul(value, 1)));
}

// ---- initialisations: draw from the torch generator into a parameter that exists

let skipping = false;

/**
 * Makes a model whose parameters are about to be loaded: they are 0 for now, and nothing is drawn from the torch
 * generator (PyTorch's `skip_init`).
 */
export function skipInit<M>(make: () => M): M {
  skipping = true;
  try {
    return make();
  } finally {
    skipping = false;
  }
}

/** A new parameter of numbers that `draw` takes from the generator. */
function drawn(shape: number[], draw: (size: number) => Float32Array): Parameter {
  if (skipping) return parameter(tf.fill(shape, 0));
  return parameter(tf.tensor(draw(shape.reduce((a, b) => a * b, 1)), shape));
}

function fill(p: Parameter, draw: (size: number) => Float32Array) {
  if (!skipping) tf.tidy(() => p.assign(tf.tensor(draw(p.size), p.shape)));
}

/** PyTorch's nn.init, without the underscores: each sets the values of a parameter. */
export const init = {
  /** From the normal distribution. */
  normal(p: Parameter, mean = 0, std = 1) {
    fill(p, (size) => torch.normal(size, mean, std));
  },
  /** From the uniform distribution on [low, high). */
  uniform(p: Parameter, low = 0, high = 1) {
    fill(p, (size) => torch.uniform(size, low, high));
  },
  /** To one value. */
  constant(p: Parameter, value: number) {
    fill(p, (size) => new Float32Array(size).fill(value));
  },
  zeros(p: Parameter) {
    init.constant(p, 0);
  },
  ones(p: Parameter) {
    init.constant(p, 1);
  },
  /** Uniform on +-sqrt(6 / (fan_in + fan_out)) times `gain` (Glorot and Bengio 2010) for a weight (out, in). */
  xavierUniform(p: Parameter, gain = 1) {
    const [fanOut, fanIn] = p.shape;
    const bound = gain * Math.sqrt(6 / (fanIn + fanOut));
    init.uniform(p, -bound, bound);
  },
};

/** PyTorch's default for a layer with `fanIn` inputs: uniform on +-1 / sqrt(fanIn). */
function defaultUniform(shape: number[], fanIn: number): Parameter {
  const bound = fanIn > 0 ? 1 / Math.sqrt(fanIn) : 0;
  return drawn(shape, (size) => torch.uniform(size, -bound, bound));
}

// ---- layers

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
