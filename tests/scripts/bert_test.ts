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
import { indexSentences } from "lib/data/mod.ts";
import { InputError, UsageError } from "lib/io/errors.ts";
import * as F from "lib/functional.ts";
import { Adam } from "lib/optim.ts";
import { python, seedAll, torch } from "lib/random.ts";
import { item, type Tensor } from "lib/tensor.ts";
import {
  attnPadMask,
  BERT,
  defaults as ownDefaults,
  losses,
  main,
  makeBatch,
  MultiHeadAttention,
  restore,
  type Row,
  SPECIAL,
  text,
  toTensors,
} from "scripts/bert.ts";
import { assertClose, readReference } from "../helpers/compare.ts";
import { testOnDevices } from "../helpers/devices.ts";
import { run, temporaryFolder } from "../helpers/scripts.ts";

const reference = await readReference("bert.json");
const defaults = { ...ownDefaults, ffn_residual: false }; // the course's model
const tiny = { ...defaults, d_model: 8, d_ff: 16, d_k: 4, n_layers: 2, n_heads: 2 };
const tinyFlags = ["--d_model=8", "--d_ff=16", "--d_k=4", "--n_layers=2", "--n_heads=2"];
const { words, sentences } = indexSentences(text, SPECIAL);

const columns = ({ input_ids, segment_ids, masked_tokens, masked_pos, isNext }: Row) => [
  input_ids,
  segment_ids,
  masked_tokens,
  masked_pos,
  isNext,
];

Deno.test("indexSentences() and makeBatch() give the course's batches", () => {
  assertEquals(words, reference.seed_42.vocabulary);
  for (const { seed, batch } of reference.runs) {
    python.seed(seed);
    assertEquals(makeBatch(sentences, words.length, defaults).map(columns), batch);
  }
  // Other sizes; rows of 30 tokens, of which 15% are 4.5.
  for (const { seed, batch, text: own = text, ...sizes } of reference.batches) {
    python.seed(seed);
    const { words, sentences } = indexSentences(own, SPECIAL);
    const rows = makeBatch(sentences, words.length, { ...defaults, ...sizes });
    assertEquals(rows.map(columns), batch);
  }
});

interface Checksum {
  shape: number[];
  first: number[];
  sum: number;
}

testOnDevices("bert is PyTorch's: weights, logits, losses", async () => {
  for (const { seed, initial, losses: expected } of reference.runs) {
    seedAll(seed);
    const model = new BERT(words.length, defaults);
    const state = model.stateDict();
    for (const [name, { shape, first, sum }] of Object.entries<Checksum>(initial)) {
      assertEquals(state[name].shape, shape, name);
      const weights = await state[name].data() as Float32Array;
      assertEquals([...weights.subarray(0, 2)], first.map(Math.fround), name);
      assertClose([weights.reduce((a, b) => a + b, 0)], [sum], { absolute: 1e-3, what: name });
    }
    const batch = toTensors(makeBatch(sentences, words.length, defaults));
    if (seed === 42) {
      const { n_parameters, first_logits_clsf, first_logits_lm_row_0 } = reference.seed_42;
      assertEquals(Object.keys(state).sort(), Object.keys({ ...initial, ...tied }).sort());
      assertEquals(model.countParameters(), n_parameters);
      const { logits_lm, logits_clsf } = tf.tidy(() => model.forward(batch[0], batch[1], batch[3]));
      assertClose(await logits_clsf.data(), first_logits_clsf.data, { absolute: 1e-5 });
      const row = await logits_lm.slice([0, 0], [1, 2]).data();
      assertClose(row, first_logits_lm_row_0.data, { absolute: 1e-4, relative: 1e-5 });
      const lm = F.crossEntropy(logits_lm, batch[2]), clsf = F.crossEntropy(logits_clsf, batch[4]);
      assertClose([await item(lm)], [reference.seed_42.loss_lm[0]], { relative: 2e-6 });
      assertClose([await item(clsf)], [reference.seed_42.loss_clsf[0]], { relative: 1e-5 });
    }
    const loss = await item(() => tf.addN(losses(model, batch)));
    assertClose([loss], [expected[0]], { relative: 2e-6, what: "first loss" });
    if (seed !== 42) {
      model.dispose();
      continue;
    }
    const optimizer = new Adam(model.parameters(), { lr: 0.001 });
    optimizer.step(() => tf.addN(losses(model, batch)));
    const second = await item(() => tf.addN(losses(model, batch)));
    // Ten times what PyTorch's own losses differ by, by then (drift.json of the reference).
    assertClose([second], [expected[1]], { relative: 1e-4, what: "second loss" });
    optimizer.dispose();
    model.dispose();
  }
}, ["cpu"]);

