import * as tf from "@tensorflow/tfjs";
import { assert, assertEquals, assertMatch } from "@std/assert";
import { seedAll } from "lib/random.ts";
import { values } from "lib/tensor.ts";
import {
  generate,
  main,
  makeBatch,
  NNLM,
  perplexity,
  readWindows,
  sentences,
  tokenize,
  vocabularyOf,
  Windows,
} from "scripts/ff-neural-lm.ts";
import { assertClose, readReference } from "../helpers/compare.ts";
import { testOnDevices } from "../helpers/devices.ts";
import { assertRefuses } from "../helpers/refuses.ts";
import { run, temporaryFolder } from "../helpers/scripts.ts";

const reference = await readReference("ff-neural-lm.json");

/** Relative tolerance of the loss up to a step: what PyTorch's own runs differ by, tenfold. */
function tolerance(step: number): number {
  const steps = [[100, 2e-6], [200, 3e-6], [300, 5e-6], [500, 1e-5], [1000, 2e-5]];
  return steps.find(([last]) => step <= last)![1];
}

testOnDevices("ff-neural-lm starts, learns and predicts as PyTorch's", async (device) => {
  const epochs = { reference: 30, cpu: 1000, webgpu: 20 }[device];
  for (const { seed, initial, losses, printed } of reference.runs) {
    seedAll(seed);
    const start = new NNLM(7, { n_step: 2, n_hidden: 2, m: 2 });
    assertEquals(start.countParameters(), 73);
    assertEquals(Object.keys(start.stateDict()), Object.keys(initial));
    for (const [name, p] of start.namedParameters()) {
      const numbers = [...await values(p)];
      assertEquals(numbers.slice(0, 6), initial[name].first, `${name} of seed ${seed}`);
      assertClose([numbers.reduce((a, b) => a + b)], [initial[name].sum], { absolute: 1e-12 });
    }
    const { metrics, printed: lines, result } = await run(
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
    if (device !== "cpu") break;
    assertEquals(result!.predicted, ["dog", "coffee", "milk"]);
    assertEquals(lines.slice(1), [printed[0], printed.at(-1)]);
  }
});

testOnDevices("NNLM is b + W x + U tanh(H x + d) with x the joined embeddings", async () => {
  const [n_step, n_hidden, m, V] = [3, 5, 2, 4];
  const model = new NNLM(V, { n_step, n_hidden, m });
  const X = [[3, 0, 1], [2, 2, 0]];
  const get = (p: tf.Tensor) => p.arraySync() as number[][];
  const [C, H, U, W] = [model.C, model.H, model.U, model.W].map(({ weight }) => get(weight));
  const d = get(model.H.bias!) as unknown as number[];
  const dot = (a: number[], b: number[]) => a.reduce((sum, x, i) => sum + x * b[i], 0);
  const expected = X.map((words) => {
    const x = words.flatMap((word) => C[word]);
    const hidden = H.map((row, i) => Math.tanh(dot(row, x) + d[i]));
    return W.map((row, i) => 1 + dot(row, x) + dot(U[i], hidden));
  });
  const logits = tf.tidy(() => model.forward(tf.tensor2d(X, [2, 3], "int32")));
  assertEquals(logits.shape, [2, V]);
  assertClose(await values(logits), expected.flat(), { absolute: 2e-6 });
}, ["reference", "cpu"]);

testOnDevices(
  "batches and windows have the words before as input and the next as target",
  async () => {
    const wordList = ["coffee", "dog", "hate", "i", "like", "love", "milk"];
    const [X, y] = makeBatch(sentences, wordList).batch([0, 1, 2]);
    assertEquals([...await X.data()], [3, 4, 3, 5, 3, 2]);
    assertEquals([X.shape, [...await y.data()]], [[3, 2], [1, 0, 6]]);
    const windows = new Windows(Int32Array.from([5, 6, 7, 8, 9]), 3);
    assertEquals(windows.length, 2);
    const [inputs, targets] = windows.batch([1, 0, 1]);
    assertEquals([...await inputs.data()], [6, 7, 8, 5, 6, 7, 6, 7, 8]);
    assertEquals([inputs.shape, [...await targets.data()]], [[3, 3], [9, 8, 9]]);
  },
  ["cpu"],
);

Deno.test("tokenize() cuts words and punctuation marks, or characters", () => {
  assertEquals(tokenize("Don't stop,\nJosé: 3 días!", "word"), [
    "Don't",
    "stop",
    ",",
    "José",
    ":",
    "3",
    "días",
    "!",
  ]);
  assertEquals(tokenize("a b🙂\n", "char"), ["a", " ", "b", "🙂", "\n"]);
  assertEquals(tokenize("  \n", "word"), []);
  assertEquals(vocabularyOf(["b", "a", "b", "c", "a", "Z", "Z"], 2), ["<unk>", "Z", "a", "b"]);
  assertEquals(vocabularyOf(["constructor", "__proto__"], 1), [
    "<unk>",
    "__proto__",
    "constructor",
  ]);
});

/** Writes a text to a temporary file. */
async function file(text: string): Promise<string> {
  const path = `${await temporaryFolder()}/text.txt`;
  await Deno.writeTextFile(path, text);
  return path;
}

testOnDevices(
  "readWindows() holds out the last tenth and knows only the words of the rest",
  async () => {
    const text = await file(`${"a b ".repeat(45)}${"c ".repeat(10)}`); // 100 words
    const { wordList, train, heldOut } = await readWindows(text, {
      tokens: "word",
      min_count: 1,
      n_step: 3,
    });
    assertEquals(wordList, ["<unk>", "a", "b"]);
    assertEquals([train.length, heldOut.length], [90 - 3, 10]); // each of the ten is a target once
    const [, targets] = heldOut.batch(Array.from({ length: 10 }, (_, i) => i));
    assertEquals([...await targets.data()], new Array(10).fill(0));
  },
  ["cpu"],
);

testOnDevices("perplexity() is the number of tokens for a model that knows nothing", async () => {
  const model = new NNLM(9, { n_step: 2, n_hidden: 3, m: 2 });
  for (const p of model.parameters()) tf.tidy(() => p.assign(tf.zerosLike(p)));
  const ids = Int32Array.from({ length: 700 }, (_, i) => (i * i) % 9); // more than two batches of 256
  assertClose([await perplexity(model, new Windows(ids, 2))], [9], { relative: 1e-5 });
  // And never <unk>, though it is as probable as all others.
  seedAll(3);
  const drawn = await generate(model, [1, 2], 200);
  assertEquals([drawn.length, drawn.includes(0), new Set(drawn).size], [200, false, 8]);
}, ["cpu"]);

testOnDevices("--text learns a rhythm, by words and by characters", async () => {
  const text = await file("one two three, ".repeat(60));
  for (const tokens of ["word", "char"]) {
    const flags = [`--text=${text}`, `--tokens=${tokens}`, "--n_step=4", "--m=4", "--n_hidden=8"];
    const options = ["--epochs=300", "--learning_rate=0.02", "--generate=30", "--device=cpu"];
    const before = tf.memory().numTensors;
    const { result, printed } = await run(main, ...flags, ...options);
    assert(result!.perplexity! < 1.3, `perplexity ${result!.perplexity} by ${tokens}`);
    assertMatch(printed.join("\n"), /windows to train on, \d+ held out, \d+ tokens/);
    assertMatch(printed.join("\n"), /^Perplexity on the held-out tenth: 1\.\d\d /m);
    if (tokens === "word") {
      assertMatch(result!.generated!.join(" "), /one two three , one two three/);
    } else assertMatch(result!.generated!.join(""), /one two three, one/);
    assertEquals(result!.generated!.length, 30);
    assertEquals(tf.memory().numTensors - before, 6 * 3 + 1); // parameters, Adam's averages, the last loss
  }
}, ["cpu"]);

testOnDevices("--batch_size=2 learns the three sentences from random pairs of them", async () => {
  const flags = ["--batch_size=2", "--epochs=400", "--learning_rate=0.01", "--device=cpu"];
  assertEquals((await run(main, ...flags)).result!.predicted, ["dog", "coffee", "milk"]);
}, ["cpu"]);

testOnDevices("--trace prints the operations of one forward pass", async () => {
  const { printed } = await run(main, "--device=cpu", "--trace");
  const rows = printed.join("\n");
  assertMatch(rows, /^C +embedding +\(3, 2\) \(7, 2\) +\(3, 2, 2\) +C\.weight \(7, 2\)$/m);
  assertMatch(rows, /crossEntropy +\(3, 7\) \(3\) +\(\)/);
}, ["cpu"]);

Deno.test("ff-neural-lm refuses texts that it cannot learn from, in one line", async () => {
  const cases = [
    ["", "it is empty"],
    [" \n ", "it has 0 tokens, --n_step=2 needs 4 or more"],
    ["hello", "it has 1 tokens"],
    ["same ".repeat(20), "two different tokens or more"],
    ["all words once only in this text", "2 times or more (--min_count), it has 0"],
  ];
  for (const [text, message] of cases) {
    const flags = ["--device=cpu", `--text=${await file(text)}`];
    await assertRefuses(() => run(main, ...flags), 1, message);
  }
  await assertRefuses(() => run(main, "--device=cpu", "--n_step=3"), 2, "--n_step expects 2");
  await assertRefuses(() => run(main, "--tokens=bpe"), 2, "word, char");
  await assertRefuses(() => run(main, "--text=no/such.txt", "--device=cpu"), 1, "no/such.txt");
});
