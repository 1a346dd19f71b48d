/**
 * GPT: a decoder-only transformer that predicts the next token. Run by itself, it learns to sort digits.
 * Papers: Radford et al. 2018 and 2019 (GPT-1, GPT-2). Program followed: minGPT's model.py and its sorting demo.
 * Shapes: B batch, T time, C = n_embd channels, H heads, D = C / H, V vocabulary.
 *   ids (B, T) -> embeddings (B, T, C) -> n_layer blocks (B, T, C) -> logits (B, T, V)
 * Run: deno run -A scripts/gpt.ts   (a minute on two cores)
 * Try: 1. --max_iters=200: which sequences are still wrong?  2. delete the positions wpe: can it sort without them?
 *      3. --length=10 --num_digits=10.  4. sort backwards: what has to change?  5. --trace: the shapes of one forward pass.
 */
import * as tf from "@tensorflow/tfjs";
import { DataLoader } from "lib/data/mod.ts";
import { UsageError } from "lib/io/errors.ts";
import * as F from "lib/functional.ts";
import {
  type AttentionCache,
  generate,
  type GenerateOptions,
  KVCache,
  type Prompts,
} from "lib/generation.ts";
import { saveGPT2 } from "lib/weights/gpt2.ts";
import { openModel } from "lib/weights/open_model.ts";
import type { Tokenizer } from "lib/tokenizers/mod.ts";
import * as nn from "lib/nn.ts";
import { AdamW } from "lib/optim.ts";
import { torch, TorchGenerator } from "lib/random.ts";
import { program } from "lib/program/run.ts";
import { causalMask, type Tensor } from "lib/tensor.ts";
import { trace } from "lib/trace.ts";
import { Trainer } from "lib/training/trainer.ts";

export const defaults = {
  length: 6, // digits of a sequence
  num_digits: 3, // how many different ones there are
  model_type: "gpt-nano", // size of the GPT
  max_iters: 2000, // updates; fewer if before that it sorts all that it is asked
  batch_size: 64, // sequences an update
  learning_rate: 5e-4, // step size of AdamW; the model is so small that it can be large
  beta1: 0.9, // decay of its mean of the gradients
  beta2: 0.95, // decay of its mean of their squares
  weight_decay: 0.1, // of the weights of linear layers
  grad_norm_clip: 1, // largest norm of the gradients
  sort: [0, 0, 2, 1, 0, 1], // what the trained model sorts at the end
  resume: false, // go on from the checkpoint in the output folder
};

// ---- model

/** Sizes by name: layers, heads, channels. */
export const modelTypes: Record<string, { n_layer: number; n_head: number; n_embd: number }> = {
  "openai-gpt": { n_layer: 12, n_head: 12, n_embd: 768 }, // GPT-1, 117M parameters
  "gpt2": { n_layer: 12, n_head: 12, n_embd: 768 }, // 124M
  "gpt2-medium": { n_layer: 24, n_head: 16, n_embd: 1024 }, // 350M
  "gpt2-large": { n_layer: 36, n_head: 20, n_embd: 1280 }, // 774M
  "gpt2-xl": { n_layer: 48, n_head: 25, n_embd: 1600 }, // 1558M
  "gopher-44m": { n_layer: 8, n_head: 16, n_embd: 512 },
  "gpt-mini": { n_layer: 6, n_head: 6, n_embd: 192 },
  "gpt-micro": { n_layer: 4, n_head: 4, n_embd: 128 },
  "gpt-nano": { n_layer: 3, n_head: 3, n_embd: 48 },
};

export interface GPTConfig {
  n_layer: number;
  n_head: number;
  n_embd: number;
  vocab_size: number;
  block_size: number; // the longest sequence that the model sees
  embd_pdrop: number; // dropout of the embeddings, of the residual branches, of the attention weights
  resid_pdrop: number;
  attn_pdrop: number;
}

export class CausalSelfAttention extends nn.Module {
  c_attn; // queries, keys and values of all heads in one matrix
  c_proj;
  attn_dropout;
  resid_dropout;
  n_head: number;

