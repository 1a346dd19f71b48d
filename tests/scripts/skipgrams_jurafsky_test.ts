import * as tf from "@tensorflow/tfjs";
import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { plotEmbeddings } from "lib/plot/embeddings.ts";
import { numpy, python, seedAll } from "lib/random.ts";
import { item, values } from "lib/tensor.ts";
import {
  get3wordSentences,
  main,
  nearest,
  negativePairs,
  type Pair,
  positivePairs,
  randomBatch,
  Word2Vec,
} from "scripts/skipgrams-jurafsky.ts";
import { assertClose, readReference } from "../helpers/compare.ts";
import { testOnDevices } from "../helpers/devices.ts";
import { assertRefuses } from "../helpers/refuses.ts";
import { run } from "../helpers/scripts.ts";

const reference = await readReference("skipgrams-jurafsky.json");
const batches = (await readReference("skipgrams-batches.json"))["skipgrams-jurafsky"];

/** The course's corpus as indices into its sorted vocabulary. */
const words = get3wordSentences().join(" ").split(" ");
const wordList = [...new Set(words)].sort();
const ids = words.map((word) => wordList.indexOf(word));

Deno.test("the corpus has the course's sentences, pairs and negatives in its order", () => {
  assertEquals(get3wordSentences().length, 144);
  assertEquals(get3wordSentences().slice(0, 3), [
    "monkey cat dog",
    "monkey cat animal",
    "monkey dog cat",
  ]);
  assertEquals(wordList, batches.vocabulary);
  const positives = positivePairs(ids, 1);
  assertEquals(positives.length, batches.n_positive);
  assertEquals(positives.slice(0, 20), batches.positive_first_20);
  python.seed(batches.seed);
  const negatives = negativePairs(ids, 2, 24);
  assertEquals(negatives.length, batches.n_negative);
  assertEquals(negatives.slice(0, 20), batches.negative_first_20);
  assertEquals(negatives.slice(-5), batches.negative_last_5);
});

testOnDevices("randomBatch() draws PyTorch's batches", async () => {
  seedAll(batches.seed);
  const positives = positivePairs(ids, 1);
  const negatives = negativePairs(ids, 2, 24);
  for (const expected of batches.first_batches) {
    const [targets, contexts, labels] = randomBatch(positives, negatives, 256, 2);
    const [t, c] = [[...await targets.data()], [...await contexts.data()]];
    assertEquals([t.slice(0, 6), c.slice(0, 6)], [expected.target, expected.context]);
    assertEquals([t.slice(-3), c.slice(-3)], [expected.last_target, expected.last_context]);
    const ones = (await labels.data()) as Float32Array;
    assertEquals([ones.length, ones.indexOf(0), ones.lastIndexOf(1)], [768, 256, 255]);
    tf.dispose([targets, contexts, labels]);
  }
}, ["cpu"]);

Deno.test("positivePairs() is the multiset that a slow loop finds, for all windows", () => {
  const corpus = [0, 1, 2, 1, 3, 0, 4];
  for (const window of [1, 2, 3, 4, 10]) {
    for (const partial of [false, true]) {
      const expected: Pair[] = [];
      for (let i = 0; i < corpus.length; i++) {
        for (let j = 0; j < corpus.length; j++) {
          const whole = i - window >= 0 && i + window < corpus.length;
          const near = i !== j && Math.abs(i - j) <= window;
          if (near && (whole || partial)) expected.push([corpus[i], corpus[j]]);
        }
      }
      assertEquals(positivePairs(corpus, window, partial), expected);
    }
  }
});

testOnDevices(
  "Word2Vec gives sigmoids of dot products and gradients for the rows used",
  async () => {
    const model = new Word2Vec(5, 3);
    const [W, C] = [model.W.weight, model.C.weight].map((p) => p.arraySync() as number[][]);
    const [t, c] = [[4, 0, 4], [1, 1, 3]];
    const dots = t.map((word, i) => W[word].reduce((sum, x, j) => sum + x * C[c[i]][j], 0));
    const [Xt, Xc] = [tf.tensor1d(t, "int32"), tf.tensor1d(c, "int32")];
    const expected = dots.map((dot) => 1 / (1 + Math.exp(-dot)));
    assertClose(await values(() => model.forward(Xt, Xc)), expected);
    const { grads } = tf.variableGrads(() => model.forward(Xt, Xc).sum() as tf.Scalar);
    const gradient = await values(grads[model.W.weight.name]); // (5, 3)
    const byHand = W.map((row, word) =>
      row.map((_, j) =>
        t.reduce(
          (sum, target, i) =>
            sum + (target === word ? expected[i] * (1 - expected[i]) * C[c[i]][j] : 0),
          0,
        )
      )
    );
    assertClose(gradient, byHand.flat());
  },
  ["reference", "cpu"],
);

