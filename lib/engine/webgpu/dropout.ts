/** Dropout with PyTorch's mask: drawn on the host, sent as one bit an element. */
import * as tf from "@tensorflow/tfjs-core";
import { usable } from "../checks.ts";
import { drawMask, dropoutFactor } from "../draws.ts";
import { differentiable } from "../tape.ts";
import { empty, f32, launch, read, u32, write } from "./runtime.ts";

type Tensor = tf.Tensor;

const threads = 256;

/**
 * The mask that `torch.dropoutMask(n, p)` draws, as bits: 1 where an element is kept, 32 to a word.
 */
export function dropoutBits(n: number, p: number): Tensor {
  return tf.tensor1d(drawMask(n, p), "int32");
}

/** PyTorch's dropout: see lib/functional.ts. */
export function dropout(x: Tensor, p = 0.5, training = true): Tensor | undefined {
  if (!training || p === 0) return x;
  if (!usable(x)) return;
  return differentiable({ x }, (save) => {
    const bits = dropoutBits(x.size, p);
    save([bits]);
    return apply(x, bits, p);
  }, (dy, [bits]) => ({ x: () => apply(dy, bits, p) }));
}

function apply(x: Tensor, bits: Tensor, p: number): Tensor {
  const y = empty(x.shape);
  launch({
    name: "dropout",
    buffers: { x: read(x), bits: read(bits, "u32"), y: write(y) },
    uniforms: { size: u32(x.size), scale: f32(dropoutFactor(p)) },
    threads,
    groups: Math.ceil(x.size / threads),
    body: () =>
      `if (i < u.size) {
    let kept = ((bits[i / 32u] >> (i % 32u)) & 1u) == 1u;
    y[i] = x[i] * select(0.0, u.scale, kept);
  }`,
  });
  return y;
}
