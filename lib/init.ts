/** Initial values of parameters: drawn from the torch generator, in PyTorch's way and order. */
import * as tf from "@tensorflow/tfjs";
import { type Parameter, parameter } from "./module.ts";
import { torch } from "./random.ts";

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
export function drawn(shape: number[], draw: (size: number) => Float32Array): Parameter {
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
export function defaultUniform(shape: number[], fanIn: number): Parameter {
  const bound = fanIn > 0 ? 1 / Math.sqrt(fanIn) : 0;
  return drawn(shape, (size) => torch.uniform(size, -bound, bound));
}
