/** Activations: one kernel forward and one backward each. */
import type * as tf from "@tensorflow/tfjs-core";
import { usable } from "../checks.ts";
import { differentiable } from "../tape.ts";
import { empty, launch, read, u32, write } from "./runtime.ts";

type Tensor = tf.Tensor;

/** WGSL for f(x) and f'(x), both called by name. */
interface Activation {
  value: string;
  derivative: string;
  globals: string;
}

const threads = 256;

const reluKernel: Activation = {
  value: "select(v, 0.0, v < 0.0)",
  derivative: "select(0.0, 1.0, v > 0.0)",
  globals: "",
};

/**
 * x Phi(x) and Phi(x) + x phi(x). The error function is Abramowitz and Stegun's 7.1.26, off by
 * 1.5e-7 at most.
 */
const geluKernel: Activation = {
  value: "v * phi(v)",
  derivative: "phi(v) + v * 0.3989422804014327 * exp(-0.5 * v * v)",
  globals: `
fn phi(v: f32) -> f32 { // the normal distribution function: (1 + erf(v / sqrt(2))) / 2
  let z = abs(v) * 0.7071067811865476;
  let s = 1.0 / (1.0 + 0.3275911 * z);
  let tail = 0.5 * exp(-z * z) * s *
    (0.254829592 + s * (-0.284496736 + s * (1.421413741 + s * (-1.453152027 + s * 1.061405429))));
  return select(tail, 1.0 - tail, v > 0.0);
}`,
};

/**
 * x s(z) with z = 2 sqrt(2 / pi) (x + 0.044715 x^3) and the logistic function s, which is
 * (1 + tanh(z / 2)) / 2.
 */
const geluTanhKernel: Activation = {
  value: "v * logistic(1.5957691216057308 * (v + 0.044715 * v * v * v))",
  derivative: "slope(v)",
  globals: `
// exp must not overflow.
fn logistic(z: f32) -> f32 { return 1.0 / (1.0 + exp(-clamp(z, -80.0, 80.0))); }
fn slope(v: f32) -> f32 {
  let s = logistic(1.5957691216057308 * (v + 0.044715 * v * v * v));
  return s + v * s * (1.0 - s) * 1.5957691216057308 * (1.0 + 0.134145 * v * v);
}`,
};

/** max(x, 0): see lib/functional.ts. */
export function relu(x: Tensor): Tensor | undefined {
  if (usable(x)) return activate("relu", reluKernel, x);
}

/** x Phi(x): see lib/functional.ts. */
export function gelu(x: Tensor, approximate: "none" | "tanh" = "none"): Tensor | undefined {
  if (!usable(x)) return;
  return approximate === "none"
    ? activate("gelu", geluKernel, x)
    : activate("geluTanh", geluTanhKernel, x);
}

function activate(name: string, kernel: Activation, x: Tensor): Tensor {
  return differentiable({ x }, (save) => {
    const y = empty(x.shape);
    launch({
      name,
      variant: "forward",
      buffers: { x: read(x), y: write(y) },
      uniforms: { size: u32(x.size) },
      threads,
      groups: Math.ceil(x.size / threads),
      globals: () => kernel.globals,
      body: () => `if (i < u.size) { let v = x[i]; y[i] = ${kernel.value}; }`,
    });
    save([x]);
    return y;
  }, (dy, [x]) => ({
    x: () => {
      const dx = empty(x.shape);
      launch({
        name,
        variant: "backward",
        buffers: { x: read(x), dy: read(dy), dx: write(dx) },
        uniforms: { size: u32(x.size) },
        threads,
        groups: Math.ceil(x.size / threads),
        globals: () => kernel.globals,
        body: () => `if (i < u.size) { let v = x[i]; dx[i] = dy[i] * (${kernel.derivative}); }`,
      });
      return dx;
    },
  }));
}
