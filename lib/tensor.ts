/** Helpers beside tfjs's own: reading numbers, printing with shapes, masks. */
import * as tf from "@tensorflow/tfjs";

// tfjs otherwise prints an advertisement for its Node.js build at the first tensor.
tf.env().set("IS_NODE", false);

/** tfjs's tensor, of any rank. */
export type Tensor = tf.Tensor;

/**
 * The number in a one-element tensor, like PyTorch's `.item()`. Given a function, runs it, reads its result and
 * frees all that it made: `await item(() => crossEntropy(model.forward(x), y))`.
 *
 * @throws {TypeError} If the tensor has another size than 1.
 */
export async function item(x: Tensor | (() => Tensor)): Promise<number> {
  const t = typeof x === "function" ? tf.tidy(x) : x;
  if (t.size !== 1) {
    throw new TypeError(
      `Cannot read one number from a tensor of shape (${t.shape.join(", ")})`,
    );
  }
  const [value] = await t.data();
  if (typeof x === "function") t.dispose();
  return value;
}

/**
 * The values of a tensor as a typed array. Given a function, runs it and frees all that it made, its result too.
 */
export async function values(
  x: Tensor | (() => Tensor),
): Promise<Float32Array | Int32Array | Uint8Array> {
  const t = typeof x === "function" ? tf.tidy(x) : x;
  const data = await t.data();
  if (typeof x === "function") t.dispose();
  return data;
}

/**
 * The values of tensors, one after the other; each tensor is freed then. On a GPU a read takes 11 ms or more, however
 * little it reads, and so it is not waited for at once: up to `behind` more tensors are asked for (computed, if
 * `tensors` is a generator) meanwhile.
 */
export async function* readBehind(
  tensors: Iterable<Tensor>,
  behind = tf.getBackend().includes("webgpu") ? 16 : 0,
): AsyncGenerator<Awaited<ReturnType<typeof values>>> {
  const reads: ReturnType<typeof values>[] = [];
  try {
    for (const t of tensors) {
      const read = values(t).finally(() => t.dispose());
      read.catch(() => {}); // it is thrown when its turn comes
      reads.push(read);
      if (reads.length > behind) yield await reads.shift()!;
    }
    while (reads.length > 0) yield await reads.shift()!;
  } finally {
    await Promise.allSettled(reads); // where nobody wanted the rest
  }
}

/**
 * A tensor as PyTorch prints it, with its shape: `tensor([0.2410, -0.0313]) (2)`.
 *
 * @param digits Decimals of each number, 4 by default; integers have none.
 */
export async function format(t: Tensor, digits = 4): Promise<string> {
  const write = (x: unknown): string =>
    Array.isArray(x)
      ? `[${x.map(write).join(", ")}]`
      : t.dtype === "float32"
      ? Number(x).toFixed(digits)
      : String(x);
  return `tensor(${write(await t.array())}) (${t.shape.join(", ")})`;
}

/**
 * The lower triangle as a boolean mask (T, T): true where query i may attend to key j, that is j <= i.
 */
export function causalMask(T: number): tf.Tensor2D {
  const mask = new Uint8Array(T * T);
  for (let i = 0; i < T; i++) mask.fill(1, i * T, i * T + i + 1);
  return tf.tensor2d(mask, [T, T], "bool");
}