  constructor({ n_embd, n_head, attn_pdrop, resid_pdrop }: GPTConfig) {
    super();
    if (n_embd % n_head !== 0) {
      throw new UsageError(
        `Cannot split the channels over the heads as n_embd must be divisible by n_head: n_embd=${n_embd}, n_head=${n_head}`,
      );
    }
    this.c_attn = new nn.Linear(n_embd, 3 * n_embd);
    this.c_proj = new nn.Linear(n_embd, n_embd);
    this.attn_dropout = new nn.Dropout(attn_pdrop);
    this.resid_dropout = new nn.Dropout(resid_pdrop);
    this.n_head = n_head;
  }

  /** x (B, T, C) -> (B, T, C); `past` is the block's cache, which grows by the T tokens of x. */
  forward(x: Tensor, past?: AttentionCache): Tensor {
    const [B, T, C] = x.shape;
    const splitHeads = (t: Tensor) =>
      t.reshape([B, T, this.n_head, C / this.n_head]).transpose([0, 2, 1, 3]);
    let [q, k, v] = tf.split(this.c_attn.forward(x), 3, 2).map(splitHeads); // (B, H, T, D)
    if (past) [k, v] = past.extend(k, v); // (B, H, seen + T, D)
    const seen = k.shape[2]! - T; // tokens before x, to which every query may attend; and one query to all
    const mask = seen > 0 && T > 1 ? causalMask(seen + T).slice([seen, 0]) : undefined; // (T, seen + T)
    const y = F.scaledDotProductAttention(q, k, v, {
      mask,
      causal: seen === 0,
      dropout_p: this.attn_dropout.p,
      training: this.training,
    }); // (B, H, T, D)
    const joined = y.transpose([0, 2, 1, 3]).reshape([B, T, C]);
    return this.resid_dropout.forward(this.c_proj.forward(joined));
  }
}

/** x + attention(norm(x)), then x + MLP(norm(x)). */
export class Block extends nn.Module {
  ln_1;
  attn;
  ln_2;
  mlp;

  constructor(config: GPTConfig) {
    super();
    const { n_embd, resid_pdrop } = config;
    this.ln_1 = new nn.LayerNorm(n_embd);
    this.attn = new CausalSelfAttention(config);
    this.ln_2 = new nn.LayerNorm(n_embd);
    this.mlp = new nn.ModuleDict({
      c_fc: new nn.Linear(n_embd, 4 * n_embd),
      c_proj: new nn.Linear(4 * n_embd, n_embd),
      act: new nn.GELU("tanh"),
      dropout: new nn.Dropout(resid_pdrop),
    });
  }

  forward(x: Tensor, past?: AttentionCache): Tensor {
    const { c_fc, c_proj, act, dropout } = this.mlp;
    x = x.add(this.attn.forward(this.ln_1.forward(x), past));
    const hidden = act.forward(c_fc.forward(this.ln_2.forward(x))); // (B, T, 4C)
    return x.add(dropout.forward(c_proj.forward(hidden))); // (B, T, C)
  }
}

export class GPT extends nn.Module {
  transformer;
  lm_head;

  constructor(public config: GPTConfig) {
    super();
    const { vocab_size, block_size, n_embd, n_layer, embd_pdrop } = config;
    this.transformer = new nn.ModuleDict({
      wte: new nn.Embedding(vocab_size, n_embd),
      wpe: new nn.Embedding(block_size, n_embd),
      drop: new nn.Dropout(embd_pdrop),
      h: new nn.ModuleList(Array.from({ length: n_layer }, () => new Block(config))),
      ln_f: new nn.LayerNorm(n_embd),
    });
    this.lm_head = new nn.Linear(n_embd, vocab_size, { bias: false });
    this._init_weights();
  }

