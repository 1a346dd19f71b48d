import * as tf from "@tensorflow/tfjs";
import { assertEquals } from "@std/assert";
import * as F from "lib/functional.ts";
import * as nn from "lib/nn.ts";
import { type Tensor, values } from "lib/tensor.ts";
import {
  assertClose,
  numbers,
  readReference,
  type ReferenceTensor,
  toTensor,
} from "../helpers/compare.ts";
import { testOnDevices } from "../helpers/devices.ts";

interface Case {
  op: string;
  inputs: Record<string, ReferenceTensor>;
  output: ReferenceTensor;
  grads?: Record<string, ReferenceTensor>;
}
type Inputs = Record<string, Tensor>;

const cases: Case[] = (await readReference("functional.json")).seeds["42"];

/** Our call for each operation of the reference; what is not here we do not have. */
function call(op: string, x: Inputs): (() => Tensor) | undefined {
  const reduction = (/reduction=(\w+)/.exec(op)?.[1] ?? "mean") as F.Reduction;
  const number = (name: string) => {
    const match = new RegExp(`${name}=([-\\d.]+)`).exec(op);
    return match ? Number(match[1]) : undefined;
  };
  const classLoss: F.ClassLossOptions = {
    reduction: op.includes("extremes") ? "none" : reduction,
    weight: op.includes("weight") ? x.w : undefined,
    ...(number("label_smoothing") !== undefined && { label_smoothing: number("label_smoothing") }),
    ...(number("ignore_index") !== undefined && { ignore_index: number("ignore_index") }),
    ...(op.includes("all ignored") && { ignore_index: -1 }),
  };
  const embedding = (padding_idx?: number) => {
    const [V, C] = x.w.shape as [number, number];
    const layer = new nn.Embedding(V, C, { padding_idx });
    layer.weight = x.w as nn.Parameter;
    return layer.forward(x.ids);
  };
  const axis = Number(/softmax\(x, (-?\d)\)/.exec(op)?.[1]);
  if (/^softmax\(/.test(op)) return () => F.softmax(x.x, axis);
  if (/^log_softmax\(/.test(op)) return () => F.logSoftmax(x.x, axis);
  if (/^cross_entropy.*(probabilities|\(N, C, d\))/.test(op)) return undefined;
  if (op.startsWith("cross_entropy")) return () => F.crossEntropy(x.x, x.t, classLoss);
  if (op.startsWith("nll_loss(log_softmax")) {
    return () => F.nllLoss(F.logSoftmax(x.x), x.t, classLoss);
  }
  if (op.startsWith("nll_loss")) return () => F.nllLoss(x.x, x.t, classLoss);
  if (op.startsWith("binary_cross_entropy(")) {
    return () => F.binaryCrossEntropy(x.p, x.y, reduction);
  }
  if (op.startsWith("binary_cross_entropy_with_logits(x")) {
    return () => F.binaryCrossEntropyWithLogits(x.x, x.y, reduction);
  }
  if (op === "mse_loss") return () => F.mseLoss(x.x, x.y);
  if (op === "layer_norm extremes") return () => F.layerNorm(x.x);
  // With one element and eps 1e-12 the derivative is 0; PyTorch's is a rounding error times 10^6.
  if (op.includes("eps 1e-12") && x.x?.shape.at(-1) === 1) return undefined;
  if (op.startsWith("layer_norm")) {
    return () => F.layerNorm(x.x, x.w, x.b, op.includes("1e-12") ? 1e-12 : 1e-5);
  }
  if (op.startsWith("rms_norm")) {
    return () => F.rmsNorm(x.x, x.w, op.includes("1e-6") ? 1e-6 : 1.1920929e-7);
  }
  if (op === "gelu" || op.startsWith("gelu of bert.py")) return () => F.gelu(x.x);
  if (op.startsWith("gelu(approximate") || op.startsWith("NewGELU")) {
    return () => F.gelu(x.x, "tanh");
  }
  if (op === "relu") return () => F.relu(x.x);
  if (op.includes("additive mask")) return undefined;
  if (op.startsWith("scaled_dot_product") || op.startsWith("minGPT's causal")) {
    return () =>
      F.scaledDotProductAttention(x.q, x.k, x.v, {
        causal: op.includes("causal"),
        mask: x.m,
        scale: number("scale"),
      });
  }
  if (op === "embedding(ids, weight)") return () => F.embedding(x.ids, x.w);
  if (op.startsWith("embedding(padding_idx")) return () => embedding(number("padding_idx"));
  if (op.startsWith("one-dimensional embedding")) return () => F.embedding(x.ids, x.w);
  if (op.startsWith("linear")) return () => F.linear(x.x, x.w, x.b);
  if (op === "conv1d kernel 1") {
    const layer = new nn.Conv1d(3, 4);
    return () => {
      layer.weight = x.w as nn.Parameter;
      layer.bias = x.b as nn.Parameter;
      return layer.forward(x.x);
    };
  }
}

testOnDevices("operations have PyTorch's values and gradients", async (device) => {
  let compared = 0;
  for (const { op, inputs = {}, output, grads } of cases) {
    const tensors = Object.fromEntries(
      Object.entries(inputs).map(([name, t]) => [name, toTensor(t)]),
    );
    if (!call(op, tensors)) continue;
    // WGSL lets a compiler assume that there are no NaN and no infinities.
    if (device === "webgpu" && JSON.stringify([inputs, output]).match(/nan|inf/)) continue;
    compared++;
    // PyTorch's GELU is NaN at infinity, where the limits are infinity and 0, and its ReLU passes the gradient at NaN:
    // nothing to imitate.
    const ignored = (i: number) =>
      /^relu|gelu/i.test(op) && !Number.isFinite(numbers(inputs.x.data)[i]);
    const what = `${op} (${Object.values(inputs).map((t) => `[${t.shape}]`).join(" ")})`;
    const y = tf.tidy(call(op, tensors)!);
    assertEquals(y.shape, output.shape, what);
    const expected = numbers(output.data);
    // One input is 100 +- 3: there PyTorch's own layer norm is 4.4e-6 from the float64 value.
    const absolute = op.startsWith("layer_norm") ? 8e-6 : 2e-6;
    assertClose(await values(y), expected, { absolute, relative: 2e-6, what, ignored });

    // For four equal values of 10^4 PyTorch's gradient is off by 2 percent (296 for 290.98): values only.
    const names = op === "layer_norm extremes" ? [] : Object.keys(grads ?? {});
    if (names.length === 0) continue;
    // The upstream gradient of the reference: 1 for a scalar, else cos(i + 1) at flat index i.
    const upstream = Float32Array.from(expected, (_, i) => y.rank === 0 ? 1 : Math.cos(i + 1));
    const derivatives = tf.grads((...given: Tensor[]) =>
      call(op, {
        ...tensors,
        ...Object.fromEntries(names.map((name, i) => [name, given[i]])),
      })!()
    )(names.map((name) => tensors[name]), tf.tensor(upstream, y.shape));
    for (const [i, name] of names.entries()) {
      assertClose(await values(derivatives[i]), numbers(grads![name].data), {
        absolute: 1e-5,
        relative: 1e-5,
        what: `gradient of ${what} for ${name}`,
        ignored,
      });
    }
  }
  assertEquals(compared, device === "webgpu" ? 82 : 93);
});
