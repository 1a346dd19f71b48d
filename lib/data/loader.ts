/** Batches of a data set, in the orders that PyTorch's samplers draw for the same seed. */
import type * as tf from "@tensorflow/tfjs";
import { torch, TorchGenerator, type TorchState } from "../random.ts";
import type { Dataset } from "./dataset.ts";

/** Options of `RandomSampler`. */
export interface RandomSamplerOptions {
  /** Whether a row may come again within an epoch (default false). */
  replacement?: boolean;
  /** The rows of an epoch (default: as many as the data set has). */
  num_samples?: number;
  /** Draws the rows; by default each epoch has a new generator that the global one seeds. */
  generator?: TorchGenerator;
}

/** Rows in random order, as PyTorch's RandomSampler draws them. */
export class RandomSampler {
  readonly replacement: boolean;
  readonly num_samples: number;
  readonly generator?: TorchGenerator;

  /**
   * @param dataset What the rows are of; only its length counts
   * @throws {RangeError} If there are no rows, or num_samples is no positive integer
   */
  constructor(readonly dataset: { length: number }, options: RandomSamplerOptions = {}) {
    const { replacement = false, num_samples = dataset.length, generator } = options;
    if (!(Number.isSafeInteger(num_samples) && num_samples > 0 && dataset.length > 0)) {
      throw new RangeError(
        "Cannot sample as there must be rows and num_samples must be a positive integer: " +
          `rows=${dataset.length}, num_samples=${num_samples}`,
      );
    }
    this.replacement = replacement;
    this.num_samples = num_samples;
    this.generator = generator;
  }
}

/** Options of `DataLoader`. */
export interface DataLoaderOptions {
  /** Rows a batch (default 1). */
  batch_size?: number;
  /** Whether the rows of each epoch come in a new random order (default false). */
  shuffle?: boolean;
  /** Draws the rows, instead of `shuffle`. */
  sampler?: RandomSampler;
  /** Whether to leave out a last batch that is not full (default false). */
  drop_last?: boolean;
  /** What the random order and the iterators' own seeds are drawn from, by default the global generator. */
  generator?: TorchGenerator;
}

/** Where a DataLoader is within an epoch, as JSON can hold it; null between epochs. */
export type LoaderState = null | {
  /** The rows that were taken. */
  taken: number;
  /** What the sampler's generator started from: a seed, the state of a generator of its own, or nothing yet. */
  start: string | TorchState | null;
};

/**
 * Iterates over a data set in batches of tensors:
 *
 * ```ts
 * const loader = new DataLoader(dataset, { batch_size: 100, shuffle: true });
 * for (const [images, labels] of loader) { ... }
 * ```
 *
 * The tensors of a batch live until the next batch is asked for or the loop ends; `clone()` what is
 * needed longer. Each iterator draws from the global torch generator what PyTorch's draws: a seed of
 * its own when it is made, and the sampler's seed at its first batch.
 */
export class DataLoader<Batch extends tf.Tensor[] = tf.Tensor[]> {
  /** The batches of an epoch. */
  readonly length: number;
  private batch_size: number;
  private drop_last: boolean;
  private sampler?: RandomSampler;
  private generator?: TorchGenerator;
  private rows: Rows | null = null; // those of the last iterator, until it ends
  private resumed: LoaderState = null;

  /** @throws {RangeError} If batch_size is no positive integer, or both a sampler and `shuffle` are given */
  constructor(private dataset: Dataset<Batch>, options: DataLoaderOptions = {}) {
    const { batch_size = 1, shuffle = false, drop_last = false, sampler, generator } = options;
    if (!(Number.isInteger(batch_size) && batch_size > 0)) {
      throw new RangeError(
        `Cannot make batches as batch_size must be a positive integer: batch_size=${batch_size}`,
      );
    }
    if (sampler !== undefined && shuffle) {
      throw new RangeError("Cannot shuffle with a sampler: leave out one of the two");
    }
    this.batch_size = batch_size;
    this.drop_last = drop_last;
    this.generator = generator;
    this.sampler = shuffle ? new RandomSampler(dataset, { generator }) : sampler;
    const rows = this.sampler?.num_samples ?? dataset.length;
    this.length = drop_last ? Math.floor(rows / batch_size) : Math.ceil(rows / batch_size);
  }

