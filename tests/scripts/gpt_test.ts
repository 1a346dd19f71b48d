import * as tf from "@tensorflow/tfjs";
import { assertEquals, assertMatch, assertRejects, assertThrows } from "@std/assert";
import { readSafetensors, toFloat32 } from "lib/weights/checkpoint.ts";
import { InputError, UsageError } from "lib/io/errors.ts";
import { KVCache } from "lib/generation.ts";
import * as nn from "lib/nn.ts";
import { seedAll, torch } from "lib/random.ts";
import { nextToken } from "lib/sampling.ts";
import { type Tensor, values } from "lib/tensor.ts";
import { defaults, GPT, type GPTConfig, main, SortDataset } from "scripts/gpt.ts";
import { assertClose, readReference } from "../helpers/compare.ts";
import { testOnDevices } from "../helpers/devices.ts";
import { assertRefuses } from "../helpers/refuses.ts";
import { run, temporaryFolder } from "../helpers/scripts.ts";

const reference = await readReference("gpt2-tiny.json");
const int32 = (rows: number[][]) => tf.tensor2d(rows, undefined, "int32");

/** A small GPT with dropout off. */
function smallGPT(overrides: Partial<GPTConfig> = {}): GPT {
  const model = new GPT({
    n_layer: 2,
    n_head: 3,
    n_embd: 12,
    vocab_size: 17,
    block_size: 11,
    embd_pdrop: 0.1,
    resid_pdrop: 0.1,
    attn_pdrop: 0.1,
    ...overrides,
  });
  model.eval();
  return model;
}

/** The reference's small GPT-2, from its files in a folder like the hub's. */
async function tinyGPT2(): Promise<GPT> {
  const folder = await temporaryFolder();
  const { n_layer, n_head, n_embd, vocab_size, n_positions } = reference;
  const config = { n_layer, n_head, n_embd, vocab_size, n_positions };
  await Deno.writeTextFile(`${folder}/config.json`, JSON.stringify(config));
  const weights = new URL("../reference/gpt2-tiny.safetensors", import.meta.url);
  await Deno.copyFile(weights, `${folder}/model.safetensors`);
  const model = await GPT.fromPretrained(folder);
  model.eval();
  return model;
}

interface Checksum {
  name: string;
  shape: number[];
  sum: number;
  sum_sq: number;
  first: number[];
  last: number[];
}

// ---- the model

for (const type of ["gpt-nano", "gpt-micro", "gpt-mini"]) {
  testOnDevices(`${type} starts with minGPT's weights and logits`, async () => {
    const expected = await readReference(`chargpt-${type}.json`);
    seedAll(expected.seed);
    const model = new GPT(GPT.getDefaultConfig(type, expected.vocab_size, expected.block_size));
    model.eval();
    assertEquals(model.transformer.countParameters(), expected.n_parameters_without_lm_head);
    const state = model.stateDict();
    const names = expected.parameters_init.map(({ name }: Checksum) => name);
    assertEquals(Object.keys(state), names);
    for (const { name, shape, sum, sum_sq, first, last } of expected.parameters_init) {
      assertEquals(state[name].shape, shape, name);
      const weights = await values(state[name]) as Float32Array;
      assertEquals([...weights.slice(0, first.length)], first.map(Math.fround), name);
      assertEquals([...weights.slice(-last.length)], last.map(Math.fround), name);
      const total = weights.reduce((a, x) => a + x, 0);
      const squares = weights.reduce((a, x) => a + x * x, 0);
      assertClose([total, squares], [sum, sum_sq], { what: name, absolute: 1e-9, relative: 1e-9 });
    }
    const { input, targets, logits, loss } = expected.forward;
    const [x, y] = [int32([input]), int32([targets])];
    const close = { absolute: 1e-5, relative: 0 };
    assertClose(await values(() => model.forward(x)), logits.data, close);
    assertClose(await values(() => model.loss(x, y)), [loss], close);
    const full = int32([
      Array.from({ length: expected.block_size }, (_, i) => 11 * i % expected.vocab_size),
    ]);
    const last = await values(() => model.forward(full).slice([0, expected.block_size - 1]));
    assertClose(last, expected.forward_full_block.logits_last_position.data, close);
    model.dispose();
  }, type === "gpt-nano" ? undefined : ["cpu"]);
}

