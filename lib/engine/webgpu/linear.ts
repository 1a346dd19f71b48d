/**
 * x W^T + b. In float32, forward and the input's gradient are tfjs's matrix product, with the bias added in the same
 * kernel; under autocast they are ours, with operands rounded to float16. The gradients of weight and bias are sums over
 * all rows, of which there are thousands, into few elements: tfjs adds the pieces with atomics, in any order, ours in
 * one.
 */
import * as tf from "@tensorflow/tfjs-core";
import * as F from "../../functional.ts";
import { operands } from "../precision.ts";
import { differentiable } from "./launch.ts";
import { product, productAndSums } from "./product.ts";

type Tensor = tf.Tensor;

/** See lib/functional.ts. */
export function linear(x: Tensor, weight: Tensor, bias?: Tensor): Tensor {
  const [out, features] = weight.shape;
  const tensors = [x, weight, ...bias ? [bias] : []];
  if (
    x.shape.at(-1) !== features || weight.rank !== 2 || (bias && bias.size !== out) ||
    (bias && bias.rank !== 1) || tensors.some((t) => t.size === 0 || t.dtype !== "float32")
  ) return F.linear.reference(x, weight, bias);
  const half = operands.dtype === "float16";
  const rows = x.size / features;
  const common = { name: "linear", half };
  return differentiable({ x, weight, ...bias && { bias } }, (save) => {
    save([x, weight]);
    const shape = [...x.shape.slice(0, -1), out];
    if (half) {
      const sizes: [number, number, number] = [rows, features, out];
      return product({ ...common, a: x, b: weight, sizes, transposeB: true }, shape, bias);
    }
    const y: Tensor = tf.engine().runKernel("_FusedMatMul", {
      a: tf.reshape(x, [-1, features]),
      b: weight,
      ...bias && { bias },
    }, { transposeA: false, transposeB: true, activation: "linear" });
    return tf.reshape(y, shape);
  }, (dy, [x, weight]) => {
    const { y: dw, sums: db } = productAndSums({
      ...common,
      a: dy,
      b: x,
      sizes: [out, rows, features],
      transposeA: true,
    });
    const dx = () =>
      half
        ? product({ ...common, a: dy, b: weight, sizes: [rows, out, features] }, x.shape)
        : tf.reshape(
          tf.matMul(tf.reshape(dy, [-1, out]) as tf.Tensor2D, weight as tf.Tensor2D),
          x.shape,
        );
    return { x: dx, weight: () => dw, bias: () => db };
  });
}
