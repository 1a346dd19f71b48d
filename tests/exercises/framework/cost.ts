/** Counts what a calculation costs. */
import * as tf from "@tensorflow/tfjs";

/** How many matrix products `f` makes, and how many multiplications they are. */
export async function countProducts<T>(f: () => T | Promise<T>) {
  let result: T;
  const profile = await tf.profile(
    (async () => {
      result = await f();
      return tf.scalar(0);
    }) as unknown as () => tf.TensorContainer,
  );
  const matmuls = profile.kernels.filter(({ name }) => /MatMul$/.test(name));
  let [products, multiplications] = [0, 0];
  for (const { inputShapes: [a], outputShapes: [out] } of matmuls) {
    const size = (shape: number[]) => shape.reduce((x, y) => x * y, 1);
    // A (..., M, K) times B gives (..., M, N), whether or not an operand is transposed.
    multiplications += size(out) * size(a!.slice(-2)) / out.at(-2)!;
    products++;
  }
  return { result: result!, products, multiplications };
}
