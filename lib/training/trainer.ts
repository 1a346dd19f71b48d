/** The training loop of all larger models: it knows nothing of the model but its loss. */
import * as tf from "@tensorflow/tfjs";
import { DataLoader, type Dataset, RandomSampler } from "../data/mod.ts";
import { InputError } from "../io/errors.ts";
import { exists } from "../io/files.ts";
import type { Module } from "../nn.ts";
import { type AnyOptimizer, clipGradNorm, type LRScheduler } from "../optim.ts";
import { progressBar } from "../program/progress.ts";
import { endStopped, listenForStop, restoreTraining, saveTraining } from "./resume.ts";
import type { Run } from "../program/run.ts";
import { item, type Tensor } from "../tensor.ts";
import { firstBadValue } from "../trace.ts";

/** What a Trainer trains, and how. */
export interface TrainerOptions<Batch extends tf.Tensor[]> {
  run: Run<unknown>;
  model: Module;
  optimizer: AnyOptimizer;
  /** Where batches are drawn from, rows with replacement. */
  dataset: Dataset<Batch>;
  /** The loss of a batch, a scalar. */
  loss: (...batch: Batch) => Tensor;
  /** Rows a batch. */
  batch_size: number;
  /** Updates in all, those before a resume included. */
  max_iters: number;
  /** The largest norm of the gradients; without it they are not clipped. */
  grad_norm_clip?: number;
  /** Batches whose gradients are averaged for one update; 1 by default. */
  gradient_accumulation_steps?: number;
  /** Sets the learning rates; stepped after each update. */
  schedule?: LRScheduler;
  /** A part of the data that is held out: its loss is measured every `every` updates, on `batches` batches of it. */
  heldOut?: { dataset: Dataset<Batch>; every: number; batches: number };
  /** Updates from line to line, of the terminal and of metrics.jsonl; 10 by default. */
  print_every?: number;
  /** Updates from checkpoint to checkpoint; 500 by default. One more is written at the end and when the run is stopped. */
  checkpoint_every?: number;
  /** Whether to go on from the checkpoint in the run's folder. */
  resume?: boolean;
}

type Event = "on_batch_end" | "on_held_out" | "on_train_end";
// deno-lint-ignore no-explicit-any
type Callback = (trainer: Trainer<any>) => void | Promise<void>;

/**
 * Trains a model: draws batches as minGPT's trainer does (PyTorch's RandomSampler with replacement), updates, prints a
 * line every ten updates, and calls back:
 *
 *     const trainer = new Trainer({ run, model, optimizer, dataset, loss, batch_size: 64, max_iters: 5000 });
 *     trainer.on("on_batch_end", async ({ iter_num }) => { if (iter_num % 500 === 0) ... });
 *     await trainer.train();
 *
 * Stopped by Ctrl-C, by SIGTERM or by a kill, it goes on with `resume` as if it had never stopped: the checkpoint has the
 * model, the optimiser, the generators, the place in the data and the number of updates, in one file that is replaced at
 * once.
 */
export class Trainer<Batch extends tf.Tensor[] = tf.Tensor[]> {
  /** Updates before the current one, from 0; during `on_batch_end` that of the batch that ended. */
  iter_num = 0;
  /** Milliseconds of the update before. */
  iter_dt = 0;
  /** What callbacks want to keep over a stop, as JSON can hold it. */
  state: Record<string, unknown> = {};
  /** The losses printed so far, and those of the held-out part: [updates, loss]. */
  history: { train: [number, number][]; heldOut: [number, number][] } = { train: [], heldOut: [] };