/** The projection to the vocabulary is the embedding's matrix under a second name. */
const tied = { "decoder.weight": true };

testOnDevices("bert prints what the course's program prints", async (device) => {
  const flags = [...tinyFlags, `--device=${device}`, "--epochs=10", "--seed=1234", "--all_heads"];
  const { result, printed, metrics, out } = await run(main, ...flags);
  const lines: string[] = reference.runs[1].printed; // the batch is the same for any size of the model
  assertEquals(metrics.map(({ step }) => step), [10]);
  assertEquals(printed[1], `Epoch: 0010 cost = ${metrics[0].loss.toFixed(6)}`);
  const start = lines.indexOf("Hello, how are you? I am Romeo.");
  assertEquals(printed.slice(2, 10), lines.slice(start, start + 8));
  assertMatch(printed[10], /^predict masked tokens list : {2}\[[\d, ]*\]$/);
  assertEquals(printed[11], lines.at(-2)); // "isNext :  False"
  assertMatch(printed[12], /^predict isNext : {2}(True|False)$/);
  assertEquals(result!.predicted.length, 5);
  assertEquals(result!.attn.shape, [1, 2, 30, 30]);
  const svg = await Deno.readTextFile(`${out}/attention.svg`);
  assertStringIncludes(svg, "Head 2");
  assertStringIncludes(svg, "[MASK]");
  assert(!svg.includes("[PAD]"));
});

testOnDevices(
  "the tied matrix learns from both its uses and is saved under both names",
  async () => {
    seedAll(1);
    const model = new BERT(words.length, tiny);
    const state = model.stateDict();
    assert(state["decoder.weight"] === state["embedding.tok_embed.weight"]);
    assertEquals(model.parameters().length, Object.keys(state).length - 1);
    const batch = toTensors(makeBatch(sentences, words.length, tiny));
    // Through the decoder each word has a gradient, also one that is in no input.
    const optimizer = new Adam(model.parameters());
    optimizer.backward(() => tf.addN(losses(model, batch)));
    const gradient = await optimizer.gradients.get(model.decoder.weight)!.array() as number[][];
    assert(gradient.every((row) => row.some((x) => x !== 0)));
    const { out } = await run(
      main,
      ...tinyFlags,
      "--device=cpu",
      "--course",
      "--epochs=1",
      "--save",
    );
    const saved = await loadCheckpoint(`${out}/model.safetensors`);
    model.loadStateDict(saved);
    assertEquals(Object.keys(saved).sort(), Object.keys(state).sort());
    const { options } = JSON.parse(await Deno.readTextFile(`${out}/config.json`));
    const { epochs, learning_rate, ffn_residual, ignore_pad } = options;
    assertEquals([epochs, learning_rate, ffn_residual, ignore_pad], [1, 0.001, false, false]);
    optimizer.dispose();
  },
  ["cpu"],
);

