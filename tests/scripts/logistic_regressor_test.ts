import * as tf from "@tensorflow/tfjs";
import { assertEquals, assertMatch } from "@std/assert";
import { decode } from "fast-png";
import { item, values } from "lib/tensor.ts";
import {
  autogradients,
  binaryCrossEntropy,
  forward,
  gradients,
  main,
  makeBlobs,
} from "scripts/logistic-regressor.ts";
import { assertClose, readReference } from "../helpers/compare.ts";
import { testOnDevices } from "../helpers/devices.ts";
import { assertProcessRefuses, assertRefuses } from "../helpers/refuses.ts";
import { run, temporaryFolder } from "../helpers/scripts.ts";

const reference = await readReference("logistic-regressor.json");

Deno.test("makeBlobs() gives scikit-learn's points", () => {
  const { X, y } = makeBlobs(100, [[2, 3], [4, 3]], 2.7, 4);
  const expected = reference.runs[0];
  assertEquals(X.flat().map(Math.fround), expected.X.map(Math.fround));
  assertEquals(y, expected.y);
  assertEquals(makeBlobs(5, [[0, 0], [1, 1]], 1, 0).y.filter((label) => label === 0).length, 3);
});

testOnDevices("logistic-regressor has PyTorch's losses, weights and accuracy", async (device) => {
  const full = device === "cpu"; // the others are slow: the first steps of the same run
  for (const { seed, initial, losses, final } of reference.runs.slice(0, full ? 2 : 1)) {
    const { result, metrics } = await run(
      main,
      `--device=${device}`,
      `--seed=${seed}`,
      "--log_every=1",
      ...full ? [] : ["--training_steps=100"],
    );
    const lossAt = new Map(metrics.map(({ step, loss }) => [step, loss]));
    for (const [i, step] of losses.steps.entries()) {
      if (!full && step > 100) continue;
      // A GPU's exp may be approximate, which this hand-written loss amplifies.
      const relative = device === "webgpu" ? 3e-4 : 2e-6;
      const what = `loss of seed ${seed} at step ${step}`;
      assertClose([lossAt.get(step)!], [losses.loss[i]], { relative, absolute: 0, what });
    }
    if (!full) continue;
    const { weights, bias, accuracy } = result!;
    assertClose([...weights, bias], [...final.weights, ...final.bias], { absolute: 1e-4 });
    assertClose([accuracy], [64.7058823], { absolute: 0.05 });
    assertEquals(initial.weights.length, 2);
  }
});

testOnDevices("the gradients by hand are those of tfjs and of finite differences", async () => {
  const X = tf.tensor2d([[1, 2], [-1, 0.5], [0.3, -2]]);
  const y = tf.tensor1d([1, 0, 1]);
  const [w, b] = [[0.5, -0.25], 0.1];
  const parameters = (w: number[], b: number) => [tf.tensor1d(w), tf.tensor1d([b])];
  const byHand = gradients(X, y, ...parameters(w, b) as [tf.Tensor, tf.Tensor]);
  const byTfjs = autogradients(X, y, ...parameters(w, b) as [tf.Tensor, tf.Tensor]);
  assertClose(await values(byHand[0]), await values(byTfjs[0]));
  assertClose(await values(byHand[1]), await values(byTfjs[1]));
  const loss = (w: number[], b: number) => {
    const [weights, bias] = parameters(w, b);
    return item(() => binaryCrossEntropy(y, forward(X, weights, bias)));
  };
  const h = 1e-2;
  const numeric = [
    (await loss([w[0] + h, w[1]], b) - await loss([w[0] - h, w[1]], b)) / (2 * h),
    (await loss([w[0], w[1] + h], b) - await loss([w[0], w[1] - h], b)) / (2 * h),
    (await loss(w, b + h) - await loss(w, b - h)) / (2 * h),
  ];
  const analytic = [...await values(byHand[0]), ...await values(byHand[1])];
  assertClose(analytic, numeric, { absolute: 1e-4, relative: 1e-3 });
});

testOnDevices("certain and wrong predictions give a finite loss", async () => {
  const loss = await item(() => binaryCrossEntropy(tf.tensor1d([0, 1]), tf.tensor1d([1, 1])));
  assertClose([loss], [50]);
}, ["reference", "cpu"]);

