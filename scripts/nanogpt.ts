/**
 * nanoGPT: trains a GPT-2 on files of tokens, from scratch or from trained weights, and writes with it.
 * Papers: Radford et al. 2019 (GPT-2); Chowdhery et al. 2022, appendix B (use of the hardware). Program followed: nanoGPT.
 * Shapes: B passages, T = block_size tokens, C = n_embd channels, H heads, D = C / H, V vocabulary.
 *   ids (B, T) -> embeddings (B, T, C) -> n_layer blocks (B, T, C) -> logits (B, T, V)
 * Run: deno run -A scripts/nanogpt.ts train    (a small model of Moby Dick's characters: minutes on two cores)
 *      deno run -A scripts/nanogpt.ts sample --start="Call me"
 *      deno run -A scripts/nanogpt.ts train --config=shakespeare_char_cpu --n_layer=2 --out=out/two
 *      deno run -A scripts/nanogpt.ts prepare --text=FILE --encoding=bpe --dataset=mine
 * Try: 1. learning_rate 4 times as large, and a fourth: which loss falls first, which further?  2. dropout=0.2 on the
 *      small model.  3. batch_size=3 with gradient_accumulation_steps=4: what is the same, what not?
 *      4. Ctrl-C, then --init_from=resume.  5. untie the output matrix: how many parameters more?
 */
import { dirname, join } from "node:path";
import * as tf from "@tensorflow/tfjs";
import { autocast, checkDtype, GradScaler, type GradScalerState } from "lib/amp.ts";
import { Passages } from "lib/data/passages.ts";
import { openDataset, prepareDataset } from "lib/data/prepare.ts";
import { datasetFolder, readCharacterMeta, TokenFile } from "lib/data/tokens.ts";
import { InputError, UsageError } from "lib/io/errors.ts";
import { readText } from "lib/io/files.ts";
import * as F from "lib/functional.ts";
import {
  type AttentionCache,
  type GenerateOptions,
  type KVCache,
  type LanguageModel,
  streamTokens,
} from "lib/generation.ts";
import { saveGPT2 } from "lib/weights/gpt2.ts";
import { openModel } from "lib/weights/open_model.ts";
import * as nn from "lib/nn.ts";
import { AdamW, clipGradNorm } from "lib/optim.ts";
import { lines } from "lib/plot/mod.ts";
import { presetFlags, toFlags } from "lib/program/preset.ts";
import { progressBar } from "lib/program/progress.ts";
import { torch } from "lib/random.ts";
import {
  endStopped,
  listenForStop,
  newestCheckpoint,
  readTrainingState,
  restoreTraining,
  saveTraining,
} from "lib/training/resume.ts";
import { commands, program } from "lib/program/run.ts";
import { causalMask, item, type Tensor } from "lib/tensor.ts";
import { characterTokenizer, type Tokenizer } from "lib/tokenizers/mod.ts";
import { firstBadValue, trace } from "lib/trace.ts";

// ---- settings: those of GPT-2 (124M); a preset or a file lies over them, flags lie over both

export const defaults = {
  // moby_dick_char, shakespeare_char, shakespeare_char_cpu, gpt2, finetune_shakespeare, or a file with lines "name = value"
  config: "moby_dick_char",
  init_from: "scratch", // scratch, resume, gpt2, gpt2-medium, gpt2-large, gpt2-xl, or a folder with weights
  eval_interval: 2000, // iterations from one evaluation, and checkpoint, to the next
  log_interval: 1, // iterations from line to line
  eval_iters: 200, // batches of each part that an evaluation takes
  eval_only: false, // evaluate once and end
  always_save_checkpoint: true, // at each evaluation; otherwise the best model's checkpoint stays
  dataset: "openwebtext", // folder with train.bin and val.bin, or its name in data/cache
  gradient_accumulation_steps: 40, // batches whose gradients are averaged for one update
  batch_size: 12, // passages a batch
  block_size: 1024, // tokens a passage
  total_batch_size: 0, // tokens an update: sets gradient_accumulation_steps; 0: leaves it
  n_layer: 12, // blocks
  n_head: 12, // heads of each
  n_embd: 768, // channels
  dropout: 0, // 0 is good for training from scratch, 0.1 and more for going on from trained weights
  bias: false, // in linear layers and norms, as GPT-2 has them; without them it is a bit better and faster
  gelu: "auto", // exact (none) or approximate (tanh); auto: as the weights were trained, from scratch exact
  ignore_index: -1, // a token that does not count in the loss as a target
  learning_rate: 6e-4, // the largest
  max_iters: 600000, // iterations in all
  weight_decay: 0.1, // of matrices
  beta1: 0.9, // decay of AdamW's mean of the gradients
  beta2: 0.95, // decay of its mean of their squares
  grad_clip: 1, // largest norm of the gradients; 0: not clipped
  decay_lr: true, // whether the learning rate falls
  warmup_iters: 2000, // iterations in which it rises
  lr_decay_iters: 600000, // when it has fallen to min_lr; about max_iters (Hoffmann et al. 2022)
  min_lr: 6e-5, // about learning_rate / 10
  dtype: "float32", // of the operands of matrix products; float16: on webgpu, with a scaled loss
  peak_flops: 312e12, // operations a second that count as full use of the hardware: an A100's, in bfloat16
};