testOnDevices("--ignore_pad leaves the unused places out of the loss", async () => {
  seedAll(2);
  const model = new BERT(words.length, tiny);
  const rows = makeBatch(sentences, words.length, tiny);
  const batch = toTensors(rows);
  const { logits_lm } = model.forward(batch[0], batch[1], batch[3]);
  const each = await F.crossEntropy(logits_lm, batch[2], { reduction: "none" }).data();
  const targets = rows.flatMap((row) => row.masked_tokens);
  const mean = (xs: number[]) => xs.reduce((a, b) => a + b) / xs.length;
  const [all] = losses(model, batch), [used] = losses(model, batch, 0);
  assertClose([await item(all)], [mean([...each])], { relative: 1e-5 });
  const kept = [...each].filter((_, i) => targets[i] !== 0);
  assert(kept.length < each.length);
  assertClose([await item(used)], [mean(kept)], { relative: 1e-5 });
});

testOnDevices("--ffn_residual adds a residual and a norm", async () => {
  seedAll(3);
  const model = new BERT(words.length, { ...tiny, n_layers: 1, ffn_residual: true });
  const { pos_ffn } = model.layers[0];
  assert("layers.0.pos_ffn.layer_norm.weight" in model.stateDict());
  const x = tf.tensor(torch.randn(2 * 3 * 8), [2, 3, 8]);
  const norm = pos_ffn.layer_norm!;
  pos_ffn.layer_norm = undefined;
  const plain = pos_ffn.forward(x); // as the course has it
  pos_ffn.layer_norm = norm;
  const expected = F.layerNorm(plain.add(x));
  assertClose(await pos_ffn.forward(x).data(), await expected.data(), { absolute: 1e-5 });
});

testOnDevices("padding changes nothing: rows of another length, other rows", async () => {
  seedAll(4);
  const model = new BERT(words.length, tiny);
  const rows = makeBatch(sentences, words.length, tiny);
  const [ids, segments, , places] = toTensors(rows);
  const all = model.forward(ids, segments, places);
  const [lm, clsf] = [await all.logits_lm.array(), await all.logits_clsf.array()] as number[][][];
  for (const [i, row] of rows.entries()) {
    const length = row.input_ids.findLastIndex((id) => id !== 0) + 1;
    const short = (ids: number[]) => tf.tensor2d([ids.slice(0, length)], undefined, "int32");
    const positions = tf.tensor2d([row.masked_pos], undefined, "int32");
    const alone = model.forward(short(row.input_ids), short(row.segment_ids), positions);
    assertClose(await alone.logits_clsf.data(), clsf[i], { absolute: 2e-5 });
    assertClose(await alone.logits_lm.data(), lm[i].flat(), { absolute: 2e-5 });
  }
});

testOnDevices("attention permutes with its tokens, and hides [PAD]", async () => {
  torch.manualSeed(5);
  const attention = new MultiHeadAttention(tiny);
  const x = tf.tensor(torch.randn(2 * 5 * 8), [2, 5, 8]);
  const ids = tf.tensor2d([[7, 4, 5, 0, 0], [4, 5, 6, 7, 8]], undefined, "int32");
  const [output, attn] = attention.forward(x, attnPadMask(ids));
  const shares = await attn.array() as number[][][][]; // (B, H, T, T)
  assert(shares[0].flat().every((row) => row[3] === 0 && row[4] === 0));
  assertClose(shares.flat(2).map((row) => row.reduce((a, b) => a + b)), Array(20).fill(1));
  const order = tf.tensor1d([3, 0, 4, 2, 1], "int32");
  const [moved] = attention.forward(x.gather(order, 1), attnPadMask(ids.gather(order, 1)));
  const expected = output.gather(order, 1);
  assertClose(await moved.data(), await expected.data(), { absolute: 1e-5 });
  assertNotEquals(await moved.data(), await output.data());
  // The same with the library's attention.
  const heads = (x: Tensor) => x.reshape([2, 5, 2, 4]).transpose([0, 2, 1, 3]);
  const [q, k, v] = [attention.W_Q, attention.W_K, attention.W_V].map((W) => heads(W.forward(x)));
  const context = F.scaledDotProductAttention(q, k, v, { mask: attnPadMask(ids).logicalNot() });
  const joined = attention.linear.forward(context.transpose([0, 2, 1, 3]).reshape([2, 5, 8]));
  const same = attention.layer_norm.forward(joined.add(x));
  assertClose(await output.data(), await same.data(), { absolute: 1e-5 });
});

