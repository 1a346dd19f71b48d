/** The cache of keys and values, with which a model computes each token of a growing text only once. */
import * as tf from "@tensorflow/tfjs";
import { type Tensor } from "../tensor.ts";

/** The keys and values of the tokens so far, of one attention: tokens are the last axis but one, as in (B, H, T, D). */
export class AttentionCache {
  k?: Tensor;
  v?: Tensor;

  /** Adds the keys and values of new tokens, and returns those of all: (B, H, T, D) -> (B, H, seen + T, D) each. */
  extend(k: Tensor, v: Tensor): [k: Tensor, v: Tensor] {
    return this.set(
      this.k ? tf.concat([this.k, k], -2) : k,
      this.v ? tf.concat([this.v, v], -2) : v,
    );
  }

  /**
   * The keys and values that `compute` gives at the first call, at every call: for attention to what does not grow, an
   * encoder's output.
   */
  once(compute: () => [k: Tensor, v: Tensor]): [k: Tensor, v: Tensor] {
    return this.k && this.v ? [this.k, this.v] : this.set(...compute());
  }

  /** Takes over keys and values in place of those that it has. */
  set(k: Tensor, v: Tensor): [k: Tensor, v: Tensor] {
    if (this.k !== k) this.k?.dispose();
    if (this.v !== v) this.v?.dispose();
    return [this.k, this.v] = [tf.keep(k), tf.keep(v)];
  }
}

/**
 * The keys and values of the tokens so far, which a model then need not compute again. It owns its tensors: they outlive
 * a `tidy` and are freed by `clear`.
 *
 *     const cache = new KVCache();
 *     model.forward(prompt, cache); // (B, T)
 *     model.forward(nextIds, cache); // (B, 1)
 *     cache.clear();
 */
export class KVCache {
  /** One for each attention, in the order in which the model numbers them. */
  readonly layers: AttentionCache[] = [];

  /** That of attention `i`, empty at first. */
  layer(i: number): AttentionCache {
    return this.layers[i] ??= new AttentionCache();
  }

  /** How many tokens are in it: in attention 0, which must be one that grows. */
  get length(): number {
    return this.layers[0]?.k?.shape.at(-2) ?? 0;
  }

  /** Makes row `rows[b]` the new row b, for all b: a beam search goes on with other beginnings, or with more. */
  reorder(rows: number[]): void {
    const B = this.layers[0]?.k?.shape[0];
    if (rows.length === B && rows.every((row, b) => row === b)) return;
    const take = (t: Tensor) => tf.gather(t, rows);
    for (const layer of this.layers) {
      if (layer.k && layer.v) layer.set(take(layer.k), take(layer.v));
    }
  }

  /** Forgets and frees all. */
  clear(): void {
    for (const { k, v } of this.layers.splice(0)) {
      k?.dispose();
      v?.dispose();
    }
  }
}
