/** Passages of a file of tokens: what a language model is trained on. */
import * as tf from "@tensorflow/tfjs";
import { InputError } from "../io/errors.ts";
import { torch } from "../random.ts";
import type { Tensor } from "../tensor.ts";
import type { TokenFile } from "./tokens.ts";

/** Random passages of a file of tokens. */
export class Passages {
  constructor(private tokens: TokenFile, private batch_size: number, private block_size: number) {
    if (tokens.length <= block_size) {
      throw new InputError(
        `Cannot train on '${tokens.path}': it has ${tokens.length} tokens, a passage of block_size=${block_size} needs one more`,
      );
    }
  }

  /** Where the passages of a batch start: B numbers. */
  draw(): number[] {
    const last = this.tokens.length - this.block_size;
    return Array.from(torch.randint64(this.batch_size, 0, last), Number);
  }

  /** x (B, T), and y (B, T) with the token after each of x; int32. */
  batch(starts: number[]): [x: Tensor, y: Tensor] {
    const [B, T] = [starts.length, this.block_size];
    const [x, y] = [new Int32Array(B * T), new Int32Array(B * T)];
    starts.forEach((start, b) => {
      const window = this.tokens.read(start, T + 1);
      x.set(window.subarray(0, T), b * T);
      y.set(window.subarray(1), b * T);
    });
    return [tf.tensor2d(x, [B, T], "int32"), tf.tensor2d(y, [B, T], "int32")];
  }
}
