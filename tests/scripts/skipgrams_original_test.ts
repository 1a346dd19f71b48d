import * as tf from "@tensorflow/tfjs";
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { numpy, seedAll } from "lib/random.ts";
import { item, values } from "lib/tensor.ts";
import {
  main,
  noiseDistribution,
  randomBatch,
  sentences,
  skipGrams,
  Word2Vec,
} from "scripts/skipgrams-original.ts";
import { assertClose, readReference } from "../helpers/compare.ts";
import { testOnDevices } from "../helpers/devices.ts";
import { assertRefuses } from "../helpers/refuses.ts";
import { run } from "../helpers/scripts.ts";

const reference = await readReference("skipgrams-original.json");
const batches = (await readReference("skipgrams-batches.json"))["skipgrams-original"];

const words = sentences.join(" ").split(" ");
const wordList = [...new Set(words)].sort();
const ids = words.map((word) => wordList.indexOf(word));

testOnDevices("the pairs and the batches are the course's", async () => {
  assertEquals(wordList, batches.vocabulary);
  assertEquals(skipGrams(ids), batches.skip_grams);
  numpy.seed(batches.seed);
  for (const expected of batches.first_batches) {
    const [X, contexts] = randomBatch(skipGrams(ids), 2, 8);
    assertEquals([...await values(X.argMax(1))], expected.target);
    assertEquals([...await values(X.sum(1))], [1, 1]);
    assertEquals([...await contexts.data()], expected.context);
  }
}, ["cpu"]);

/** Relative tolerance of the loss at a step: what PyTorch's own runs differ by, tenfold. */
const tolerance = (step: number) => step <= 500 ? 2e-6 : 3e-6;

testOnDevices("skipgrams-original starts and learns as PyTorch's", async (device) => {
  const epochs = { reference: 30, cpu: 1000, webgpu: 20 }[device];
  for (const { seed, initial, losses, printed } of reference.runs) {
    seedAll(seed);
    const start = new Word2Vec(8, 2);
    for (const name of ["W.weight", "WT.weight"] as const) {
      const numbers = [...await values(start.stateDict()[name])];
      assertEquals(numbers.slice(0, 6), initial[name].first, `${name} of seed ${seed}`);
      assertClose([numbers.reduce((a, b) => a + b)], [initial[name].sum], { absolute: 1e-12 });
    }
    const { metrics, printed: lines, result, out } = await run(
      main,
      `--device=${device}`,
      `--seed=${seed}`,
      `--epochs=${epochs}`,
      "--log_every=1",
    );
    for (const [i, step] of losses.steps.entries()) {
      if (step > epochs) break;
      const relative = device === "webgpu" ? 2e-5 : tolerance(step);
      const what = `loss of seed ${seed} at step ${step}`;
      assertClose([metrics[step - 1].loss], [losses.loss[i]], { relative, absolute: 0, what });
    }
    // The picture shows the columns of W.
    const W = await result!.model.W.weight.array() as number[][]; // (2, 8)
    assertEquals(result!.vectors, wordList.map((_, i) => [W[0][i], W[1][i]]));
    const svg = await Deno.readTextFile(`${out}/W.svg`);
    for (const word of wordList) assertStringIncludes(svg, `>${word}<`);
    if (device !== "cpu") break;
    const [text, cost] = printed[0].split(" = ");
    assertEquals(lines[1].split(" = ")[0], text);
    assertClose([Number(lines[1].split(" = ")[1])], [Number(cost)], { absolute: 2e-6 });
  }
});

Deno.test("noiseDistribution() is the unigram distribution to the power of 3/4", () => {
  const p = noiseDistribution([0, 0, 0, 0, 2, 1, 1, 0], 4); // counts 5, 2, 1, 0
  const total = 5 ** 0.75 + 2 ** 0.75 + 1;
  assertClose(p, [5 ** 0.75 / total, 2 ** 0.75 / total, 1 / total, 0], {
    relative: 1e-14,
    absolute: 0,
  });
  // Drawn as often as it says.
  numpy.seed(1);
  const counts = [0, 0, 0, 0];
  for (const word of numpy.choice(4, 20000, { p })) counts[word]++;
  assertClose(counts.map((count) => count / 20000), p, { absolute: 0.015 });
});

