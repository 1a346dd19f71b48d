import * as tf from "@tensorflow/tfjs";
import {
  assert,
  assertEquals,
  assertMatch,
  assertNotEquals,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { loadCheckpoint } from "lib/weights/checkpoint.ts";
import { makePairs, pairDataset } from "lib/data/mod.ts";
import { InputError, UsageError } from "lib/io/errors.ts";
import * as F from "lib/functional.ts";
import { Adam } from "lib/optim.ts";
import { torch } from "lib/random.ts";
import { item, type Tensor } from "lib/tensor.ts";
import {
  beamSearch,
  defaults,
  greedyDecoder,
  main,
  MultiHeadAttention,
  sinusoidEncodingTable,
  Transformer,
} from "scripts/transformer.ts";
import { assertClose, readReference } from "../helpers/compare.ts";
import { testOnDevices } from "../helpers/devices.ts";
import { run, temporaryFolder } from "../helpers/scripts.ts";

const reference = await readReference("transformer.json");
const tiny = { d_model: 8, d_ff: 16, d_k: 4, n_layers: 2, n_heads: 2 };
const ids = (rows: number[][]) => tf.tensor2d(rows, undefined, "int32");

/** How far PyTorch is from itself by each step (drift.json of the reference), times ten. */
const tolerances = [2e-6, 2e-5, 2e-5, 1e-4, 1e-4];

interface Checksum {
  shape: number[];
  first: number[];
  sum: number;
}

async function assertInitial(model: Transformer, initial: Record<string, Checksum>) {
  const state = model.stateDict();
  for (const [name, { shape, first, sum }] of Object.entries(initial)) {
    assertEquals(state[name].shape, shape, name);
    const weights = await state[name].data() as Float32Array;
    assertEquals([...weights.subarray(0, 2)], first.map(Math.fround), name);
    assertClose([weights.reduce((a, b) => a + b, 0)], [sum], { absolute: 1e-4, what: name });
  }
}

testOnDevices("transformer is PyTorch's: weights, logits, attention, gradients", async () => {
  const { initial, losses } = reference.runs[0];
  const expected = reference.seed_14;
  torch.manualSeed(14);
  const pairs = makePairs([["ich mochte ein bier", "i want a beer"]]);
  const model = new Transformer(pairs, defaults);
  assertEquals(Object.keys(model.stateDict()), Object.keys(initial));
  assertEquals(model.countParameters(true), expected.n_parameters);
  await assertInitial(model, initial);

  const [enc, dec, target] = pairDataset(pairs, [0]).batch([0]);
  assertEquals([...await enc.data()], [1, 2, 3, 4, 0]);
  assertEquals([...await dec.data()], [5, 1, 2, 3, 4]);
  assertEquals([...await target.data()], [1, 2, 3, 4, 6]);
  const { logits, attns } = model.forward(enc, dec);
  assertEquals(attns.map((layers) => layers.length), [6, 6, 6]);
  assertClose(await logits.data(), expected.first_logits.data, { absolute: 2e-5, what: "logits" });
  const [[head]] = await attns[2][5].array() as number[][][][];
  const { data } = expected.first_dec_enc_attn_last_layer_head_0;
  assertClose(head.flat(), data, { absolute: 1e-5, what: "attention" });

  const optimizer = new Adam(model.parameters(), { lr: 0.001 });
  const loss = optimizer.backward(() => F.crossEntropy(model.forward(enc, dec).logits, target));
  assertClose([await item(loss)], [losses[0]], { relative: 2e-6, what: "loss" });
  const state = model.stateDict();
  for (const [name, norm] of Object.entries<number>(expected.first_grad_norms)) {
    if (name.endsWith("W_K.bias")) continue; // softmax does not feel it: the gradient is 0, what is left is rounding
    const gradient = optimizer.gradients.get(state[name])!;
    assertClose([await item(() => gradient.norm())], [norm], { relative: 1e-4, what: name });
  }
  optimizer.dispose();
  model.dispose();
}, ["cpu"]);

testOnDevices(
  "transformer prints what the course's program prints and draws its pictures",
  async () => {
    const { result, printed, metrics, out } = await run(main, "--device=cpu", "--epochs=5");
    const { losses, printed: lines } = reference.runs[0];
    for (const [i, { step, loss }] of metrics.entries()) {
      assertEquals(step, i + 1);
      assertClose([loss], [losses[i]], { relative: tolerances[i], what: `loss at step ${step}` });
    }
    assertEquals(metrics.length, 5);
    assertEquals(printed[1], lines[0]); // "Epoch: 0001 cost = 1.686653"
    const predicted = /^ich mochte ein bier P -> \[('\w+', ){4}'\w+'\]$/;
    assertMatch(printed[6], predicted);
    assertMatch(printed[7], predicted);
    assertEquals(printed.slice(8, 11), lines.slice(-3));
    assertEquals(result!.predictions.map((ids) => ids.length), [5, 5]);
    const names = ["positional-encodings", "sin-cos", "enc_self_attns", "dec_self_attns"];
    for (const name of [...names, "dec_enc_attns"]) {
      assert((await Deno.stat(`${out}/${name}.png`)).size > 1000, name);
    }
    assertMatch(await Deno.readTextFile(`${out}/dec_enc_attns.svg`), /mochte[\s\S]*beer/);
    await assertRejects(() => Deno.stat(`${out}/model.safetensors`), Deno.errors.NotFound);
    tf.dispose(result!.attns);
    result!.model.dispose();
  },
  ["cpu"],
);

testOnDevices("another seed is PyTorch's, too", async () => {
  const { initial, losses } = reference.runs[1];
  torch.manualSeed(1234);
  const pairs = makePairs([["ich mochte ein bier", "i want a beer"]]);
  const model = new Transformer(pairs, defaults);
  await assertInitial(model, initial);
  const optimizer = new Adam(model.parameters(), { lr: 0.001 });
  const [enc, dec, target] = pairDataset(pairs, [0]).batch([0]);
  for (const step of [0, 1]) {
    const loss = optimizer.step(() => F.crossEntropy(model.forward(enc, dec).logits, target));
    assertClose([await item(loss)], [losses[step]], { relative: tolerances[step] });
  }
  optimizer.dispose();
  model.dispose();
}, ["cpu"]);

testOnDevices("positional encodings are PyTorch's", async () => {
  const rows = await sinusoidEncodingTable(3, 512).array();
  const first = rows.flatMap((row) => row.slice(0, 8));
  assertClose(first, reference.seed_14.pos_emb.data, { absolute: 1e-7 });
}, ["cpu"]);

testOnDevices(
  "attention hides masked keys and does not feel the keys' order",
  async () => {
    torch.manualSeed(1);
    const attention = new MultiHeadAttention(tiny);
    const x = tf.tensor(torch.randn(2 * 3 * 8), [2, 3, 8]); // (B, Tq, C)
    const keys = tf.tensor(torch.randn(2 * 5 * 8), [2, 5, 8]); // (B, Tk, C)
    const hidden = ids([[0, 0, 0, 1, 1], [0, 0, 0, 0, 0]]); // (B, Tk)
    const mask = hidden.toBool().expandDims(1); // (B, 1, Tk)
    const { output, attn } = outputs(attention.forward(x, keys, keys, mask));

    // The same with the library's attention.
    const heads = (x: Tensor) => x.reshape([2, -1, 2, 4]).transpose([0, 2, 1, 3]);
    const [q, k, v] = [
      heads(attention.W_Q.forward(x)),
      heads(attention.W_K.forward(keys)),
      heads(attention.W_V.forward(keys)),
    ];
    const seen = { mask: mask.expandDims(1).logicalNot() };
    const context = F.scaledDotProductAttention(q, k, v, seen).transpose([0, 2, 1, 3]);
    const joined = attention.linear.forward(context.reshape([2, 3, 8]));
    const expected = attention.layer_norm.forward(joined.add(x));
    assertClose(await output.data(), await expected.data(), { absolute: 1e-5 });
    const shares = await attn.array() as number[][][][]; // (B, H, Tq, Tk)
    assertClose(shares.flat(2).map((row) => row.reduce((a, b) => a + b)), Array(12).fill(1));
    assert(shares[0].flat().every((row) => row[3] === 0 && row[4] === 0));

    // Keys in another order, with their mask: the same output, and the attention's columns in that order.
    const order = tf.tensor1d([4, 2, 0, 3, 1], "int32");
    const moved = keys.gather(order, 1);
    const movedMask = hidden.gather(order, 1).toBool().expandDims(1);
    const keysMoved = outputs(attention.forward(x, moved, moved, movedMask));
    assertClose(await keysMoved.output.data(), await output.data(), { absolute: 1e-5 });
    assertClose(await keysMoved.attn.data(), await attn.gather(order, 3).data(), {
      absolute: 1e-6,
    });
    // Queries in another order: the outputs in that order.
    const turn = tf.tensor1d([2, 0, 1], "int32");
    const turned = outputs(attention.forward(x.gather(turn, 1), keys, keys, mask));
    const want = output.gather(turn, 1);
    assertClose(await turned.output.data(), await want.data(), { absolute: 1e-5 });
  },
);

function outputs([output, attn]: [Tensor, Tensor]) {
  return { output, attn };
}

const someWords = [["a b c", "u v w x"], ["c a", "w"], ["b", "x u v"]];

testOnDevices("a word does not change the logits of those before it", async () => {
  torch.manualSeed(2);
  const model = new Transformer(makePairs(someWords), tiny);
  const enc = ids([[1, 2, 3, 0]]);
  const rowsOf = async (dec: number[]) =>
    (await model.forward(enc, ids([dec])).logits.array() as number[][][])[0];
  const before = await rowsOf([5, 1, 2, 3, 4]);
  for (const t of [1, 2, 3, 4]) {
    const after = await rowsOf([5, 1, 2, 3, 4].map((id, i) => i === t ? 6 : id));
    assertEquals(after.slice(0, t).flat(), before.slice(0, t).flat());
    assertNotEquals(after[t], before[t]);
  }
});

testOnDevices("padding changes nothing: source, target and batch", async () => {
  torch.manualSeed(3);
  const pairs = makePairs(someWords);
  const model = new Transformer(pairs, tiny);
  const [enc, dec, target] = pairDataset(pairs, [0, 1, 2]).batch([0, 1, 2]);
  const V = pairs.target.length;
  const padded = await model.forward(enc, dec).logits.array() as number[][][]; // (3, 5, V)
  const losses: number[] = [];
  for (const [i, source] of pairs.sources.entries()) {
    const words = [pairs.start, ...pairs.targets[i]];
    const { logits } = model.forward(ids([source]), ids([words])); // (1, t, V)
    const alone = await logits.data();
    assertClose(padded[i].slice(0, words.length).flat(), alone, { absolute: 1e-5 });
    const truth = tf.tensor1d([...pairs.targets[i], pairs.end], "int32");
    const each = F.crossEntropy(logits.reshape([-1, V]), truth, { reduction: "none" });
    losses.push(...await each.data());
  }
  // The loss is the mean over the words that are there.
  const loss = F.crossEntropy(model.forward(enc, dec).logits, target, { ignore_index: 0 });
  const mean = losses.reduce((a, b) => a + b) / losses.length;
  assertClose([await item(loss)], [mean], { relative: 1e-5 });
});

/** The most probable of all sentences that end with E or have three words, by looking at each. */
async function bruteForce(model: Transformer, source: number[]) {
  const { start, end, target } = model.pairs;
  const all = [...target.keys()];
  const prefixes = all.flatMap((a) => all.map((b) => [start, a, b])); // (V * V, 3)
  const enc = ids(prefixes.map(() => source));
  const logp = tf.tidy(() => F.logSoftmax(model.forward(enc, ids(prefixes)).logits)); // (V * V, 3, V)
  const sentences = (await logp.array() as number[][][]).flatMap((rows, i) =>
    all.map((c) => {
      const words = [...prefixes[i].slice(1), c];
      const length = words.includes(end) ? words.indexOf(end) + 1 : 3;
      const logProbability = words.slice(0, length).reduce((sum, id, t) => sum + rows[t][id], 0);
      return { words: words.slice(0, length), logProbability };
    })
  );
  return sentences.reduce((a, b) => b.logProbability > a.logProbability ? b : a).words;
}

testOnDevices(
  "beamSearch is greedy with one beam and finds the best with all",
  async () => {
    const pairs = makePairs([["a b", "u v"], ["b", "v"]]);
    let found = 0;
    for (let seed = 1; seed <= 4; seed++) {
      torch.manualSeed(seed);
      const model = new Transformer(pairs, { ...tiny, n_layers: 1 });
      const enc = ids([[1, 2, 0]]);
      const before = tf.memory().numTensors;
      const greedy = await greedyDecoder(model, enc);
      assertEquals(await beamSearch(model, enc, 1), greedy);
      const best = await beamSearch(model, enc, 5 ** 3);
      assertEquals(tf.memory().numTensors, before);
      assertEquals(best, await bruteForce(model, [1, 2, 0]));
      found += Number(`${best}` !== `${greedy}`);
      model.dispose();
    }
    assert(found > 0, "greedy was best each time: the test shows nothing");
  },
);

testOnDevices("decoding stops at E, or goes on to tgt_len words", async () => {
  torch.manualSeed(4);
  const pairs = makePairs(someWords);
  const model = new Transformer(pairs, tiny);
  const enc = ids([[1, 2, 3, 0]]);
  const all = await greedyDecoder(model, enc, false);
  assertEquals(all.length, pairs.tgt_len);
  // Make the second word E: what is projected to it gets the weights of E.
  const weights = await model.projection.weight.array() as number[][];
  [weights[all[1]], weights[pairs.end]] = [weights[pairs.end], weights[all[1]]];
  if (all[0] === all[1]) weights[all[0]] = weights[pairs.end];
  model.projection.weight.assign(tf.tensor2d(weights));
  const words = await greedyDecoder(model, enc);
  assertEquals(words.indexOf(pairs.end), words.length - 1);
  assertEquals(await beamSearch(model, enc, 1), words);
  assertEquals((await greedyDecoder(model, enc, false)).slice(0, words.length), words);
});

testOnDevices("words that are written like P, S and E are words", () => {
  const { source, target, sources, targets, start, end } = makePairs([["P E", "S E P"]]);
  assertEquals(source, ["P", "P", "E"]);
  assertEquals(target, ["P", "S", "E", "P", "S", "E"]);
  assertEquals([sources, targets], [[[1, 2]], [[1, 2, 3]]]);
  assertEquals([start, end], [4, 5]);
}, ["reference"]);

const small = ["--d_model=32", "--d_ff=64", "--d_k=8", "--n_heads=4", "--n_layers=1"];

testOnDevices("--pairs learns to translate, and says how well", async (device) => {
  const words = { one: "uno", two: "dos", three: "tres", four: "cuatro" };
  const list = Object.entries(words);
  const rows = list.flatMap(([a, x]) => [
    [a, x],
    ...list.flatMap(([b, y]) => [[`${a} ${b}`, `${x} ${y}`], [`${b} ${a} ${b}`, `${y} ${x} ${y}`]]),
  ]); // 36, of 1 to 3 words
  const file = `${await temporaryFolder()}/numbers.tsv`;
  await Deno.writeTextFile(file, rows.map((row) => `${row.join("\t")}\n`).join(""));
  const [epochs, batch_size] = device === "cpu" ? [60, 8] : [1, 33];
  const { result, printed, metrics, out } = await run(
    main,
    ...small,
    ...[`--device=${device}`, `--pairs=${file}`, `--epochs=${epochs}`, "--learning_rate=0.003"],
    ...[`--batch_size=${batch_size}`, "--beam_size=2", "--seed=1"],
  );
  assertEquals(printed[1], "33 pairs to train on, 3 held out");
  const { model, costs, decoded, exactMatch, tokenAccuracy } = result!;
  const steps = Math.ceil(33 / batch_size); // of an epoch; the last one of each is logged
  assertEquals(metrics.map(({ step }) => step / steps), costs.map((_, i) => i + 1));
  assertEquals([costs.length, decoded.length], [epochs, 3]);
  assertEquals(printed.indexOf("Beam search of 2 up to E:"), printed.length - 5);
  assertMatch(printed.at(-1)!, /^Sentences held out: exact match [01]\.\d{4}, token accuracy /);
  const [source, target] = rows[9];
  const translation = decoded[0].map((id) => `'${model.pairs.target[id]}'`).join(", ");
  assertEquals(printed.at(-4), `${source} -> [${translation}] (right: ${target})`);
  const right = decoded.filter((ids, i) => {
    const words = ids.map((id) => model.pairs.target[id]).join(" ");
    return words === `${rows[10 * i + 9][1]} E`;
  });
  assertEquals(exactMatch, right.length / 3);
  if (device === "cpu") assert(costs.at(-1)! < 0.1 && tokenAccuracy > 0.75);
  const saved = await loadCheckpoint(`${out}/model.safetensors`);
  const copy = new Transformer(model.pairs, {
    d_model: 32,
    d_ff: 64,
    d_k: 8,
    n_heads: 4,
    n_layers: 1,
  });
  copy.loadStateDict(saved);
  const [enc, dec] = pairDataset(model.pairs, [9]).batch([0]);
  const logits = await model.forward(enc, dec).logits.data();
  assertEquals(await copy.forward(enc, dec).logits.data(), logits);
  await Deno.stat(`${out}/loss.svg`);
}, ["cpu", "webgpu"]);

testOnDevices("--all_heads draws each head; --trace names the modules", async () => {
  const flags = [...small, "--device=reference", "--epochs=1"];
  const { out } = await run(main, ...flags, "--all_heads");
  assertStringIncludes(await Deno.readTextFile(`${out}/enc_self_attns.svg`), "Head 4");
  const { printed, metrics } = await run(main, ...flags, "--trace");
  assertEquals(metrics, []);
  const table = printed.join("\n");
  assertMatch(table, /encoder\.layers\.0\.enc_self_attn\.W_Q +linear +\(1, 5, 32\)/);
  assertMatch(table, /decoder\.layers\.0\.dec_enc_attn +softmax +\(1, 4, 5, 5\)/);
}, ["reference"]);

testOnDevices("a word that no picture can show costs neither weights nor picture", async () => {
  const folder = await temporaryFolder();
  await Deno.writeTextFile(`${folder}/pairs.tsv`, "a\bb \0\tx\n");
  await Deno.mkdir(`${folder}/out/loss.svg`, { recursive: true }); // in the way of a picture
  const { error } = console;
  const warned: string[] = [];
  console.error = (line: string) => warned.push(line);
  try {
    const flags = [...small, "--device=reference", "--epochs=1", `--out=${folder}/out`];
    await run(main, `--pairs=${folder}/pairs.tsv`, ...flags);
  } finally {
    console.error = error;
  }
  assertEquals(warned.length, 1);
  assertMatch(warned[0], /^warning: Cannot write '.*loss\.svg'/);
  await loadCheckpoint(`${folder}/out/model.safetensors`);
  const svg = await Deno.readTextFile(`${folder}/out/enc_self_attns.svg`);
  assertStringIncludes(svg, ">aU+0008b<");
  assertStringIncludes(svg, ">U+0000<");
}, ["reference"]);

Deno.test("bad pairs and flags are said in one line", async () => {
  const folder = await temporaryFolder();
  const flags = [`--out=${folder}/out`, "--device=reference"];
  const fails = async (content: string, message: string, name = "pairs.csv") => {
    await Deno.writeTextFile(`${folder}/${name}`, content);
    const error = await assertRejects(
      () => main([...flags, `--pairs=${folder}/${name}`]),
      InputError,
    );
    assertStringIncludes(error.message, message);
  };
  await fails("", "it is empty");
  await fails("hello\nworld\n", "line 1: want 2 cells, got 1");
  await fails("hello,hallo\nworld\n", "line 2: want 2 cells, got 1");
  await fails("hello, you,hallo\n", "line 1: want 2 cells, got 3");
  await fails("hello\thallo\tCC-BY\nworld\tWelt\n", "line 2: want 3 cells, got 2", "pairs.txt");
  await fails("hello,\n", "want a text, got an empty cell");
  await assertRejects(() => main([...flags, `--pairs=${folder}/none.csv`]), InputError, "none.csv");
  await assertRejects(() => main([...flags, "--beam_size=0"]), UsageError, "--beam_size");
  await assertRejects(() => main([...flags, "--n_layer=1"]), UsageError, "--n_layers");
});
