import * as tf from "@tensorflow/tfjs";
import { assertEquals, assertRejects } from "@std/assert";
import { UsageError } from "lib/io/errors.ts";
import { torch } from "lib/random.ts";
import { AdditionDataset, main } from "scripts/adder.ts";
import { assertClose, readReference } from "../helpers/compare.ts";
import { testOnDevices } from "../helpers/devices.ts";
import { run } from "../helpers/scripts.ts";

const reference = await readReference("adder.json");

Deno.test("AdditionDataset splits and writes the problems as minGPT's", async () => {
  const [train, test] = [new AdditionDataset(2, "train"), new AdditionDataset(2, "test")];
  assertEquals([train.length, test.length], [9500, 500]);
  const problems = (dataset: AdditionDataset) =>
    Array.from({ length: 10 }, (_, i) => dataset.numbers(i)).map(([a, b]) => 100 * a + b);
  assertEquals(problems(test), reference.split.test_first_10);
  assertEquals(problems(train), reference.split.train_first_10);
  // 74 + 15 = 089, backwards 980.
  assertEquals(test.digits(0), [7, 4, 1, 5, 9, 8, 0]);
  const [x, y] = test.batch([0]);
  assertEquals(await x.array(), [[7, 4, 1, 5, 9, 8]]);
  assertEquals(await y.array(), [[-1, -1, -1, 9, 8, 0]]);
  assertEquals(new AdditionDataset(1, "test").length, 20);
});

testOnDevices("adder has minGPT's losses and its first evaluation", async () => {
  const { result, metrics, printed } = await run(
    main,
    "--device=cpu",
    "--max_iters=21",
    "--log_every=1",
  );
  const losses = metrics.filter(({ loss }) => loss !== undefined).map(({ loss }) => loss);
  const expected = Object.entries(reference.losses).filter(([i]) => Number(i) <= 20);
  assertEquals(losses.length, 21);
  assertClose(losses, expected.map(([, loss]) => loss as number), { relative: 2e-6 });
  // The lines of the evaluation at iteration 0: five mistakes and a score, for each split.
  const numbers = printed.filter((line) => /GPT claims|final score/.test(line))
    .map((line) => line.match(/[\d.]+/g)!.map(Number));
  assertEquals(numbers, reference.evaluations.rows.slice(0, numbers.length));
  assertEquals(result!.scores.length, 1);
}, ["cpu"]);

testOnDevices("adder learns one-digit sums", async () => {
  const flags = ["--ndigit=1", "--max_iters=201", "--eval_every=200", "--learning_rate=0.005"];
  const { result } = await run(main, "--device=cpu", ...flags);
  const [first, last] = result!.scores;
  assertEquals(last.train > 50 && first.train < 20, true, JSON.stringify(result!.scores));
  const { model } = result!;
  model.eval();
  torch.manualSeed(0);
  const [digits] = await model.generate(tf.tensor2d([[3, 4]], undefined, "int32"), 2, {});
  assertEquals(digits.length, 4);
}, ["cpu"]);

Deno.test("adder refuses four digits", async () => {
  await assertRejects(() => run(main, "--ndigit=4"), UsageError, "ndigit");
});