  /** The configuration of a model type; the vocabulary and the block are the data's. */
  static getDefaultConfig(model_type: string, vocab_size: number, block_size: number): GPTConfig {
    if (!Object.hasOwn(modelTypes, model_type)) {
      const known = Object.keys(modelTypes).join(", ");
      throw new UsageError(`Unknown model type "${model_type}": it must be one of ${known}`);
    }
    const dropout = { embd_pdrop: 0.1, resid_pdrop: 0.1, attn_pdrop: 0.1 };
    return { ...modelTypes[model_type], vocab_size, block_size, ...dropout };
  }

  /** N(0, 0.02) for all weights, then less for those that end a residual branch (Radford et al. 2019, section 2.3). */
  _init_weights() {
    this.apply((module) => {
      if (module instanceof nn.Linear || module instanceof nn.Embedding) {
        nn.init.normal(module.weight, 0, 0.02);
      }
      if (module instanceof nn.Linear && module.bias) nn.init.zeros(module.bias);
    });
    for (const [name, p] of this.namedParameters()) {
      if (name.endsWith("c_proj.weight")) {
        nn.init.normal(p, 0, 0.02 / Math.sqrt(2 * this.config.n_layer));
      }
    }
  }

  /** What the blocks make of the tokens: ids (B, T) -> (B, T, C). With a cache, ids are the tokens after those in it. */
  hidden(ids: Tensor, cache?: KVCache): Tensor {
    const { block_size } = this.config;
    const T = ids.shape[1]!;
    const seen = cache?.length ?? 0;
    if (seen + T > block_size) {
      throw new RangeError(`Cannot process ${seen + T} tokens: the block has ${block_size}`);
    }
    const { wte, wpe, drop, h, ln_f } = this.transformer;
    const positions = tf.range(seen, seen + T, 1, "int32"); // (T)
    const x = drop.forward(wte.forward(ids).add(wpe.forward(positions))); // (B, T, C)
    return ln_f.forward(h.chain(x, (block, x, i) => block.forward(x, cache?.layer(i))));
  }

  /** Next-token scores: ids (B, T) -> logits (B, T, V), with `last` of the last token alone (B, 1, V). */
  forward(ids: Tensor, cache?: KVCache, last = false): Tensor {
    const x = this.hidden(ids, cache); // (B, T, C)
    return this.lm_head.forward(last ? x.slice([0, x.shape[1]! - 1]) : x);
  }

  /** The cross-entropy of the logits with the next tokens; a target of -1 does not count. */
  loss(ids: Tensor, targets: Tensor): Tensor {
    return F.crossEntropy(this.forward(ids), targets, { ignore_index: -1 });
  }

  /** AdamW; only the weights of linear layers decay, not biases, norms and embeddings. */
  configureOptimizers({ learning_rate, betas, weight_decay }: {
    learning_rate: number;
    betas: [number, number];
    weight_decay: number;
  }): AdamW {
    const linear = this.namedModules().filter(([, module]) => module instanceof nn.Linear);
    const decaying = new Set(linear.map(([name]) => `${name}.weight`));
    const named = this.namedParameters().sort(([a], [b]) => a < b ? -1 : 1); // minGPT's order
    const params = (decays: boolean) =>
      named.filter(([name]) => decaying.has(name) === decays).map(([, p]) => p);
    return new AdamW([
      { params: params(true), weight_decay },
      { params: params(false), weight_decay: 0 },
    ], { lr: learning_rate, betas });
  }

  /** Continues each row of ids (B, T): returns B lists of T + max_new_tokens ids. Call `eval()` first. */
  async generate(
    ids: Prompts,
    max_new_tokens: number,
    options: GenerateOptions = {},
  ): Promise<number[][]> {
    const { block_size } = this.config;
    return await generate(this, ids, max_new_tokens, { block_size, ...options });
  }

  /**
   * A pretrained GPT-2: "gpt2", "gpt2-medium", "gpt2-large", "gpt2-xl" from the Hugging Face hub, or a folder with its
   * config.json and model.safetensors. No random number is drawn.
   *
   * @throws {InputError} If it cannot be fetched or read; the message names each weight that does not fit
   */
  static async fromPretrained(source: string): Promise<GPT> {
    return (await GPT.open(source)).model;
  }