testOnDevices("GPT has the small GPT-2's logits, loss and gradients", async () => {
  const model = await tinyGPT2();
  const [x, y] = [int32(reference.input), int32(reference.targets)];
  const close = { absolute: 1e-5, relative: 0 };
  assertClose(await values(() => model.forward(x)), reference.logits.data, close);
  const { value, grads } = tf.variableGrads(
    () => model.loss(x, y) as tf.Scalar,
    model.parameters(),
  );
  assertClose(await values(value), [reference.loss], close);

  const path = new URL("../reference/gpt2-tiny.grads.safetensors", import.meta.url).pathname;
  const { tensors } = await readSafetensors(path);
  for (const [name, p] of model.namedParameters()) {
    if (name === "lm_head.weight") continue;
    let gradient = grads[p.name];
    // The reference's output matrix is tied to the embedding; its layers store (in, out).
    if (name === "transformer.wte.weight") {
      gradient = gradient.add(grads[model.lm_head.weight.name]);
    }
    if (/c_(attn|proj|fc)\.weight$/.test(name)) gradient = gradient.transpose();
    const expected = toFloat32(tensors.get(name)!);
    assertClose(await values(gradient), expected, { absolute: 1e-6, relative: 1e-4, what: name });
  }
});

testOnDevices(
  "GPT.generate() continues as PyTorch's does, with the cache and without",
  async () => {
    const model = await tinyGPT2();
    const ids = int32([reference.input[0]]);
    for (const use_cache of [true, false]) {
      const before = tf.memory().numTensors;
      // The 31 tokens outgrow the block of 24.
      assertEquals(await model.generate(ids, 20, { use_cache }), [reference.greedy_of_row_0]);
      torch.manualSeed(reference.seed);
      const sampling = { do_sample: true, top_k: 5, temperature: 0.7 };
      const [sampled] = await model.generate(ids, 16, { use_cache, ...sampling });
      assertEquals(sampled, reference["top_k_5_temperature_0.7_seeded"]);
      assertEquals(tf.memory().numTensors, before);
    }
  },
);

testOnDevices("a cache gives the logits that there are without one", async () => {
  seedAll(5);
  const model = smallGPT();
  const ids = int32(
    [0, 1, 2].map((b) => Array.from({ length: 11 }, (_, t) => (7 * t + 5 * b) % 17)),
  );
  const whole = await values(() => model.forward(ids)); // (3, 11, 17)
  for (const parts of [[5, 4, 2], [1, 1, 9], Array(11).fill(1), [11]]) {
    const cache = new KVCache();
    const pieces: Tensor[] = [];
    let start = 0;
    for (const length of parts) {
      pieces.push(model.forward(ids.slice([0, start], [-1, length]), cache));
      start += length;
    }
    assertEquals(cache.layer(1).k!.shape, [3, 3, 11, 4]); // (B, H, T, D)
    const close = { absolute: 1e-6, relative: 1e-5, what: `${parts}` };
    assertClose(await values(() => tf.concat(pieces, 1)), whole, close);
  }
});

testOnDevices("a token changes no logits before it", async () => {
  seedAll(6);
  const model = smallGPT();
  const ids = Array.from({ length: 11 }, (_, t) => 3 * t % 17);
  const before = await values(() => model.forward(int32([ids])));
  for (const t of [0, 4, 10]) {
    const changed = await values(() => model.forward(int32([ids.with(t, 16)])));
    assertClose(changed.slice(0, t * 17), before.slice(0, t * 17), { absolute: 1e-7 });
    const same = changed.slice(t * 17, t * 17 + 17).every((x, i) => x === before[t * 17 + i]);
    assertEquals(same, false);
  }
});

testOnDevices("a block that is full, or a size that does not fit, is refused", async () => {
  const model = smallGPT();
  assertThrows(() => model.forward(int32([Array(12).fill(0)])), RangeError, "12 tokens");
  const cache = new KVCache();
  model.forward(int32([Array(8).fill(0)]), cache);
  assertThrows(() => model.forward(int32([Array(4).fill(0)]), cache), RangeError, "12 tokens");
  await assertRejects(() => model.generate(tf.zeros([2, 0], "int32"), 1), RangeError, "nothing");
  for (const options of [{ temperature: 0 }, { top_k: 0 }, { top_p: 0 }, { top_p: 1.5 }]) {
    await assertRejects(() => model.generate(int32([[1]]), 1, options), RangeError, "top_p");
  }
  assertThrows(() => smallGPT({ n_embd: 13 }), UsageError, "n_embd=13, n_head=3");
  assertThrows(
    () => GPT.getDefaultConfig("gpt", 3, 3),
    UsageError,
    "gpt-mini, gpt-micro, gpt-nano",
  );
}, ["reference"]);