testOnDevices("--autograd gives the same losses, --no-bias a line through the origin", async () => {
  const flags = ["--device=cpu", "--log_every=1", "--training_steps=50"];
  const byHand = await run(main, ...flags);
  const byTfjs = await run(main, ...flags, "--autograd");
  assertClose(
    byTfjs.metrics.map(({ loss }) => loss),
    byHand.metrics.map(({ loss }) => loss),
    // One unit in the last place of exp moves this loss by up to 5e-5: log(1 - p) cancels.
    { relative: 1e-4 },
  );
  assertEquals((await run(main, ...flags, "--no-bias")).result!.bias, 0);
}, ["cpu"]);

testOnDevices("a run writes what it promises, twice the same", async () => {
  const flags = ["--device=cpu", "--training_steps=30", "--seed=7"];
  const [one, two] = [await run(main, ...flags), await run(main, ...flags)];
  const read = (out: string, name: string) => Deno.readTextFile(`${out}/${name}`);
  assertEquals(await read(one.out, "metrics.jsonl"), await read(two.out, "metrics.jsonl"));
  const steps = one.metrics.map(({ step }) => step);
  assertEquals(steps, [1, 4, 7, 10, 13, 16, 19, 22, 25, 28, 30]); // those printed, and the last
  const config = JSON.parse(await read(one.out, "config.json"));
  assertEquals([config.seed, config.options.training_steps], [7, 30]);
  assertMatch(await read(one.out, "boundary.svg"), /decision boundary/);
  assertMatch(one.printed[0], /^Device: cpu/);
  assertMatch(one.printed[1], /^Epoch \[1\/30\], Loss: \d\.\d{4}$/);
  assertMatch(one.printed.at(-1)!, /^Accuracy: \d+\.\d\d%$/);
}, ["cpu"]);

testOnDevices("the accuracy counts the test points on their side of the boundary", async () => {
  for (const seed of [1, 2, 3]) {
    const flags = ["--training_steps=40", "--dev=4", "--samples=301", `--seed=${seed}`];
    const { weights: [w1, w2], bias, accuracy } = (await run(main, "--device=cpu", ...flags))
      .result!;
    const { X, y } = makeBlobs(301, [[2, 3], [4, 3]], 4, 4);
    const hits = X.map(([x1, x2], i) => Number(w1 * x1 + w2 * x2 + bias > 0) === y[i]);
    const tests = hits.filter((_, i) => i % 3 === 0);
    assertClose([accuracy], [100 * tests.filter(Boolean).length / tests.length]);
  }
}, ["cpu"]);

testOnDevices("the picture has each class's colour on its side of the boundary", async () => {
  const { out } = await run(main, "--device=cpu", "--class_centers=3,0;3,9", "--dev=1");
  const { width, height, data, channels } = decode(await Deno.readFile(`${out}/boundary.png`));
  /** Red minus blue, the mean over a row of pixels within the axes. */
  const warmth = (row: number) => {
    let sum = 0;
    for (let x = Math.floor(0.2 * width); x < 0.7 * width; x++) {
      const at = (Math.floor(row * height) * width + x) * channels;
      sum += data[at] - data[at + 2];
    }
    return sum / width;
  };
  const [top, bottom] = [warmth(0.15), warmth(0.85)]; // class 1 lies above, and is orange
  assertEquals([top > 10, bottom < -10], [true, true], `${top}, ${bottom}`);
}, ["cpu"]);

testOnDevices("degenerate runs end with finite numbers", async () => {
  for (
    const flags of [
      ["--dev=0"],
      ["--samples=2"],
      ["--learning_rate=1000"],
      ["--class_centers=2,3;2,3", "--dev=0"],
      ["--training_steps=1"],
    ]
  ) {
    const { result, printed } = await run(main, "--device=cpu", "--training_steps=20", ...flags);
    assertEquals(printed.join().includes("NaN"), false, `${flags}: ${printed.join("\n")}`);
    assertEquals(Number.isFinite(result!.loss), true, `${flags}`);
  }
}, ["cpu"]);

Deno.test("logistic-regressor refuses impossible flags in one line", async () => {
  for (
    const flag of [
      "--samples=0",
      "--samples=-3",
      "--learning_rate=abc",
      "--class_centers=1;2",
      "--random_state=4294967296",
    ]
  ) {
    await assertRefuses(() => main([flag]), 2, flag.slice(2).split("=")[0]);
  }
  const out = await temporaryFolder();
  await Deno.writeTextFile(`${out}/file`, "");
  const cases = [
    ["--learning_rat=1", 2, "--learning_rate"],
    ["--samples", 2, "--samples"],
    [`--out=${out}/file/below`, 1, "Cannot make the output folder"],
  ] as const;
  for (const [flag, exitCode, message] of cases) {
    const flags = [flag, "--device=cpu"];
    await assertProcessRefuses("logistic-regressor.ts", flags, exitCode, message);
  }
});
