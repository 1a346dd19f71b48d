/**
 * Adder: a GPT learns to add numbers of n digits, from examples alone.
 * Program followed: minGPT's projects/adder.
 * Shapes: B problems, T = 3n digits; 85 + 50 = 135 is the sequence 8 5 5 0 5 3 1, the sum backwards, since carries go
 *   from right to left. x (B, T) are its first 3n digits, y (B, T) the digits after each, -1 where they are the problem's.
 * Run: deno run -A scripts/adder.ts
 * Try: 1. --ndigit=1: how many updates does it need?  2. write the sum forwards: does it still learn?
 *      3. --model_type=gpt-micro --ndigit=3
 */
import * as tf from "@tensorflow/tfjs";
import { saveCheckpoint } from "lib/weights/checkpoint.ts";
import { DataLoader } from "lib/data/mod.ts";
import { lines } from "lib/plot/mod.ts";
import { TorchGenerator } from "lib/random.ts";
import { program } from "lib/program/run.ts";
import { type Tensor } from "lib/tensor.ts";
import { trace } from "lib/trace.ts";
import { Trainer } from "lib/training/trainer.ts";
import { GPT } from "scripts/gpt.ts";

export const defaults = {
  ndigit: 2, // digits of each number, 1 to 3
  model_type: "gpt-nano", // size of the GPT
  max_iters: 5000, // updates; the original has no end
  batch_size: 64, // problems an update
  learning_rate: 5e-4, // step size of AdamW
  beta1: 0.9, // decay of its mean of the gradients
  beta2: 0.95, // decay of its mean of their squares
  weight_decay: 0.1, // of the weights of linear layers
  grad_norm_clip: 1, // largest norm of the gradients
  eval_every: 500, // updates from score to score
  resume: false, // go on from the checkpoint in the output folder
};

/** Additions of two n-digit numbers; a fixed fifth of them, at most 500, is for testing. */
export class AdditionDataset {
  readonly length: number;
  private problems: Int32Array; // a * 10^n + b

  constructor(readonly ndigit: number, split: "train" | "test") {
    const all = 10 ** (2 * ndigit);
    const order = new TorchGenerator(1337).randperm(all);
    const tests = Math.min(Math.floor(all * 0.2), 500);
    this.problems = split === "test" ? order.subarray(0, tests) : order.subarray(tests);
    this.length = this.problems.length;
  }

  /** The digits of a, b and the sum backwards: 3n + 1 of them. */
  digits(row: number): number[] {
    const [a, b] = this.numbers(row);
    const write = (x: number, length: number) => [...String(x).padStart(length, "0")].map(Number);
    const n = this.ndigit;
    return [...write(a, n), ...write(b, n), ...write(a + b, n + 1).reverse()];
  }

  numbers(row: number): [a: number, b: number] {
    const n = 10 ** this.ndigit;
    return [Math.floor(this.problems[row] / n), this.problems[row] % n];
  }

  /** x and y (B, 3n), int32. */
  batch(rows: ArrayLike<number>): [x: Tensor, y: Tensor] {
    const digits = Array.from(rows, (row) => this.digits(row));
    const given = 2 * this.ndigit - 1; // places whose next digit belongs to the problem
    const y = digits.map((row) => row.slice(1).map((digit, i) => i < given ? -1 : digit));
    const x = digits.map((row) => row.slice(0, -1));
    return [tf.tensor2d(x, undefined, "int32"), tf.tensor2d(y, undefined, "int32")];
  }
}

/** How many of a data set's problems the model solves, writing the most probable digits; prints five mistakes. */
export async function evalSplit(
  model: GPT,
  dataset: AdditionDataset,
  split: string,
  max_batches = Infinity,
): Promise<{ correct: number; total: number }> {
  const n = dataset.ndigit;
  let correct = 0, total = 0, batches = 0, mistakes = 0;
  for (const [x] of new DataLoader(dataset, { batch_size: 100 })) {
    const problems = x.slice([0, 0], [-1, 2 * n]); // (B, 2n)
    const written = await model.generate(problems, n + 1, { do_sample: false }); // (B, 3n + 1)
    problems.dispose();
    for (const digits of written) {
      const [a, b] = dataset.numbers(total++);
      const sum = Number(digits.slice(-(n + 1)).reverse().join(""));
      if (sum === a + b) correct++;
      else if (mistakes++ < 5) {
        console.log(`GPT claims that ${a} + ${b} = ${sum} but gt is ${a + b}`);
      }
    }
    if (++batches >= max_batches) break;
  }
  const percent = (100 * correct / total).toFixed(2);
  console.log(`${split} final score: ${correct}/${total} = ${percent}% correct`);
  return { correct, total };
}

export const main = program({
  url: import.meta.url,
  defaults,
  seed: 3407,
  check: {
    ndigit: (n) => [1, 2, 3].includes(n) ? undefined : "1, 2 or 3",
    max_iters: "positive integer",
    batch_size: "positive integer",
    learning_rate: "nonnegative",
    beta1: "below 1",
    beta2: "below 1",
    weight_decay: "nonnegative",
    grad_norm_clip: "nonnegative",
    eval_every: "positive integer",
  },
  long: () => true,
}, async (run) => {
  const { ndigit, model_type, learning_rate, beta1, beta2, weight_decay, eval_every, ...rest } =
    run.options;
  const train = new AdditionDataset(ndigit, "train");
  const test = new AdditionDataset(ndigit, "test");
  const model = new GPT(GPT.getDefaultConfig(model_type, 10, 3 * ndigit));
  const optimizer = model.configureOptimizers({
    learning_rate,
    betas: [beta1, beta2],
    weight_decay,
  });
  if (run.trace) {
    const [x, y] = train.batch([0, 1]);
    return console.log(trace(() => model.loss(x, y), model));
  }

  const trainer = new Trainer({
    run,
    model,
    optimizer,
    dataset: train,
    loss: (x, y) => model.loss(x, y),
    checkpoint_every: eval_every,
    ...rest,
  });
  const scores: { updates: number; train: number; test: number }[] = [];
  trainer.state = { topScore: 0, scores };
  trainer.on("on_batch_end", async ({ iter_num, state }) => {
    if (iter_num % eval_every !== 0) return;
    model.eval();
    const onTrain = await evalSplit(model, train, "train", ndigit === 3 ? 5 : Infinity);
    const onTest = await evalSplit(model, test, "test");
    model.train();
    const percent = ({ correct, total }: typeof onTest) => 100 * correct / total;
    const score = { updates: iter_num, train: percent(onTrain), test: percent(onTest) };
    (state.scores as typeof scores).push(score);
    run.log(iter_num + 1, { train_score: score.train, test_score: score.test });
    const sum = onTrain.correct + onTest.correct;
    if (sum > (state.topScore as number)) {
      state.topScore = sum;
      console.log(`saving model with new top score of ${sum}`);
      await saveCheckpoint(run.path("model.safetensors"), model.stateDict());
    }
  });
  await trainer.train();

  const measured = trainer.state.scores as typeof scores;
  const updates = measured.map(({ updates }) => updates);
  await lines({
    title: `Sums of ${ndigit}-digit numbers that the GPT gets right`,
    xLabel: "updates",
    yLabel: "right answers (%)",
    series: {
      training: { x: updates, y: measured.map(({ train }) => train) },
      test: { x: updates, y: measured.map(({ test }) => test) },
    },
    markers: true,
  }).save(run.path("scores"));
  return { model, scores: measured };
});

if (import.meta.main) await main();