testOnDevices("skipgrams-jurafsky starts and learns as PyTorch's", async (device) => {
  const epochs = { reference: 20, cpu: 200, webgpu: 10 }[device];
  for (const { seed, initial, losses, printed } of reference.runs) {
    seedAll(seed);
    const start = new Word2Vec(24, 2);
    for (const name of ["W.weight", "C.weight"] as const) {
      const numbers = [...await values(start.stateDict()[name])];
      assertEquals(numbers.slice(0, 6), initial[name].first, `${name} of seed ${seed}`);
      assertClose([numbers.reduce((a, b) => a + b)], [initial[name].sum], { absolute: 1e-12 });
    }
    const { metrics, printed: lines } = await run(
      main,
      `--device=${device}`,
      `--seed=${seed}`,
      `--epochs=${epochs}`,
      "--log_every=1",
    );
    assertEquals(metrics.length, epochs);
    // A GPU's exp and log are approximate.
    const relative = device === "webgpu" ? 2e-5 : 2e-6;
    for (const [i, step] of losses.steps.entries()) {
      if (step > epochs) break;
      const what = `loss of seed ${seed} at step ${step}`;
      assertClose([metrics[step - 1].loss], [losses.loss[i]], { relative, absolute: 0, what });
    }
    assertEquals(lines.slice(1, 3), printed.slice(0, 2)); // the samples
    if (device !== "cpu") break;
  }
});

testOnDevices(
  "--plots draws W, C and their mean; --nearest lists the most similar words",
  async () => {
    const flags = ["--device=cpu", "--epochs=5", "--plots=W,C,mean", "--nearest=cat"];
    const { result, printed, out } = await run(main, ...flags);
    for (const name of ["W", "C", "mean"]) {
      const svg = await Deno.readTextFile(`${out}/${name}.svg`);
      for (const word of wordList) assertStringIncludes(svg, `>${word}<`);
      assert((await Deno.stat(`${out}/${name}.png`)).size > 1000);
    }
    const W = await result!.model.W.weight.array() as number[][];
    const similar = nearest(wordList.indexOf("cat"), W);
    assertEquals(similar.length, 23);
    assertEquals(
      result!.similar.map(({ word }) => word),
      similar.slice(0, 5).map(({ word }) => wordList[word]),
    );
    assertMatch(printed.at(-1)!, /^Nearest to cat: (\w+ \(-?\d\.\d{3}\)(, )?){5}$/);
  },
  ["cpu"],
);

Deno.test("nearest() orders by cosine, not by distance", () => {
  const vectors = [[1, 0], [10, 1], [1, 1], [-1, 0], [0.1, 0]];
  const result = nearest(0, vectors);
  assertEquals(result.map(({ word }) => word), [4, 1, 2, 3]);
  assertClose(result.map(({ cosine }) => cosine), [1, 10 / Math.sqrt(101), Math.SQRT1_2, -1]);
});

testOnDevices(
  "--sentence_bounds and --window change the pairs, --embedding_size the picture",
  async () => {
    const flags = ["--device=cpu", "--epochs=2", "--sentence_bounds", "--window=2"];
    const { result, out } = await run(main, ...flags, "--embedding_size=5");
    // Sentences of three words: each word has the two others as its context.
    assertEquals(result!.positives.length, 144 * 6);
    const group = (word: number) => Math.floor(words.indexOf(wordList[word]) / 72); // 24 sentences a group
    for (const [target, context] of result!.positives) {
      assert(target !== context);
      assertEquals(group(target), group(context));
    }
    assertMatch(
      await Deno.readTextFile(`${out}/W.svg`),
      /principal component 1 \(\d+ % of the variance\)/,
    );
    assertEquals(
      (await run(main, "--device=cpu", "--epochs=1", "--embedding_size=1")).result!.model.W.weight
        .shape,
      [24, 1],
    );
  },
  ["cpu"],
);