testOnDevices("bert learns a batch by heart where padding does not count", async () => {
  const flags = ["--d_model=32", "--d_ff=64", "--n_layers=1", "--n_heads=2", "--d_k=16"];
  const { result, metrics, printed } = await run(
    main,
    ...flags,
    ...["--device=cpu", "--epochs=60", "--ignore_pad", "--ffn_residual", "--learning_rate=0.01"],
  );
  assert(metrics.at(-1)!.loss < 0.1, `loss ${metrics.at(-1)!.loss}`);
  const { batch: [row], predicted, predictedNext } = result!;
  const used = row.masked_tokens.filter((id) => id !== 0);
  assertEquals(predicted.slice(0, used.length), used);
  assertEquals(predictedNext, row.isNext);
  assert(printed.slice(-6).every((line) => /^ {2}\[CLS\] .*\[(?!MASK)\S+\].* \[SEP\]$/.test(line)));
}, ["cpu"]);

Deno.test("restore() puts guesses in brackets, and the right word where it is another", () => {
  const row: Row = {
    input_ids: [1, 3, 5, 2, 3, 2, 0],
    segment_ids: [0, 0, 0, 0, 1, 1, 0],
    masked_tokens: [4, 5, 0],
    masked_pos: [1, 4, 0],
    isNext: true,
  };
  const vocabulary = [...SPECIAL, "a", "b"];
  assertEquals(restore(row, [4, 4, 5], vocabulary), "[CLS] [a] b [SEP] [a (right: b)] [SEP]");
});

Deno.test("bad sizes and texts are said in one line", async () => {
  const folder = await temporaryFolder();
  const flags = [`--out=${folder}/out`, "--device=reference", ...tinyFlags];
  const fails = async (kind: typeof InputError, flag: string, message: string) => {
    const error = await assertRejects(() => main([...flags, flag]), kind);
    assertStringIncludes(error.message, message);
  };
  await fails(UsageError, "--batch_size=5", "--batch_size expects an even number from 2 on");
  await fails(UsageError, "--batch_size=0", "--batch_size expects an even number from 2 on");
  const longest = "hello romeo my name is juliet nice to meet you";
  await fails(
    UsageError,
    "--maxlen=22",
    `--maxlen expects at least 23, for two times "${longest}"`,
  );
  await fails(UsageError, "--max_pred=0", "--max_pred expects a whole number from 1 on");
  for (const content of ["", "  \n\n", "one sentence\n"]) {
    await Deno.writeTextFile(`${folder}/text.txt`, content);
    await fails(InputError, `--text=${folder}/text.txt`, "two sentences at least");
  }
  await fails(InputError, `--text=${folder}/none.txt`, "none.txt");
});

testOnDevices("--text learns from sentences of one's own; --trace names the modules", async () => {
  const file = `${await temporaryFolder()}/text.txt`;
  await Deno.writeTextFile(file, "One.\r\nTwo two!\r\n\r\nThree three three?\r\n");
  const flags = [...tinyFlags, "--device=reference", "--epochs=1", "--maxlen=9"];
  const { result, printed } = await run(main, ...flags, `--text=${file}`);
  assertEquals(result!.words.slice(4), ["one", "three", "two"]);
  assertStringIncludes(printed.join("\n"), "Three three three?");
  const traced = (await run(main, ...tinyFlags, "--device=reference", "--trace")).printed.join(
    "\n",
  );
  assertMatch(traced, /layers\.1\.enc_self_attn\.W_V +linear +\(6, 30, 8\)/);
  assertMatch(traced, /decoder +linear +\(6, 5, 8\).*embedding\.tok_embed\.weight/);
}, ["reference"]);