const char = {
  eval_interval: 250, // often, as it will overfit
  log_interval: 10,
  always_save_checkpoint: false, // for the same reason: keep the best
  gradient_accumulation_steps: 1,
  batch_size: 64,
  block_size: 256,
  n_layer: 6,
  n_head: 6,
  n_embd: 384,
  dropout: 0.2,
  learning_rate: 1e-3, // small networks bear more
  max_iters: 5000,
  lr_decay_iters: 5000,
  min_lr: 1e-4,
  beta2: 0.99, // larger, as an update sees few tokens
  warmup_iters: 100,
};
const charCPU = {
  ...char,
  eval_iters: 20, // quicker, and noisier
  batch_size: 12,
  block_size: 64,
  n_layer: 4,
  n_head: 4,
  n_embd: 128,
  dropout: 0, // so small a network hardly overfits
  max_iters: 2000,
  lr_decay_iters: 2000,
};

/** Settings for a purpose: `--config NAME`. */
export const presets: Record<string, Partial<typeof defaults>> = {
  moby_dick_char: { ...charCPU, dataset: "moby_dick_char" }, // needs no network
  shakespeare_char: { ...char, dataset: "shakespeare_char" }, // minutes on a fast GPU, val loss 1.47
  shakespeare_char_cpu: { ...charCPU, dataset: "shakespeare_char" }, // minutes on two cores, val loss 1.88
  gpt2: { eval_interval: 1000, log_interval: 10 }, // val loss 2.85 after days on 8 large GPUs
  finetune_shakespeare: {
    dataset: "shakespeare",
    init_from: "gpt2-xl",
    eval_interval: 5,
    eval_iters: 40,
    always_save_checkpoint: false,
    batch_size: 1, // 1 * 32 * 1024 tokens an update: 9.2 updates see the text once
    gradient_accumulation_steps: 32,
    max_iters: 20,
    learning_rate: 3e-5,
    decay_lr: false,
  },
};

// ---- model

export interface GPTConfig {
  block_size: number;
  vocab_size: number;
  n_layer: number;
  n_head: number;
  n_embd: number;
  dropout: number;
  bias: boolean;
  gelu: "none" | "tanh";
}

export class CausalSelfAttention extends nn.Module {
  c_attn; // queries, keys and values of all heads in one matrix
  c_proj;
  resid_dropout;
  n_head: number;

  constructor({ n_embd, n_head, dropout, bias }: GPTConfig) {
    super();
    if (n_embd % n_head !== 0) {
      throw new UsageError(
        `Cannot split the channels over the heads as n_embd must be divisible by n_head: n_embd=${n_embd}, n_head=${n_head}`,
      );
    }
    this.c_attn = new nn.Linear(n_embd, 3 * n_embd, { bias });
    this.c_proj = new nn.Linear(n_embd, n_embd, { bias });
    this.resid_dropout = new nn.Dropout(dropout);
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
    const y = F.scaledDotProductAttention(q, k, v, {
      mask: seen > 0 && T > 1 ? causalMask(seen + T).slice([seen, 0]) : undefined, // (T, seen + T)
      causal: seen === 0,
      dropout_p: this.resid_dropout.p,
      training: this.training,
    }); // (B, H, T, D)
    const joined = y.transpose([0, 2, 1, 3]).reshape([B, T, C]);
    return this.resid_dropout.forward(this.c_proj.forward(joined));
  }
}

/** C -> 4C -> C. */
export class MLP extends nn.Module {
  c_fc;
  gelu;
  c_proj;
  dropout;

  constructor({ n_embd, dropout, bias, gelu }: GPTConfig) {
    super();
    this.c_fc = new nn.Linear(n_embd, 4 * n_embd, { bias });
    this.gelu = new nn.GELU(gelu);
    this.c_proj = new nn.Linear(4 * n_embd, n_embd, { bias });
    this.dropout = new nn.Dropout(dropout);
  }

  forward(x: Tensor): Tensor {
    const hidden = this.gelu.forward(this.c_fc.forward(x)); // (B, T, 4C)
    return this.dropout.forward(this.c_proj.forward(hidden)); // (B, T, C)
  }
}

export class Block extends nn.Module {
  ln_1;
  attn;
  ln_2;
  mlp;

  constructor(config: GPTConfig) {
    super();
    const { n_embd, bias } = config;
    this.ln_1 = new nn.LayerNorm(n_embd, { bias });
    this.attn = new CausalSelfAttention(config);
    this.ln_2 = new nn.LayerNorm(n_embd, { bias });
    this.mlp = new MLP(config);
  }