  #options: TrainerOptions<Batch>;
  #loader: DataLoader<Batch>;
  #callbacks: Record<Event, Callback[]> = {
    on_batch_end: [],
    on_held_out: [],
    on_train_end: [],
  };
  #batch?: Batch;
  #loss?: Tensor;
  #finished = false;

  constructor(options: TrainerOptions<Batch>) {
    this.#options = options;
    const { dataset, batch_size } = options;
    const sampler = new RandomSampler(dataset, { replacement: true, num_samples: 1e10 });
    this.#loader = new DataLoader(dataset, { batch_size, sampler });
  }

  /** Where the checkpoint is. */
  get checkpoint(): string {
    return this.#options.run.path("checkpoint.safetensors");
  }

  /** Adds a callback: after each batch, after each measurement of the held-out part, or after the last batch. */
  on(event: Event, callback: Callback): this {
    this.#callbacks[event].push(callback);
    return this;
  }

  /** The loss of the current batch. */
  async loss(): Promise<number> {
    return await item(this.#loss!);
  }

  /** Ends the training after the current update: for a callback that sees that the model has learnt enough. */
  finish(): void {
    this.#finished = true;
  }

  /**
   * Runs until `max_iters` updates are done, or until a callback calls `finish`.
   *
   * @throws {InputError} If the loss is no longer finite, or there is nothing to resume from
   */
  async train(): Promise<void> {
    const { run, model, max_iters, checkpoint_every = 500 } = this.#options;
    if (this.#options.resume) await this.#restore();
    const bar = progressBar(max_iters, this.iter_num);
    const stop = listenForStop();
    model.train();
    const batches = this.#loader[Symbol.iterator]();
    const [first, began] = [this.iter_num, performance.now()];
    let saved = first;
    this.#finished = false;
    try {
      while (this.iter_num < max_iters && !this.#finished && !stop.signal) {
        const start = performance.now();
        const tokens = await this.#update(batches, bar.log);
        await this.#trigger("on_batch_end").catch(this.#blameModel);
        this.iter_num++;
        await this.#measureHeldOut(bar.log);
        if (this.iter_num % checkpoint_every === 0) {
          await this.save();
          saved = this.iter_num;
        }
        const now = performance.now();
        this.iter_dt = now - start;
        const rate = tokens * (this.iter_num - first) / (now - began) * 1000;
        bar.update(this.iter_num, `${Math.round(rate)} tokens/s`);
        await stop.check();
      }
      if (saved < this.iter_num) await this.save();
    } finally {
      bar.stop();
      stop.end();
      batches.return?.();
      this.#loss?.dispose();
    }
    if (stop.signal) {
      run.close();
      console.error(`Stopped after ${this.iter_num} updates; --resume goes on from here`);
      endStopped(stop.signal);
    }
    await this.#trigger("on_train_end");
  }

  async #trigger(event: Event): Promise<void> {
    for (const callback of this.#callbacks[event]) await callback(this);
  }

  /** One update of the parameters. Returns how many elements its batches had. */
  async #update(batches: Iterator<Batch, undefined>, print: (line: string) => void) {
    const { run, optimizer, loss: lossOf, print_every = 10, schedule } = this.#options;
    const { grad_norm_clip, gradient_accumulation_steps: n = 1 } = this.#options;
    const logs = run.logs(this.iter_num, print_every);
    const prints = this.iter_num % print_every === 0;
    let tokens = 0;
    this.#loss?.dispose();
    this.#loss = undefined;
    for (let i = 0; i < n; i++) {
      const batch = this.#batch = batches.next().value!;
      tokens += batch[0].size;
      const share = () => n === 1 ? lossOf(...batch) : tf.div(lossOf(...batch), n);
      const loss = optimizer.backward(share);
      const before: Tensor | undefined = this.#loss;
      this.#loss = before ? tf.add(before, loss) : loss.clone();
      before?.dispose();
      // Reading waits for a GPU, so there the loss is looked at only when it is shown anyway.
      if (logs || prints || run.device.name !== "webgpu") await this.#checkFinite();
    }
    const norm = grad_norm_clip ? clipGradNorm(optimizer, grad_norm_clip) : undefined;
    if (logs) {
      const lr = optimizer.groups[0].lr;
      run.log(this.iter_num + 1, {
        loss: await this.loss(),
        ...norm && { grad_norm: await item(norm) },
        ...schedule && { lr },
      });
    }
    norm?.dispose();
    optimizer.step();
    schedule?.step();
    if (prints) {
      const loss = await this.loss();
      this.history.train.push([this.iter_num + 1, loss]);
      print(
        `iter_dt ${this.iter_dt.toFixed(2)}ms; iter ${this.iter_num}: train loss ${
          loss.toFixed(5)
        }`,
      );
    }
    return tokens;
  }

  async #checkFinite(): Promise<void> {
    const loss = await this.loss();
    if (Number.isFinite(loss)) return;
    throw this.#notFinite(`The loss is ${loss}`, await this.#badPlace() ?? "the loss itself");
  }

  /** For a callback that fails: the error is the model's if that has gone wrong, as when a sample is drawn from NaN. */
  #blameModel = async (error: unknown): Promise<never> => {
    const place = await this.#badPlace();
    throw place ? this.#notFinite("The model's numbers are no longer finite", place) : error;
  };

  async #badPlace(): Promise<string | undefined> {
    const { model, loss } = this.#options;
    return await firstBadValue(model, () => loss(...this.#batch!));
  }

  #notFinite(what: string, place: string): InputError {
    return new InputError(
      `${what} at step ${this.iter_num + 1}, first in ${place}: ` +
        "try a smaller --learning_rate; the last checkpoint is untouched",
    );
  }

  /** The mean loss over evenly spread rows of the held-out part; it draws no random numbers. */
  async #measureHeldOut(print: (line: string) => void): Promise<void> {
    const { run, model, heldOut, loss: lossOf, batch_size, max_iters } = this.#options;
    if (!heldOut || (this.iter_num % heldOut.every !== 0 && this.iter_num !== max_iters)) return;
    const { dataset } = heldOut;
    model.eval();
    const rows = Math.min(dataset.length, heldOut.batches * batch_size);
    let sum = 0;
    for (let start = 0; start < rows; start += batch_size) {
      const count = Math.min(batch_size, rows - start);
      const chosen = Array.from(
        { length: count },
        (_, i) => Math.floor((start + i) * dataset.length / rows),
      );
      sum += count * await item(() => lossOf(...dataset.batch(chosen)));
    }
    model.train();
    const loss = sum / rows;
    this.history.heldOut.push([this.iter_num, loss]);
    run.log(this.iter_num, { held_out_loss: loss });
    print(`iter ${this.iter_num}: held-out loss ${loss.toFixed(5)}`);
    await this.#trigger("on_held_out");
  }

  /** Writes the checkpoint; a kill at any moment leaves the old one or the new one. */
  async save(): Promise<void> {
    await saveTraining(this.checkpoint, this.#options, {
      iter_num: this.iter_num,
      state: this.state,
      history: this.history,
      loader: this.#loader.getState(),
      ...this.#options.schedule && { schedule: this.#options.schedule.stateDict() },
    });
  }

  async #restore(): Promise<void> {
    const { run, schedule } = this.#options;
    const path = this.checkpoint;
    if (!await exists(path)) {
      throw new InputError(
        `Cannot resume as there is no checkpoint '${path}': start without --resume, or name the folder of the run by --out`,
      );
    }
    // deno-lint-ignore no-explicit-any
    const saved: any = await restoreTraining(path, this.#options);
    this.iter_num = saved.iter_num;
    this.state = saved.state;
    this.history = saved.history;
    this.#loader.setState(saved.loader);
    // The rates themselves are in the optimiser's state, so that they go on to the last bit.
    if (saved.schedule) schedule?.loadStateDict(saved.schedule);
    await run.openMetrics({ keepUpTo: this.iter_num });
  }
}
