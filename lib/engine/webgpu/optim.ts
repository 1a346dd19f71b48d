/**
 * Updates of all parameters in few kernels: one takes as many parameters as it may have tensors (8
 * on every adapter, 32 and more on most), and its workgroups are dealt out among them. Parameters
 * and states change in place.
 */
import * as tf from "@tensorflow/tfjs-core";
import type { AdamSettings, SGDSettings, UpdateEntry } from "../operations.ts";
import { backend, empty, f32, launch, maxBuffers, read, u32, unroll, write } from "./runtime.ts";

type Tensor = tf.Tensor;

const threads = 256;

/** A step of Adam: see lib/optim.ts. */
export function adamUpdate(
  entries: UpdateEntry[],
  settings: AdamSettings,
  decoupled: boolean,
): true {
  const { lr, betas: [beta1, beta2], eps, weight_decay } = settings;
  return updateAll({
    name: "adamUpdate",
    entries,
    variant: decoupled ? "decoupled" : "",
    tensors: ({ param, exp_avg, exp_avg_sq }) => ({ p: param, m: exp_avg!, v: exp_avg_sq! }),
    uniforms: {
      decay: f32(decoupled ? 1 - lr * weight_decay : weight_decay),
      share1: f32(1 - beta1),
      beta2: f32(beta2),
      share2: f32(1 - beta2),
      eps: f32(eps),
    },
    entryUniforms: ({ step }) => ({
      step_size: lr / (1 - beta1 ** step),
      correction: Math.sqrt(1 - beta2 ** step),
    }),
    body: (j) => `
    let old = p${j}[at];
    let d = ${decoupled ? `g${j}[at]` : `g${j}[at] + u.decay * old`};
    let m = m${j}[at] + (d - m${j}[at]) * u.share1;
    let v = v${j}[at] * u.beta2 + d * d * u.share2;
    m${j}[at] = m;
    v${j}[at] = v;
    p${j}[at] = ${
      decoupled ? "old * u.decay" : "old"
    } - m * u.step_size${j} / (sqrt(v) / u.correction${j} + u.eps);`,
  });
}

/** A step of gradient descent: see lib/optim.ts. */
export function sgdUpdate(entries: UpdateEntry[], settings: SGDSettings): true {
  const { lr, momentum, dampening, weight_decay, nesterov } = settings;
  return updateAll({
    name: "sgdUpdate",
    entries,
    variant: `${momentum !== 0} ${nesterov}`,
    tensors: ({ param, momentum_buffer }) => ({
      p: param,
      ...momentum !== 0 && { b: momentum_buffer! },
    }),
    uniforms: {
      lr: f32(lr),
      decay: f32(weight_decay),
      momentum: f32(momentum),
      share: f32(1 - dampening),
    },
    entryUniforms: ({ step }) => ({ first: step === 1 ? 1 : 0 }),
    body: (j) => `
    let d = g${j}[at] + u.decay * p${j}[at];
    ${
      momentum === 0 ? `p${j}[at] -= u.lr * d;` : `
    let b = select(b${j}[at] * u.momentum + d * u.share, d, u.first${j} == 1.0);
    b${j}[at] = b;
    p${j}[at] -= u.lr * ${nesterov ? "(d + b * u.momentum)" : "b"};`
    }`,
  });
}

interface Update {
  name: string;
  variant: string;
  entries: UpdateEntry[];
  /** The tensors that change, beside the gradient, which the kernel calls g. */
  tensors: (entry: UpdateEntry) => Record<string, tf.Variable>;
  uniforms: Record<string, ReturnType<typeof f32>>;
  entryUniforms: (entry: UpdateEntry) => Record<string, number>;
  /** WGSL for element `at` of the j-th entry of a kernel. */
  body: (j: number) => string;
}

function updateAll(update: Update): true {
  const entries = update.entries.filter(({ param }) => param.size > 0);
  if (entries.length === 0) return true;
  const each = 1 + Object.keys(update.tensors(entries[0])).length;
  for (const chunk of chunks(entries, Math.floor(maxBuffers() / each))) {
    const buffers = chunk.map((entry, j) => {
      const changing = Object.entries(update.tensors(entry));
      for (const [, variable] of changing) makeSole(variable);
      return [
        [`g${j}`, read(entry.gradient)],
        ...changing.map(([name, variable]) => [`${name}${j}`, write(variable)]),
      ];
    });
    const numbers = chunk.flatMap((entry, j) =>
      Object.entries(update.entryUniforms(entry)).map(([name, value]) =>
        [`${name}${j}`, f32(value)] as const
      )
    );
    launchOnAll({
      name: update.name,
      variant: update.variant,
      sizes: chunk.map(({ param }) => param.size),
      buffers: Object.fromEntries(buffers.flat()),
      uniforms: { ...update.uniforms, ...Object.fromEntries(numbers) },
      body: update.body,
    });
  }
  return true;
}

/**
 * A kernel over tensors of several sizes, whose workgroups each belong to one: `at` is the element,
 * j the tensor.
 */
function launchOnAll(
  { sizes, uniforms, body, variant, ...rest }:
    & { sizes: number[]; body: (j: number) => string }
    & Pick<Parameters<typeof launch>[0], "name" | "variant" | "buffers" | "uniforms" | "globals">,
): void {
  let end = 0;
  const ends = sizes.map((size) => end += Math.ceil(size / threads));
  launch({
    ...rest,
    variant: `${variant} ${sizes.length}`,
    uniforms: {
      ...uniforms,
      ...Object.fromEntries(sizes.map((size, j) => [`size${j}`, u32(size)])),
      ...Object.fromEntries(ends.map((end, j) => [`end${j}`, u32(end)])),
    },
    threads,
    groups: end,
    body: () =>
      unroll(sizes.length, (j) => `
  ${j > 0 ? "else " : ""}if (group < u.end${j}) {
    let at = (group${j > 0 ? ` - u.end${j - 1}` : ""}) * ${threads}u + t;
    if (at < u.size${j}) {${body(j)}
    }
  }`),
  });
}