  /** The same with its tokenizer, and the output folder of a run of ours as well. */
  static async open(source: string): Promise<{ model: GPT; tokenizer: () => Promise<Tokenizer> }> {
    using opened = await openModel(source, { bias: true, gelu: "tanh" });
    const { bias: _bias, gelu: _gelu, ...config } = opened.config;
    const model = nn.skipInit(() => new GPT(config));
    await opened.load(model.stateDict());
    return { model, tokenizer: opened.tokenizer };
  }

  /** Writes a folder that `fromPretrained` reads, here and in Hugging Face's GPT2LMHeadModel. */
  async savePretrained(folder: string, options: { tokenizer?: Tokenizer } = {}) {
    await saveGPT2(folder, this.config, this.stateDict(), options);
  }
}

// ---- data

const ascending = (a: number, b: number) => a - b; // without it toSorted() compares texts: 10 before 9

/**
 * Sequences of digits and the same sorted: 2 0 1 is the text 2 0 1 0 1 2, and only its second half is to be predicted.
 * Each row is drawn when it is asked for. A quarter of all sequences, chosen by a hash of the digits, is for testing.
 */
export class SortDataset {
  readonly length = 10_000; // the loader wants a number

  constructor(
    readonly split: "train" | "test",
    readonly digits: number, // of a sequence
    readonly num_digits: number, // that there are
    readonly generator: TorchGenerator = torch,
  ) {}

  /** Whether a sequence is for testing: the two highest bits of its FNV-1a hash are 0. */
  static isTest(sequence: ArrayLike<number>): boolean {
    const mix = (hash: number, digit: number) => Math.imul(hash ^ digit, 0x01000193);
    return Array.from(sequence).reduce(mix, 0x811c9dc5) >>> 30 === 0;
  }

  /** Draws a sequence; half of the time one with many repeats, which are rare and hard. */
  draw(): number[] {
    const { digits, num_digits, generator, split } = this;
    for (let tries = 0; tries < 10_000; tries++) {
      const sequence = generator.randint(digits, 0, num_digits);
      const repeats = new Set(sequence).size <= Math.floor(digits / 2);
      if (generator.rand(1)[0] < 0.5 && !repeats) continue;
      if (SortDataset.isTest(sequence) === (split === "test")) return [...sequence];
    }
    throw new UsageError(
      `Cannot find sequences for ${split}ing as there are too few in all: length=${digits}, num_digits=${num_digits}`,
    );
  }

  /** x and y (B, 2n - 1), int32; y is -1 where the next digit is still one of the question. */
  batch(rows: ArrayLike<number>): [x: Tensor, y: Tensor] {
    const texts = Array.from(rows, () => this.draw()).map((s) => [...s, ...s.toSorted(ascending)]); // B of 2n
    const x = texts.map((text) => text.slice(0, -1));
    const y = texts.map((text) => text.slice(1).map((d, i) => i < this.digits - 1 ? -1 : d));
    return [tf.tensor2d(x, undefined, "int32"), tf.tensor2d(y, undefined, "int32")];
  }
}

/** How many sequences the model sorts, and those that it does not. */
export async function evalSplit(model: GPT, dataset: SortDataset, max_batches: number) {
  const n = dataset.digits;
  const mistakes: { inp: number[]; predicted: number[] }[] = [];
  let total = 0, batches = 0;
  model.eval();
  const { generator } = dataset;
  for (const [x] of new DataLoader(dataset, { batch_size: 100, generator })) {
    const questions = x.slice([0, 0], [-1, n]); // (B, n)
    for (const text of await model.generate(questions, n)) {
      const [inp, predicted] = [text.slice(0, n), text.slice(n)];
      if (String(predicted) !== String(inp.toSorted(ascending))) mistakes.push({ inp, predicted });
      total++;
    }
    questions.dispose();
    if (++batches === max_batches) break;
  }
  model.train();
  return { correct: total - mistakes.length, total, mistakes };
}