/** How much further to the right than the second point the others stand, seen from the first: whatever the axis shows. */
function proportions(svg: string, points: number): number[] {
  const places = [...svg.matchAll(/translate\(([\d.]+),[\d.]+\)" d="M[\d.]+,0A/g)]
    .map(([, x]) => Number(x));
  assertEquals(places.length, points);
  return places.slice(2).map((x) => (x - places[0]) / (places[1] - places[0]));
}

testOnDevices("--plots=W,C,mean draws each matrix", async () => {
  const { result, out } = await run(main, "--device=cpu", "--epochs=2", "--plots=W,C,mean");
  const { W, C } = result!.model;
  const [w, c] = [await values(W.weight), await values(C.weight)]; // (24, 2)
  const columns = { W: w, C: c, mean: w.map((x, i) => (x + c[i]) / 2) };
  for (const [name, matrix] of Object.entries(columns)) {
    const x = Array.from({ length: 24 }, (_, i) => matrix[2 * i]);
    const expected = x.slice(2).map((value) => (value - x[0]) / (x[1] - x[0]));
    const drawn = proportions(await Deno.readTextFile(`${out}/${name}.svg`), 24);
    assertClose(drawn, expected, { relative: 1e-3, what: name });
  }
}, ["cpu"]);

Deno.test("plotEmbeddings() shows the directions of the largest variance", async () => {
  // Points on one line in five dimensions: the first component says all.
  const line = [-2, 0, 1, 5].map((t) => [t, 2 * t, -t, 0, 3 * t]);
  const svg = await (await plotEmbeddings("line", ["a", "b", "c", "d"], line)).svg();
  assertStringIncludes(svg, "principal component 1 (100 % of the variance)");
  // Points that only their third dimension tells apart: they stand as far apart as they are.
  const third = [0, 1, 4].map((t) => [7, 7, t]);
  const spread = await (await plotEmbeddings("third", ["a", "b", "c"], third)).svg();
  assertClose(proportions(spread, 3), [4], { relative: 1e-3 });
  await (await plotEmbeddings("not finite", ["a", "b"], [[NaN, 1, 2], [1, 2, 3]])).svg();
  await (await plotEmbeddings("none", [], [])).svg();
  await assertRejects(() => plotEmbeddings("x", ["a"], []), TypeError, "one for each");
});

testOnDevices(
  "two runs of one seed are the same, and leave no tensors but the model's",
  async () => {
    const flags = ["--device=cpu", "--epochs=3", "--seed=5", "--log_every=1"];
    const one = await run(main, ...flags);
    const before = tf.memory().numTensors;
    const two = await run(main, ...flags, "--trace=false");
    assertEquals(two.metrics, one.metrics);
    // W and C, for each Adam's two averages, and the last loss.
    assertEquals(tf.memory().numTensors - before, 7);
    seedAll(5);
    assert(Number.isFinite(await item(() => two.result!.model.forward(...pairOf(0, 1)).mean())));
  },
  ["cpu"],
);

function pairOf(target: number, context: number) {
  return [tf.tensor1d([target], "int32"), tf.tensor1d([context], "int32")] as const;
}

testOnDevices("--trace prints the operations of one forward pass", async () => {
  const { printed } = await run(main, "--device=cpu", "--trace");
  const rows = printed.join("\n");
  assertMatch(rows, /^W +embedding +\(768\) \(24, 2\) +\(768, 2\) +W\.weight \(24, 2\)$/m);
  assertMatch(rows, /binaryCrossEntropy +\(768\) \(768\) +\(\)/);
}, ["cpu"]);

Deno.test("skipgrams-jurafsky refuses impossible flags in one line", async () => {
  const cases = [
    ["--base_batch_size=433", "--base_batch_size expects at most 432"],
    ["--k=25", "--k expects at most the 24 words"],
    ["--window=216", "--window expects windows that fit into the 432 words"],
    ["--nearest=horse", "--nearest expects one of animal, apple"],
    ["--plots=W,D", "--plots expects some of W, C, mean"],
    ["--embedding_size=0", "--embedding_size"],
    ["--epochs=1.5", "--epochs"],
  ];
  numpy.seed(0);
  for (const [flag, message] of cases) {
    await assertRefuses(() => run(main, "--device=cpu", flag), 2, message);
  }
});