testOnDevices("negativeSamplingLoss() is equation 4 of the paper, with its gradient", async () => {
  const model = new Word2Vec(5, 3);
  const [W, WT] = [model.W.weight, model.WT.weight].map((p) => p.arraySync() as number[][]);
  const [targets, rows] = [[3, 0], [[1, 4, 4], [2, 0, 1]]]; // a context word and two noise words each
  const X = tf.oneHot(tf.tensor1d(targets, "int32"), 5).toFloat();
  const logSigmoid = (x: number) => -Math.log(1 + Math.exp(-x));
  const lossOf = (W: number[][]) => {
    const score = (target: number, word: number) =>
      W.reduce((sum, row, e) => sum + row[target] * WT[word][e], 0);
    const losses = targets.map((target, i) =>
      -rows[i].reduce(
        (sum, word, j) => sum + logSigmoid(j === 0 ? score(target, word) : -score(target, word)),
        0,
      )
    );
    return (losses[0] + losses[1]) / 2;
  };
  const loss = () => model.negativeSamplingLoss(X, tf.tensor2d(rows, [2, 3], "int32"));
  assertClose([await item(loss)], [lossOf(W)]);
  const { grads } = tf.variableGrads(loss as () => tf.Scalar);
  const h = 1e-5;
  const numeric = W.map((row, e) =>
    row.map((_, i) => {
      const shifted = (by: number) =>
        lossOf(W.map((r, k) => r.map((x, j) => k === e && j === i ? x + by : x)));
      return (shifted(h) - shifted(-h)) / (2 * h);
    })
  );
  assertClose(await values(grads[model.W.weight.name]), numeric.flat(), { absolute: 1e-6 });
}, ["reference", "cpu"]);

testOnDevices("--negative_sampling learns: the cost falls and the two groups part", async () => {
  const flags = ["--device=cpu", "--negative_sampling=3", "--log_every=1", "--batch_size=32"];
  const { metrics, result } = await run(main, ...flags, "--learning_rate=0.02", "--epochs=300");
  const mean = (part: typeof metrics) =>
    part.reduce((sum, { loss }) => sum + loss, 0) / part.length;
  assertClose([metrics[0].loss], [4 * Math.LN2], { absolute: 0.4 }); // vectors near 0: all scores near 0
  assert(mean(metrics.slice(-50)) < mean(metrics.slice(0, 50)) - 0.2);
  // A true neighbour scores higher than a word of the other group.
  const WT = await result!.model.WT.weight.array() as number[][];
  const score = (a: string, b: string) => {
    const [target, context] = [result!.vectors[wordList.indexOf(a)], WT[wordList.indexOf(b)]];
    return target.reduce((sum, x, i) => sum + x * context[i], 0);
  };
  assert(score("banana", "orange") > score("banana", "monkey"));
  assert(score("cat", "animal") > score("cat", "fruit"));
}, ["cpu"]);

testOnDevices(
  "--trace prints the operations of one forward pass, and nothing is left over",
  async () => {
    const { printed } = await run(main, "--device=cpu", "--trace");
    assertMatch(
      printed.join("\n"),
      /^WT +linear +\(2, 2\) \(8, 2\) +\(2, 8\) +WT\.weight \(8, 2\)$/m,
    );
    for (const flag of ["--negative_sampling=0", "--negative_sampling=2"]) {
      const before = tf.memory().numTensors;
      await run(main, "--device=cpu", "--epochs=3", flag);
      assertEquals(tf.memory().numTensors - before, 7); // two matrices, Adam's averages, the last loss
    }
  },
  ["cpu"],
);

Deno.test("skipgrams-original refuses impossible flags in one line", async () => {
  for (
    const flag of [
      "--batch_size=33",
      "--batch_size=0",
      "--negative_sampling=-1",
      "--learning_rate=-1",
    ]
  ) {
    await assertRefuses(() => run(main, "--device=cpu", flag), 2, flag.split("=")[0]);
  }
});
