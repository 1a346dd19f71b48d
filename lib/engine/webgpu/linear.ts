/**
 * x W^T + b. The gradients of weight and bias are sums over all rows, of which there are thousands,
 * into few elements: workgroups share the rows.
 */
import type * as tf from "@tensorflow/tfjs-core";
import { fitLinear } from "../checks.ts";
import { operands } from "../precision.ts";
import { differentiable } from "../tape.ts";
import { product, productAndSums } from "./matmul.ts";

type Tensor = tf.Tensor;

/** x W^T + b: see lib/functional.ts. */
export function linear(x: Tensor, weight: Tensor, bias?: Tensor): Tensor | undefined {
  if (!fitLinear(x, weight, bias)) return;
  const [out, features] = weight.shape;
  const rows = x.size / features;
  const common = { name: "linear", half: operands.dtype === "float16" };
  return differentiable({ x, weight, ...bias && { bias } }, (save) => {
    save([x, weight]);
    const sizes: [number, number, number] = [rows, features, out];
    const spec = { ...common, a: x, b: weight, sizes, transposeB: true };
    return product(spec, [...x.shape.slice(0, -1), out], bias);
  }, (dy, [x, weight]) => {
    const { y: dw, sums: db } = productAndSums({
      ...common,
      a: dy,
      b: x,
      sizes: [out, rows, features],
      transposeA: true,
    });
    const dx = () =>
      product({ ...common, a: dy, b: weight, sizes: [rows, out, features] }, x.shape);
    return { x: dx, weight: () => dw, bias: () => db };
  });
}