  /** Starts an epoch, or goes on with the one that `setState` was given. */
  [Symbol.iterator](): Iterator<Batch, undefined> {
    if (this.resumed === null) (this.generator ?? torch).random64(); // PyTorch's base seed
    const rows = this.sampler === undefined
      ? new SequentialRows(this.dataset.length)
      : new RandomRows(this.sampler);
    if (this.resumed !== null) rows.resume(this.resumed);
    this.resumed = null;
    this.rows = rows;

    let batch: Batch | undefined;
    const end = () => {
      for (const tensor of batch ?? []) if (!tensor.isDisposed) tensor.dispose();
      batch = undefined;
    };
    const finish = () => {
      end();
      if (this.rows === rows) this.rows = null;
      return { done: true, value: undefined } as const;
    };
    return {
      next: () => {
        end();
        const taken = rows.take(this.batch_size);
        const short = this.drop_last && taken.length < this.batch_size;
        if (taken.length === 0 || short) return finish();
        batch = this.dataset.batch(taken);
        return { done: false, value: batch };
      },
      return: finish,
    };
  }

  /**
   * The place within the epoch of the iterator that was made last. With the state of the global
   * torch generator it is all that an exact resume needs.
   */
  getState(): LoaderState {
    return this.rows?.state() ?? this.resumed;
  }

  /** Lets the next iterator go on where `getState` was called, drawing nothing again from the global generator. */
  setState(state: LoaderState): void {
    this.resumed = state;
    this.rows = null;
  }
}

/** The rows of an epoch, a few at a time. */
interface Rows {
  /** The next rows, fewer than `count` at the end. */
  take(count: number): Int32Array;
  state(): LoaderState;
  resume(state: NonNullable<LoaderState>): void;
}

class SequentialRows implements Rows {
  private taken = 0;
  constructor(private length: number) {}

  take(count: number): Int32Array {
    const n = Math.min(count, this.length - this.taken);
    const rows = Int32Array.from({ length: n }, (_, i) => this.taken + i);
    this.taken += n;
    return rows;
  }

  state(): LoaderState {
    return { taken: this.taken, start: null };
  }

  resume({ taken }: NonNullable<LoaderState>): void {
    this.taken = taken;
  }
}

class RandomRows implements Rows {
  private generator: TorchGenerator | undefined;
  private start: string | TorchState | null = null;
  private taken = 0;
  private drawn = 0;
  private block: Int32Array = new Int32Array();
  private permutations = 0;

  constructor(private sampler: RandomSampler) {}

  take(count: number): Int32Array {
    this.generator ??= this.startGenerator();
    const { num_samples } = this.sampler;
    const rows = new Int32Array(Math.min(count, num_samples - this.taken));
    let n = 0;
    // Asking for more than there is draws once more, as PyTorch's generator function does.
    while (n < count && (this.block.length > 0 || this.refill(this.generator))) {
      const part = this.block.subarray(0, count - n);
      rows.set(part, n);
      n += part.length;
      this.block = this.block.subarray(part.length);
    }
    this.taken += n;
    return rows;
  }

  /** Draws the next block of rows: 32 with replacement, else a whole permutation. Returns whether there are any. */
  private refill(generator: TorchGenerator): boolean {
    const { replacement, num_samples, dataset: { length } } = this.sampler;
    const left = num_samples - this.drawn;
    if (replacement) {
      this.block = generator.randint(Math.min(32, left), 0, length);
    } else if (this.permutations <= Math.floor(num_samples / length)) {
      this.permutations++;
      this.block = generator.randperm(length).subarray(0, left);
    }
    this.drawn += this.block.length;
    return this.block.length > 0;
  }

  private startGenerator(): TorchGenerator {
    const { generator } = this.sampler;
    if (generator !== undefined) {
      this.start = generator.getState();
      return generator;
    }
    const seed = torch.random64();
    this.start = `${seed}`;
    return new TorchGenerator(seed);
  }

  state(): LoaderState {
    return { taken: this.taken, start: this.start };
  }

  resume({ taken, start }: NonNullable<LoaderState>): void {
    if (start === null) return; // nothing was drawn yet
    this.start = start;
    this.generator = typeof start === "string"
      ? new TorchGenerator(BigInt(start))
      : (this.sampler.generator ?? new TorchGenerator()).setState(start);
    while (this.taken < taken) this.take(Math.min(4096, taken - this.taken));
  }
}