testOnDevices("only the weights of linear layers decay, each group in minGPT's order", () => {
  const model = smallGPT({ n_layer: 1 });
  const settings = {
    learning_rate: 0.5,
    betas: [0.8, 0.9] as [number, number],
    weight_decay: 0.25,
  };
  const optimizer = model.configureOptimizers(settings);
  const nameOf = new Map(model.namedParameters().map(([name, p]) => [p, name]));
  const [decaying, others] = optimizer.groups;
  assertEquals(decaying.params.map((p) => nameOf.get(p)), [
    "lm_head.weight",
    "transformer.h.0.attn.c_attn.weight",
    "transformer.h.0.attn.c_proj.weight",
    "transformer.h.0.mlp.c_fc.weight",
    "transformer.h.0.mlp.c_proj.weight",
  ]);
  assertEquals(others.params.map((p) => nameOf.get(p)), [
    "transformer.h.0.attn.c_attn.bias",
    "transformer.h.0.attn.c_proj.bias",
    "transformer.h.0.ln_1.bias",
    "transformer.h.0.ln_1.weight",
    "transformer.h.0.ln_2.bias",
    "transformer.h.0.ln_2.weight",
    "transformer.h.0.mlp.c_fc.bias",
    "transformer.h.0.mlp.c_proj.bias",
    "transformer.ln_f.bias",
    "transformer.ln_f.weight",
    "transformer.wpe.weight",
    "transformer.wte.weight",
  ]);
  assertEquals([decaying.weight_decay, others.weight_decay], [0.25, 0]);
  assertEquals([decaying.lr, others.lr, decaying.betas], [0.5, 0.5, [0.8, 0.9]]);
}, ["reference"]);

// ---- sampling

testOnDevices(
  "GPT.generate() continues each row as if it were alone, and tells each token",
  async () => {
    seedAll(7);
    const model = smallGPT();
    const rows = [[1, 2, 3], [16, 0, 16], [5, 5, 5]];
    const told: number[][] = [];
    const together = await model.generate(int32(rows), 20, {
      onToken: (ids) => void told.push(ids),
    });
    assertEquals(together.map((row) => row.length), [23, 23, 23]);
    assertEquals(together.map((row) => row.slice(0, 3)), rows);
    for (const b of rows.keys()) {
      assertEquals(told.map((ids) => ids[b]), together[b].slice(3));
    }
    for (const [b, row] of rows.entries()) {
      assertEquals(await model.generate(int32([row]), 20), [together[b]]);
    }
    // The one most probable token is what greedy decoding takes.
    assertEquals(await model.generate(int32(rows), 20, { do_sample: true, top_k: 1 }), together);
    assertEquals(await model.generate(int32(rows), 0), rows);
    nn.init.constant(model.lm_head.weight, NaN);
    const wrong = () => model.generate(int32(rows), 20, { do_sample: true });
    const line = "scores are not numbers; not finite is first the parameter lm_head.weight";
    await assertRejects(wrong, InputError, line);
    await assertRejects(() => model.generate(int32(rows), 20), InputError, line);
  },
  ["cpu", "webgpu"],
);

/** What nextToken() chooses. */
async function chosen(...[logits, options]: Parameters<typeof nextToken>): Promise<number[]> {
  return [...await values(() => nextToken(logits, options))];
}