  forward(x: Tensor, past?: AttentionCache): Tensor {
    x = x.add(this.attn.forward(this.ln_1.forward(x), past));
    return x.add(this.mlp.forward(this.ln_2.forward(x)));
  }
}

export class GPT extends nn.Module {
  transformer;
  lm_head;

  constructor(public config: GPTConfig) {
    super();
    const { vocab_size, block_size, n_embd, n_layer, dropout, bias } = config;
    this.transformer = new nn.ModuleDict({
      wte: new nn.Embedding(vocab_size, n_embd),
      wpe: new nn.Embedding(block_size, n_embd),
      drop: new nn.Dropout(dropout),
      h: new nn.ModuleList(Array.from({ length: n_layer }, () => new Block(config))),
      ln_f: new nn.LayerNorm(n_embd, { bias }),
    });
    this.lm_head = new nn.Linear(n_embd, vocab_size, { bias: false });
    this.transformer.wte.weight.dispose();
    this.transformer.wte.weight = this.lm_head.weight; // tied (Press and Wolf 2017)
    this._init_weights();
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

  /** How many parameters there are, without the positions'; the tokens' are counted, as they end the model too. */
  getNumParams(): number {
    return this.countParameters() - this.transformer.wpe.weight.size;
  }

  /** ids (B, T) -> (B, T, C). With a cache, ids are the tokens after those in it. */
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

  /** The cross-entropy of the logits with the next tokens; targets of `ignore_index` do not count. */
  loss(ids: Tensor, targets: Tensor, ignore_index = -1): Tensor {
    return F.crossEntropy(this.forward(ids), targets, { ignore_index });
  }

  /** Takes positions away at the end, so that the model fits shorter passages. Make the optimiser afterwards. */
  cropBlockSize(block_size: number) {
    if (block_size > this.config.block_size) {
      throw new UsageError(
        `Cannot make the block longer: the model has block_size=${this.config.block_size}, block_size=${block_size} given`,
      );
    }
    const { wpe } = this.transformer;
    const kept = nn.parameter(wpe.weight.slice(0, block_size)); // (block_size, C)
    wpe.weight.dispose();
    wpe.weight = kept;
    this.config = { ...this.config, block_size };
  }

  /** AdamW; matrices decay, embeddings too, but not biases and norms. */
  configureOptimizers(
    { weight_decay, learning_rate, betas }: {
      weight_decay: number;
      learning_rate: number;
      betas: [number, number];
    },
  ): AdamW {
    const decay = this.parameters().filter((p) => p.rank >= 2);
    const nodecay = this.parameters().filter((p) => p.rank < 2);
    const groups = [
      { params: decay, weight_decay },
      { params: nodecay, weight_decay: 0 },
    ];
    for (const [i, { params }] of groups.entries()) {
      const size = params.reduce((sum, p) => sum + p.size, 0).toLocaleString("en");
      const kind = ["decayed", "non-decayed"][i];
      console.log(`num ${kind} parameter tensors: ${params.length}, with ${size} parameters`);
    }
    return new AdamW(groups, { lr: learning_rate, betas });
  }

  /** Which share of `peak_flops` the model uses if `passages` of them take `seconds`, forward and backward. */
  estimateMFU(passages: number, seconds: number, peak_flops: number): number {
    const { n_layer, n_embd, block_size } = this.config;
    const perToken = 6 * this.getNumParams() + 12 * n_layer * n_embd * block_size;
    return perToken * block_size * passages / seconds / peak_flops;
  }

  /** Continues ids, token by token. A GPU has drawn some more tokens when it gives one: see `readBehind`. */
  async *generate(
    ids: number[],
    max_new_tokens: number,
    { dtype = "float32", ...options }: GenerateOptions & { dtype?: string } = {},
  ): AsyncGenerator<number> {
    const { block_size } = this.config;
    const model: LanguageModel = {
      forward: (...args) => autocast(dtype, () => this.forward(...args)),
      badPlace: (ids) => firstBadValue(this, () => this.forward(ids)),
    };
    const prompt = [ids]; // (1, T)
    const sampling = { do_sample: true, block_size, ...options };
    for await (const [id] of streamTokens(model, prompt, max_new_tokens, sampling)) yield id;
  }

  /**
   * Writes a folder that Hugging Face's GPT2LMHeadModel opens.
   *
   * @throws {InputError} If the model is not one of its kind
   */
  async savePretrained(folder: string, options: { tokenizer?: Tokenizer } = {}) {
    const { dropout, bias, gelu, ...sizes } = this.config;
    const obstacles = [
      !bias && "it has no biases, which GPT2LMHeadModel has everywhere (train with --bias)",
      gelu === "none" &&
      "its GELU is the exact one, GPT-2's is the tanh form (train with --gelu=tanh)",
    ].filter(Boolean);
    if (obstacles.length > 0) {
      throw new InputError(`Cannot export the model for Hugging Face: ${obstacles.join("; ")}`);
    }
    const pdrops = { embd_pdrop: dropout, resid_pdrop: dropout, attn_pdrop: dropout };
    await saveGPT2(folder, { ...sizes, ...pdrops }, this.stateDict(), options);
  }
}

// ---- weights: a run's folder, or Hugging Face's files

/** A model, and what its ids stand for. */
export interface Loaded {
  model: GPT;
  characters?: string[];
  tokenizer: () => Promise<Tokenizer>;
}

/** The weights of a run, `out/NAME` with ckpt.safetensors, or of a pretrained GPT-2: a name or a folder. */
export async function loadModel(source: string, dropout = 0): Promise<Loaded> {
  using opened = await openModel(source);
  if (!opened.isTied) {
    throw new InputError(
      `Cannot use the weights in '${opened.place}': their output matrix is not the token embedding, which nanoGPT's model wants`,
    );
  }
  const { embd_pdrop: _1, resid_pdrop: _2, attn_pdrop: _3, ...config } = opened.config;
  const make = () => new GPT({ ...config, dropout });
  const model = opened.isCheckpoint ? make() : nn.skipInit(make); // nanoGPT draws initial values before it samples
  await opened.load(model.stateDict());
  return { model, characters: await opened.characters(), tokenizer: opened.tokenizer };
}

/** The model's settings in a checkpoint; one that comes from PyTorch has the exact GELU. */
function modelArgs(state: Record<string, unknown>): GPTConfig {
  return { gelu: "none", dropout: 0, ...state.model_args as Omit<GPTConfig, "gelu" | "dropout"> };
}

// ---- train

type Options = Omit<typeof defaults, "gelu"> & { gelu: string };

/** The flags of a preset, or of a file of settings. */
export const readPreset = (config: string) => presetFlags(config, presets, defaults);

/** The settings of the run that is resumed, so that only what is to change must be given. */
async function resumedFlags(out: string): Promise<string[]> {
  const state = await readTrainingState(await newestCheckpoint(out));
  // What PyTorch's nanoGPT says of the type is about the hardware that it had.
  const left = ["config", "init_from", ...state.generators ? [] : ["dtype"]];
  // The model's sizes are those of the weights that it began with, whatever the settings said.
  const settings = Object.entries({ ...state.config as object, ...state.model_args as object })
    .filter(([name]) => Object.hasOwn(defaults, name) && !left.includes(name));
  return toFlags(Object.fromEntries(settings));
}

/** The learning rate of an iteration: up in a line, then down half a cosine to `min_lr`. */
export function getLr(
  iter: number,
  { learning_rate, min_lr, warmup_iters, lr_decay_iters, decay_lr }: Pick<
    Options,
    "learning_rate" | "min_lr" | "warmup_iters" | "lr_decay_iters" | "decay_lr"
  >,
): number {
  if (!decay_lr) return learning_rate;
  if (iter < warmup_iters) return learning_rate * (iter + 1) / (warmup_iters + 1);
  if (iter >= lr_decay_iters) return min_lr;
  const share = (iter - warmup_iters) / (lr_decay_iters - warmup_iters);
  return min_lr + (learning_rate - min_lr) * (1 + Math.cos(Math.PI * share)) / 2;
}

/** The mean loss over `eval_iters` random batches of each part; undefined if `stopped` says so in between. */
export async function estimateLoss(
  model: GPT,
  splits: { train: Passages; val: Passages },
  { eval_iters, ignore_index = -1, dtype = "float32" }: {
    eval_iters: number;
    ignore_index?: number;
    dtype?: string;
  },
  stopped: () => Promise<boolean> = () => Promise.resolve(false),
): Promise<{ train: number; val: number } | undefined> {
  const means = { train: 0, val: 0 };
  model.eval();
  for (const split of ["train", "val"] as const) {
    for (let k = 0; k < eval_iters; k++) {
      const loss = await item(() =>
        autocast(
          dtype,
          () => model.loss(...splits[split].batch(splits[split].draw()), ignore_index),
        )
      );
      means[split] += loss / eval_iters;
      if (await stopped()) return undefined;
    }
  }
  model.train();
  return means;
}

function checkOptions(options: Options) {
  checkDtype(options.dtype);
  const { learning_rate, min_lr, decay_lr, total_batch_size, batch_size, block_size } = options;
  if (decay_lr && min_lr > learning_rate) {
    throw new UsageError(
      `Cannot decay the learning rate as min_lr is above learning_rate: min_lr=${min_lr}, learning_rate=${learning_rate}`,
    );
  }
  if (total_batch_size % (batch_size * block_size) !== 0) {
    throw new UsageError(
      `Cannot accumulate as total_batch_size must be divisible by batch_size * block_size: ` +
        `total_batch_size=${total_batch_size}, batch_size * block_size=${batch_size * block_size}`,
    );
  }
}

const sizeChecks = {
  batch_size: "positive integer",
  block_size: "positive integer",
  n_layer: "positive integer",
  n_head: "positive integer",
  n_embd: "positive integer",
  dropout: "probability",
  peak_flops: "positive",
} as const;

/** The model to train: new, that of a checkpoint, or a trained one. */
async function makeModel(options: Options, characters: string[] | undefined, resumed?: string) {
  const { init_from, n_layer, n_head, n_embd, block_size, bias, dropout, gelu } = options;
  const given = { n_layer, n_head, n_embd, block_size, bias };
  let model: GPT;
  if (resumed !== undefined) {
    console.log(`Resuming training from ${dirname(resumed)}`);
    const saved = modelArgs(await readTrainingState(resumed));
    const wanted = { ...given, gelu: gelu === "auto" ? saved.gelu : gelu };
    for (const [name, value] of Object.entries(wanted)) {
      const before = saved[name as keyof typeof wanted];
      if (before !== value) {
        throw new UsageError(
          `Cannot resume with ${name}=${value}: the checkpoint '${resumed}' has ${name}=${before}`,
        );
      }
    }
    model = new GPT({ ...saved, dropout }); // draws initial values, as nanoGPT does
  } else if (init_from === "scratch") {
    console.log("Initializing a new model from scratch");
    const vocab_size = characters?.length ?? 50304;
    if (!characters) {
      console.log("defaulting to vocab_size of GPT-2 to 50304 (50257 rounded up for efficiency)");
    }
    model = new GPT({ ...given, vocab_size, dropout, gelu: gelu === "tanh" ? "tanh" : "none" });
  } else {
    console.log(`Initializing from the weights of ${init_from}`);
    const loaded = await loadModel(init_from, dropout);
    model = loaded.model;
    if (String(loaded.characters) !== String(characters)) {
      throw new InputError(
        `Cannot go on from '${init_from}' with this data set: they have not the same characters`,
      );
    }
    if (gelu !== "auto" && gelu !== model.config.gelu) {
      throw new UsageError(
        `Cannot train '${init_from}' with gelu=${gelu}: it was trained with gelu=${model.config.gelu}`,
      );
    }
    model.cropBlockSize(block_size);
  }
  console.log(`number of parameters: ${(model.getNumParams() / 1e6).toFixed(2)}M`);
  return model;
}

export const train = program({
  url: import.meta.url,
  command: "train",
  defaults,
  seed: 1337,
  choices: { gelu: ["auto", "none", "tanh"] },
  check: {
    ...sizeChecks,
    eval_interval: "positive integer",
    log_interval: "positive integer",
    eval_iters: "positive integer",
    gradient_accumulation_steps: "positive integer",
    total_batch_size: "nonnegative integer",
    learning_rate: "nonnegative",
    max_iters: "nonnegative integer",
    weight_decay: "nonnegative",
    grad_clip: "nonnegative",
    warmup_iters: "nonnegative integer",
    lr_decay_iters: "nonnegative integer",
    min_lr: "nonnegative",
  },
  preset: async ({ config, init_from, out }) =>
    init_from !== "resume"
      ? await readPreset(config)
      : [...await resumedFlags(out), ...config === defaults.config ? [] : await readPreset(config)],
  long: () => true,
}, async (run) => {
  const { options } = run;
  checkOptions(options);
  const { eval_interval, eval_only, max_iters, batch_size, block_size, ignore_index } = options;
  const accumulation = options.total_batch_size / (batch_size * block_size) ||
    options.gradient_accumulation_steps;
  const tokensPerIter = accumulation * batch_size * block_size;
  console.log(`tokens per iteration will be: ${tokensPerIter.toLocaleString("en")}`);

  // ---- data and model
  const resumed = options.init_from === "resume" ? await newestCheckpoint(run.out) : undefined;
  const dataset = await openDataset(options.dataset);
  const characters = await readCharacterMeta(dataset);
  if (characters) console.log(`found vocab_size = ${characters.length} (inside ${dataset})`);
  const model = await makeModel(options, characters, resumed);
  const open = (split: string) =>
    new TokenFile(join(dataset, `${split}.bin`), model.config.vocab_size);
  using trainTokens = open("train");
  using valTokens = open("val");
  const splits = {
    train: new Passages(trainTokens, batch_size, block_size),
    val: new Passages(valTokens, batch_size, block_size),
  };
  const optimizer = model.configureOptimizers({
    ...options,
    betas: [options.beta1, options.beta2],
  });
  const scaler = new GradScaler({ enabled: options.dtype === "float16" });
  const lossOf = (x: Tensor, y: Tensor) =>
    autocast(options.dtype, () => model.loss(x, y, ignore_index));
  if (run.trace) return console.log(trace(() => lossOf(...splits.train.batch([0])), model));

  // ---- where training is: this is what a checkpoint holds beside the tensors
  let at = {
    iter_num: 0, // updates so far
    evaluated: false, // whether the evaluation of this iteration is done
    best_val_loss: 1e9,
    starts: undefined as number[] | undefined, // of the batch that was drawn ahead
    losses: [] as [iter: number, loss: number][], // that were printed
    evaluations: [] as { iter: number; train: number; val: number }[],
  };
  if (resumed) {
    const { iter_num, best_val_loss, scaler: saved, ...rest } = await restoreTraining(resumed, {
      model,
      optimizer,
    }) as unknown as typeof at & { scaler?: GradScalerState };
    scaler.loadStateDict(saved ?? {});
    // A checkpoint of PyTorch's nanoGPT has no more than these two.
    at = { ...at, iter_num, best_val_loss, ...rest.starts && rest };
    await run.openMetrics({ keepUpTo: iter_num });
  }
  const save = (file: string) =>
    saveTraining(run.path(file), { model, optimizer }, {
      model_args: model.config,
      config: options,
      characters,
      scaler: scaler.stateDict(),
      ...at,
    });

  // ---- training
  const checkFinite = (loss: number) => {
    if (Number.isFinite(loss)) return;
    throw new InputError(
      `The loss is ${loss} at iteration ${at.iter_num}: try a smaller --learning_rate; the last checkpoint is untouched`,
    );
  };
  const bar = progressBar(max_iters, at.iter_num);
  const stop = listenForStop();
  model.train();
  const began = at.iter_num;
  let mfu = -1;
  let since = { iter: began, time: performance.now() }; // what the printed speed is measured from
  at.starts ??= splits.train.draw(); // the first batch is drawn before the first evaluation
  try {
    while (!stop.signal && at.iter_num <= max_iters) {
      const lr = getLr(at.iter_num, options);
      for (const group of optimizer.groups) group.lr = lr;

      if (at.iter_num % eval_interval === 0 && !at.evaluated) {
        const before = torch.getState();
        const losses = await estimateLoss(model, splits, options, async () => {
          await stop.check();
          return stop.signal !== undefined;
        });
        if (!losses) {
          torch.setState(before); // the evaluation is done anew when the run is resumed
          break;
        }
        const { train, val } = losses;
        bar.log(`step ${at.iter_num}: train loss ${train.toFixed(4)}, val loss ${val.toFixed(4)}`);
        run.log(at.iter_num, { train_loss: train, val_loss: val, lr });
        checkFinite(val);
        at.evaluated = true;
        at.evaluations.push({ iter: at.iter_num, train, val });
        const improved = val < at.best_val_loss;
        if (improved) at.best_val_loss = val;
        if (at.iter_num > 0 && !eval_only) {
          const keep = improved || options.always_save_checkpoint;
          bar.log(`saving checkpoint to ${run.out}`);
          await save(keep ? "ckpt.safetensors" : "last.safetensors");
          if (keep) await Deno.remove(run.path("last.safetensors")).catch(() => {});
        }
        since = { iter: at.iter_num, time: performance.now() };
      }
      if (eval_only) break;

      let loss!: Tensor;
      for (let micro = 0; micro < accumulation; micro++) {
        const [x, y] = splits.train.batch(at.starts);
        loss = optimizer.backward(() => scaler.scale(tf.div(lossOf(x, y), accumulation)));
        tf.dispose([x, y]);
        at.starts = splits.train.draw();
      }
      scaler.unscale(optimizer);
      const norm = options.grad_clip > 0 ? clipGradNorm(optimizer, options.grad_clip) : undefined;
      const updated = await scaler.step(optimizer, norm);
      const loss_scale = scaler.getScale();
      scaler.update();
      if (!updated) {
        bar.log(
          `iter ${at.iter_num}: step skipped, as gradients of the loss times ${loss_scale} are not finite`,
        );
      }

      const logs = run.logs(at.iter_num, options.log_interval);
      if (logs || at.iter_num % options.log_interval === 0) {
        const value = await item(loss) * accumulation / loss_scale; // of the last batch, as if it were all
        checkFinite(value);
        const now = performance.now();
        const dt = (now - since.time) / 1000 / (at.iter_num + 1 - since.iter); // seconds an iteration
        since = { iter: at.iter_num + 1, time: now };
        if (at.iter_num - began >= 5) { // not while everything warms up
          const share = model.estimateMFU(batch_size * accumulation, dt, options.peak_flops);
          mfu = mfu < 0 ? share : 0.9 * mfu + 0.1 * share;
        }
        const rate = tokensPerIter / dt;
        if (logs) {
          run.log(at.iter_num + 1, {
            loss: value,
            lr,
            ...norm && { grad_norm: await item(norm) },
            ...scaler.enabled && { loss_scale, skipped: scaler.skipped },
          });
        }
        if (at.iter_num % options.log_interval === 0) {
          at.losses.push([at.iter_num, value]);
          const use = mfu < 0 ? "-" : `${(mfu * 100).toFixed(2)}%`;
          bar.log(
            `iter ${at.iter_num}: loss ${value.toFixed(4)}, time ${
              (dt * 1000).toFixed(2)
            }ms, mfu ${use}, ${Math.round(rate)} tokens/s`,
          );
        }
      }
      norm?.dispose();
      at.iter_num++;
      at.evaluated = false;
      bar.update(Math.min(at.iter_num, max_iters));
      await stop.check();
    }
    if (at.iter_num > began || stop.signal) await save("last.safetensors");
  } finally {
    bar.stop();
    stop.end();
    optimizer.dispose();
  }
  if (stop.signal) {
    run.close();
    console.error(`Stopped after ${at.iter_num} updates; --init_from=resume goes on from here`);
    endStopped(stop.signal);
  }

  // ---- plot
  const { losses, evaluations } = at;
  if (losses.length > 0) {
    const x = evaluations.map(({ iter }) => iter);
    await lines({
      title: `Loss of nanoGPT on ${options.dataset}`,
      xLabel: "iterations",
      yLabel: "cross-entropy (nats a token)",
      series: {
        "batches": { x: losses.map(([iter]) => iter), y: losses.map(([, loss]) => loss) },
        "train, evaluated": { x, y: evaluations.map(({ train }) => train) },
        "val, evaluated": { x, y: evaluations.map(({ val }) => val) },
      },
    }).save(run.path("loss"));
  }
  return { model, characters, losses, evaluations };
});

// ---- sample

export const sampleDefaults = {
  init_from: "out/nanogpt", // folder of a run or with weights, or gpt2, gpt2-medium, gpt2-large, gpt2-xl
  dataset: "", // data set whose characters the ids stand for; by default as the checkpoint says
  start: "\n", // what the samples begin with: a text, or FILE:path
  num_samples: 10, // how many
  max_new_tokens: 500, // length of each
  temperature: 0.8, // below 1 surer, above 1 more varied
  top_k: 200, // the next token is drawn from the k most probable ones
  top_p: 1, // of these from the fewest that have this probability together
  min_p: 0, // of these from the ones at least this many times as probable as the best
  repetition_penalty: 1, // above 1, tokens that are in the text become less probable
  no_repeat_ngram_size: 0, // as many tokens in a row never occur twice; 0: they may
  use_cache: true, // keep keys and values, so that a step computes one token; the samples are the same
  dtype: "float32", // of the operands of matrix products; float16: on webgpu
};

export const sample = program({
  url: import.meta.url,
  command: "sample",
  folder: "nanogpt-sample",
  defaults: sampleDefaults,
  seed: 1337,
  check: {
    num_samples: "nonnegative integer",
    max_new_tokens: "nonnegative integer",
    temperature: "positive",
    top_k: "positive integer",
    top_p: (p) => p > 0 && p <= 1 ? undefined : "a number above 0, at most 1",
    min_p: "probability",
    repetition_penalty: "positive",
    no_repeat_ngram_size: "nonnegative integer",
  },
}, async (run) => {
  const { init_from, dataset, start, num_samples, max_new_tokens, ...sampling } = run.options;
  checkDtype(sampling.dtype);
  const loaded = await loadModel(init_from);
  const { model } = loaded;
  const characters = dataset ? await readCharacterMeta(datasetFolder(dataset)) : loaded.characters;
  const { vocab_size } = model.config;
  if (characters ? characters.length !== vocab_size : vocab_size < 50257) {
    throw new UsageError(
      `Cannot write with '${init_from}': its ids are ${vocab_size}, those of ${
        characters ? `the characters ${characters.length}` : "GPT-2's tokens 50257"
      }; name its data set by --dataset`,
    );
  }
  model.eval();
  console.log(`number of parameters: ${(model.getNumParams() / 1e6).toFixed(2)}M`);
  const prompt = start.startsWith("FILE:") ? await readText(start.slice(5)) : start;
  if (prompt === "") throw new UsageError("Cannot begin with nothing: give a --start");
  const tokenizer = dataset && characters
    ? characterTokenizer(characters)
    : await loaded.tokenizer();
  const ids = tokenizer.encode(prompt, { special: true });
  if (run.trace) {
    const x = tf.tensor2d([ids.slice(-model.config.block_size)], undefined, "int32");
    return console.log(trace(() => model.forward(x), model));
  }
  const bytes = new TextEncoder();
  const write = (text: string) => Deno.stdout.writeSync(bytes.encode(text)); // at once, not line by line
  const samples: number[][] = [];
  for (let k = 0; k < num_samples; k++) {
    const decode = tokenizer.decoder();
    const written = [...ids];
    write(prompt);
    for await (const id of model.generate(ids, max_new_tokens, sampling)) {
      written.push(id);
      write(decode(id));
    }
    write(decode.end() + "\n---------------\n");
    samples.push(written);
  }
  return { model, characters, samples };
});

// ---- prepare: a text becomes train.bin (nine tenths), val.bin (the rest) and, for characters, meta.pkl

export const prepareDefaults = {
  text: "moby-dick", // moby-dick, quijote, shakespeare or a file
  encoding: "characters", // characters, or GPT-2's tokens (bpe)
  dataset: "mine", // where to write: a name in data/cache, or a folder
};

export const prepare = program({
  url: import.meta.url,
  command: "prepare",
  folder: "nanogpt-prepare",
  defaults: prepareDefaults,
  choices: { encoding: ["characters", "bpe"] },
}, async ({ options: { text, encoding, dataset } }) => {
  const folder = datasetFolder(dataset);
  await prepareDataset(folder, text, encoding);
  console.log(`written to ${folder}`);
  return folder;
});

// ---- bench: how fast is a training step?

export const benchDefaults = {
  dataset: "", // data set whose batches are read; none: the same random tokens again and again
  vocab_size: 65, // of the random tokens; GPT-2's is 50304
  batch_size: 12, // passages a batch
  block_size: 64, // tokens a passage; GPT-2: 1024
  n_layer: 4, // blocks; GPT-2: 12
  n_head: 4, // heads of each; GPT-2: 12
  n_embd: 128, // channels; GPT-2: 768
  dropout: 0,
  bias: false, // in linear layers and norms
  dtype: "float32", // of the operands of matrix products; float16: on webgpu
  burn_in: 10, // steps before the measured ones
  steps: 20, // that are measured
  peak_flops: 312e12, // operations a second that count as full use of the hardware
};

export const bench = program({
  url: import.meta.url,
  command: "bench",
  folder: "nanogpt-bench",
  defaults: benchDefaults,
  seed: 1337,
  check: {
    ...sizeChecks,
    vocab_size: "positive integer",
    burn_in: "nonnegative integer",
    steps: "positive integer",
  },
  long: () => true,
}, async (run) => {
  const { dataset, dtype, burn_in, steps, batch_size, block_size, peak_flops, ...sizes } =
    run.options;
  checkDtype(dtype);
  let { vocab_size } = sizes;
  let batch: () => [x: Tensor, y: Tensor];
  if (dataset === "") {
    const ids = () =>
      tf.tensor2d(torch.randint(batch_size * block_size, 0, vocab_size), [
        batch_size,
        block_size,
      ], "int32");
    const [x, y] = [ids(), ids()]; // (B, T)
    batch = () => [x.clone(), y.clone()];
  } else {
    const folder = await openDataset(dataset);
    vocab_size = (await readCharacterMeta(folder))?.length ?? 50304;
    const tokens = new TokenFile(join(folder, "train.bin"), vocab_size);
    const passages = new Passages(tokens, batch_size, block_size);
    batch = () => passages.batch(passages.draw());
  }
  const model = new GPT({ ...sizes, vocab_size, block_size, gelu: "none" });
  const optimizer = model.configureOptimizers({
    weight_decay: 1e-2,
    learning_rate: 1e-4,
    betas: [0.9, 0.95],
  });
  if (run.trace) return console.log(trace(() => model.loss(...batch()), model));
  let began = performance.now();
  for (let k = 0; k < burn_in + steps; k++) {
    if (k === burn_in) began = performance.now();
    const [x, y] = batch();
    const loss = await item(optimizer.step(() => autocast(dtype, () => model.loss(x, y))));
    tf.dispose([x, y]);
    const [i, n] = k < burn_in ? [k, burn_in] : [k - burn_in, steps];
    console.log(`${i}/${n} loss: ${loss.toFixed(4)}`);
    run.log(k + 1, { loss });
  }
  const seconds = (performance.now() - began) / 1000 / steps;
  const mfu = model.estimateMFU(batch_size, seconds, peak_flops);
  const rate = Math.round(batch_size * block_size / seconds);
  console.log(
    `time per iteration: ${(seconds * 1000).toFixed(4)}ms, MFU: ${(mfu * 100).toFixed(2)}%, ` +
      `${rate} tokens/s`,
  );
  return { seconds, mfu };
});

// ---- export: weights for Hugging Face's programs

export const exportDefaults = {
  init_from: "out/nanogpt", // folder of the run
  to: "out/nanogpt-hf", // folder for config.json and model.safetensors
};

export const exportModel = program({
  url: import.meta.url,
  command: "export",
  folder: "nanogpt-export",
  defaults: exportDefaults,
}, async ({ options: { init_from, to } }) => {
  const { model, tokenizer } = await loadModel(init_from);
  await model.savePretrained(to, { tokenizer: await tokenizer() });
  console.log(`written to ${to}: GPT2LMHeadModel.from_pretrained(${JSON.stringify(to)}) opens it`);
  return to;
});

export const main = commands(import.meta.url, {
  train: { main: train, about: "trains a model" },
  sample: { main: sample, about: "writes with a trained model" },
  prepare: { main: prepare, about: "makes a data set of a text" },
  bench: { main: bench, about: "measures the speed of training" },
  export: { main: exportModel, about: "writes a trained model as Hugging Face's programs read it" },
});

if (import.meta.main) await main();