function chunks<T>(all: T[], size: number): T[][] {
  return Array.from(
    { length: Math.ceil(all.length / size) },
    (_, i) => all.slice(i * size, (i + 1) * size),
  );
}

/**
 * Gives a variable memory of its own if a copy shares it (a clone, a reshape): the copy is to keep
 * the old values.
 */
function makeSole(variable: tf.Variable): void {
  if (backend().refCount(variable.dataId) > 1) {
    tf.tidy(() => variable.assign(tf.mul(variable, 1)));
  }
}

/**
 * Gradients of a bounded norm, see lib/optim.ts: two kernels for the norm, one for the scaling,
 * each over as many gradients as it may have.
 */
export function clipGradients(
  gradients: Tensor[],
  max: number,
): { norm: tf.Scalar; gradients: Tensor[] } {
  const groups = gradients.map((g) => Math.ceil(g.size / threads));
  const total = groups.reduce((a, b) => a + b, 0);
  const norm = empty([]) as tf.Scalar, factor = empty([]) as tf.Scalar;
  const squares = empty([Math.max(1, total)]);
  let done = 0;
  const inChunks = (reserved: number) =>
    chunks(gradients.filter((g) => g.size > 0), maxBuffers() - reserved);
  for (const chunk of inChunks(1)) {
    sumSquares(chunk, squares, done);
    done += chunk.reduce((sum, g) => sum + Math.ceil(g.size / threads), 0);
  }
  launch({
    name: "clipGradients",
    variant: "norm",
    buffers: { squares: read(squares), norm: write(norm), factor: write(factor) },
    uniforms: { count: u32(total), limit: f32(max) },
    threads,
    groups: 1,
    globals: () => groupSum,
    body: () => `
  var own = 0.0;
  for (var at = t; at < u.count; at += ${threads}u) { own += squares[at]; }
  let sum = group_sum(own, t);
  if (t == 0u) {
    norm[0] = sqrt(sum);
    factor[0] = min(u.limit / (sqrt(sum) + 1e-6), 1.0);
  }`,
  });
  tf.dispose(squares);
  return { norm, gradients: multiplyAll("clipGradients", gradients, factor) };
}

/** Gradients times a number: see lib/amp.ts. */
export function scaleGradients(gradients: Tensor[], factor: number): Tensor[] {
  return multiplyAll("scaleGradients", gradients, tf.scalar(factor));
}

/** Gradients times `factor`, in place where that is possible; takes over both. */
function multiplyAll(name: string, gradients: Tensor[], factor: tf.Scalar): Tensor[] {
  // A gradient whose memory another tensor shares must not change under it: it gets a scaled copy.
  const result = gradients.map((g) => backend().refCount(g.dataId) > 1 ? tf.mul(g, factor) : g);
  const inPlace = result.filter((g, i) => g === gradients[i] && g.size > 0);
  for (const chunk of chunks(inPlace, maxBuffers() - 1)) {
    launchOnAll({
      name,
      variant: "scale",
      sizes: chunk.map((g) => g.size),
      buffers: {
        factor: read(factor),
        ...Object.fromEntries(chunk.map((g, j) => [`g${j}`, write(g)])),
      },
      body: (j) => `g${j}[at] = g${j}[at] * factor[0];`,
    });
  }
  tf.dispose([factor, ...gradients.filter((g, i) => g !== result[i])]);
  return result;
}

/** The sum over a workgroup's threads, in a fixed order. */
const groupSum = `
var<workgroup> values: array<f32, ${threads}>;
fn group_sum(value: f32, t: u32) -> f32 {
  values[t] = value;
  workgroupBarrier();
  for (var width = ${threads / 2}u; width > 0u; width = width / 2u) {
    if (t < width) { values[t] += values[t + width]; }
    workgroupBarrier();
  }
  return values[0];
}`;

/** The sum of squares of each 256 elements, from place `first` of `squares` on. */
function sumSquares(gradients: Tensor[], squares: Tensor, first: number): void {
  let end = 0;
  const ends = gradients.map((g) => end += Math.ceil(g.size / threads));
  launch({
    name: "clipGradients",
    variant: `squares ${gradients.length}`,
    buffers: {
      squares: write(squares),
      ...Object.fromEntries(gradients.map((g, j) => [`g${j}`, read(g)])),
    },
    uniforms: {
      first: u32(first),
      ...Object.fromEntries(gradients.map((g, j) => [`size${j}`, u32(g.size)])),
      ...Object.fromEntries(ends.map((end, j) => [`end${j}`, u32(end)])),
    },
    threads,
    groups: end,
    globals: () => groupSum,
    body: () => `
  var value = 0.0;
  ${
      unroll(gradients.length, (j) => `
  ${j > 0 ? "else " : ""}if (group < u.end${j}) {
    let at = (group${j > 0 ? ` - u.end${j - 1}` : ""}) * ${threads}u + t;
    if (at < u.size${j}) { value = g${j}[at]; }
  }`)
    }
  let sum = group_sum(value * value, t);
  if (t == 0u && group < u.end${gradients.length - 1}) { squares[u.first + group] = sum; }`,
  });
}