testOnDevices("nextToken() draws from the k best, or the fewest with probability p", async () => {
  const p = [0.05, 0.5, 0.15, 0.3];
  const many = (n: number) => tf.tensor2d(Array(n).fill(p.map(Math.log)));
  const drawn = async (options: Parameters<typeof nextToken>[1]) => {
    const ids = await chosen(many(400), { do_sample: true, ...options });
    return [...new Set(ids)].sort();
  };
  torch.manualSeed(0);
  assertEquals(await drawn({}), [0, 1, 2, 3]);
  assertEquals(await drawn({ top_k: 2 }), [1, 3]);
  assertEquals(await drawn({ top_k: 9 }), [0, 1, 2, 3]);
  assertEquals(await drawn({ top_p: 0.4 }), [1]);
  assertEquals(await drawn({ top_p: 0.7 }), [1, 3]);
  assertEquals(await drawn({ top_p: 0.81 }), [1, 2, 3]);
  // Of the two best, the first has 0.5 / 0.8 = 0.625.
  assertEquals(await drawn({ top_k: 2, top_p: 0.6 }), [1]);
  assertEquals(await drawn({ temperature: 0.01 }), [1]);
  assertEquals(await chosen(many(2)), [1, 1]);
  const n = 4000;
  const ids = await chosen(many(n), { do_sample: true, temperature: 2 });
  const roots = p.map(Math.sqrt);
  const sum = roots.reduce((a, b) => a + b);
  const shares = p.map((_, i) => ids.filter((id) => id === i).length / n);
  assertClose(shares, roots.map((root) => root / sum), { absolute: 0.03 });
});

// ---- sorting

Deno.test("SortDataset splits sequences by their digits alone and asks for the sorted half", () => {
  const all = Array.from(
    { length: 729 },
    (_, i) => [...i.toString(3).padStart(6, "0")].map(Number),
  );
  const tests = all.filter((digits) => SortDataset.isTest(digits)).length;
  assertClose([tests / 729], [0.25], { absolute: 0.05 });
  torch.manualSeed(1);
  for (const split of ["train", "test"] as const) {
    const [x, y] = new SortDataset(split, 5, 4).batch(new Int32Array(50));
    assertEquals([x.shape, y.shape], [[50, 9], [50, 9]]);
    const [xs, ys] = [x.arraySync() as number[][], y.arraySync() as number[][]];
    for (const [b, row] of xs.entries()) {
      const question = row.slice(0, 5);
      assertEquals(SortDataset.isTest(question), split === "test");
      assertEquals(ys[b], [-1, -1, -1, -1, ...question.toSorted()]);
      assertEquals(row.slice(5), question.toSorted().slice(0, -1));
    }
  }
  // Above 10 as well it is numbers that are sorted.
  const [x] = new SortDataset("train", 6, 100).batch(new Int32Array(5));
  for (const row of x.arraySync() as number[][]) {
    assertEquals(row.slice(6), [...Int32Array.from(row.slice(0, 6)).sort()].slice(0, -1));
  }
  assertThrows(() => new SortDataset("train", 1, 1).draw(), UsageError, "num_digits=1");
});

testOnDevices("gpt.ts prints and learns what minGPT's demo does", async () => {
  const { example, losses, seed } = await readReference("sort.json");
  const flags = ["--device=cpu", "--max_iters=21", "--log_every=1", `--seed=${seed}`];
  const { result, printed, metrics, out } = await run(main, ...flags, "--sort=2,1,0,2,1,0");
  const pairs = example.x.map((digit: number, i: number) => `${digit} ${example.y[i]}`);
  assertEquals(printed.slice(1, 12), pairs);
  assertEquals(printed[12], "number of parameters: 0.09M");
  assertClose(metrics.map(({ loss }) => loss), losses, { relative: 2e-6, absolute: 0 });
  assertEquals(printed.filter((line) => line.startsWith("GPT claims that [")).length, 6);
  const last = printed.slice(-5);
  assertMatch(last[0], /^test final score: \d+\/5000 = \d+\.\d\d% correct$/);
  assertEquals(last[1], "input sequence  : [2,1,0,2,1,0]");
  assertEquals(last[2], `predicted sorted: [${result!.sorted}]`);
  assertEquals(last[3], "gt sort         : [0,0,1,1,2,2]");
  // The saved model is the trained one.
  const saved = await GPT.fromPretrained(`${out}/model`);
  saved.eval();
  const [text] = await saved.generate(int32([[2, 1, 0, 2, 1, 0]]), 6);
  assertEquals(text.slice(6), result!.sorted);
}, ["cpu"]);

Deno.test("gpt.ts refuses what it cannot sort in one line", async () => {
  assertEquals(defaults.sort.length, defaults.length);
  const cases = [
    ["--sort=1,2", "6 digits from 0 to 2"],
    ["--sort=0,1,2,3,0,0", "6 digits from 0 to 2"],
    ["--model_type=gpt", "gpt-nano"],
    ["--length=1", "--num_digits=1", "too few"],
  ];
  for (const flags of cases) {
    const message = flags.pop()!;
    await assertRefuses(() => run(main, "--device=reference", ...flags), 2, message);
  }
});