export const main = program({
  url: import.meta.url,
  defaults,
  seed: 3407,
  check: {
    length: "positive integer",
    num_digits: "positive integer",
    max_iters: "positive integer",
    batch_size: "positive integer",
    sort: "nonnegative integer",
  },
  long: () => true,
}, async (run) => {
  const { length, num_digits, model_type, learning_rate, beta1, beta2, weight_decay, ...rest } =
    run.options;
  const asked = String(rest.sort) === String(defaults.sort)
    ? Array.from({ length }, (_, i) => defaults.sort[i % 6] % num_digits) // fits other lengths too
    : rest.sort;
  if (asked.length !== length || asked.some((digit) => digit >= num_digits)) {
    throw new UsageError(
      `Cannot sort [${asked}] as the model learns to sort ${length} digits from 0 to ${
        num_digits - 1
      }: see --length and --num_digits`,
    );
  }

  // ---- data: print one example, what the model reads and what it is to predict
  const train = new SortDataset("train", length, num_digits);
  const test = new SortDataset("test", length, num_digits);
  const [x, y] = train.batch([0]);
  const [xs, ys] = [await x.data(), await y.data()];
  xs.forEach((digit, i) => console.log(digit, ys[i]));

  // ---- model
  const model = new GPT(GPT.getDefaultConfig(model_type, num_digits, 2 * length - 1));
  const parameters = model.transformer.countParameters(); // without lm_head, as minGPT counts
  console.log(`number of parameters: ${(parameters / 1e6).toFixed(2)}M`);
  const betas: [number, number] = [beta1, beta2];
  const optimizer = model.configureOptimizers({ learning_rate, betas, weight_decay });
  if (run.trace) return console.log(trace(() => model.loss(x, y), model));

  // ---- train
  const trainer = new Trainer({
    run,
    model,
    optimizer,
    dataset: train,
    loss: (x, y) => model.loss(x, y),
    print_every: 100,
    ...rest,
  });
  trainer.on("on_batch_end", async ({ iter_num }) => {
    if ((iter_num + 1) % 250 !== 0) return;
    const own = new TorchGenerator(iter_num); // so that looking does not change the training
    const look = (split: "train" | "test") =>
      evalSplit(model, new SortDataset(split, length, num_digits, own), 20);
    const [onTrain, onTest] = [await look("train"), await look("test")];
    const mistakes = onTrain.mistakes.length + onTest.mistakes.length;
    console.log(`iter ${iter_num}: ${mistakes} of ${onTrain.total + onTest.total} sorted wrong`);
    if (mistakes === 0) trainer.finish();
  });
  await trainer.train();
  await model.savePretrained(run.path("model"));

  // ---- evaluate
  const scores: Record<string, number> = {};
  for (const dataset of [train, test]) {
    const { correct, total, mistakes } = await evalSplit(model, dataset, 50);
    const claims = mistakes.map(({ inp, predicted }) =>
      `GPT claims that [${inp}] sorted is [${predicted}] but gt is [${inp.toSorted(ascending)}]`
    );
    for (const claim of [...new Set(claims)].slice(0, 3)) console.log(claim);
    scores[dataset.split] = 100 * correct / total;
    const percent = scores[dataset.split].toFixed(2);
    console.log(`${dataset.split} final score: ${correct}/${total} = ${percent}% correct`);
  }
  model.eval();
  const [text] = await model.generate([asked], length);
  const sorted = text.slice(length);
  console.log(`input sequence  : [${asked}]`);
  console.log(`predicted sorted: [${sorted}]`);
  console.log(`gt sort         : [${asked.toSorted(ascending)}]`);
  console.log(`matches         : ${String(sorted) === String(asked.toSorted(ascending))}`);
  return { model, scores, sorted, history: trainer.history };
});

if (import.meta.main) await main();
