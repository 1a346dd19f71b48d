/** Data sets in memory: rows come as tensors when a batch asks for them. */
import * as tf from "@tensorflow/tfjs";

/**
 * What a DataLoader draws batches from. A script with data of its own writes one of these:
 *
 * ```ts
 * class CharDataset implements Dataset<[x: tf.Tensor2D, y: tf.Tensor2D]> {
 *   length = text.length - block_size;
 *   batch(rows: ArrayLike<number>) { ... } // x and y (B, T)
 * }
 * ```
 */
export interface Dataset<Batch extends tf.Tensor[] = tf.Tensor[]> {
  /** The number of rows. */
  readonly length: number;
  /** New tensors of these rows; the first dimension of each is `rows.length`. */
  batch(rows: ArrayLike<number>): Batch;
}

/** Values in row-major order with their shape, not on any device. */
export interface HostTensor {
  data: Float32Array | Int32Array | Uint8Array;
  shape: number[];
  /** The type of the tensors made of it: by default float32 for a Float32Array or with a divisor, else int32. */
  dtype?: "float32" | "int32";
  /** What each value is divided by on the way to a float32 tensor: 255 for the bytes of images. */
  divisor?: number;
}

/**
 * A data set of host tensors with the same number of rows (PyTorch's TensorDataset). The rows of a
 * batch are gathered here, not on the device: `new TensorDataset(images, labels).batch([0, 7])` gives
 * tensors of the shapes (2, ...) and (2).
 */
export class TensorDataset implements Dataset {
  readonly length: number;
  private tensors: HostTensor[];

  /**
   * @param tensors Shapes (N, ...), the same N for all
   * @throws {TypeError} If the numbers of rows differ, or a shape does not fit its values
   */
  constructor(...tensors: HostTensor[]) {
    this.tensors = tensors;
    this.length = tensors[0]?.shape[0] ?? 0;
    for (const { data, shape } of tensors) {
      const size = shape.reduce((product, n) => product * n, 1);
      if (shape.length === 0 || shape[0] !== this.length || data.length !== size) {
        throw new TypeError(
          `Cannot make a data set of tensors as their rows differ: want shape (${this.length}, ...), ` +
            `got ${data.length} values of shape (${shape.join(", ")})`,
        );
      }
    }
  }

  /**
   * New tensors of these rows, in the order of the constructor's arguments.
   *
   * @throws {RangeError} If a row is not there
   */
  batch(rows: ArrayLike<number>): tf.Tensor[] {
    for (let i = 0; i < rows.length; i++) {
      if (!(Number.isInteger(rows[i]) && rows[i] >= 0 && rows[i] < this.length)) {
        throw new RangeError(`Cannot take row ${rows[i]} of a data set of ${this.length} rows`);
      }
    }
    return this.tensors.map((tensor) => gather(tensor, rows));
  }
}

function gather({ data, shape, dtype, divisor }: HostTensor, rows: ArrayLike<number>): tf.Tensor {
  const width = data.length / shape[0];
  const isFloat = data instanceof Float32Array || divisor !== undefined;
  const type = dtype ?? (isFloat ? "float32" : "int32");
  const out = new (type === "float32" ? Float32Array : Int32Array)(rows.length * width);
  for (let i = 0; i < rows.length; i++) {
    const start = rows[i] * width;
    out.set(data.subarray(start, start + width), i * width);
  }
  // A double's quotient rounded to float32 is the float32 quotient: divided as PyTorch does.
  if (divisor !== undefined) { for (let i = 0; i < out.length; i++) out[i] /= divisor; }
  return tf.tensor(out, [rows.length, ...shape.slice(1)], type);
}
