/**
 * GPT: a decoder-only transformer that predicts the next token.
 * Papers: Radford et al. 2018 and 2019 (GPT-1, GPT-2). Program followed: minGPT's model.py and its sorting demo.
 * Shapes: B batch, T time, C = n_embd channels, H heads, D = C / H, V vocabulary.
 *   ids (B, T) -> embeddings (B, T, C) -> n_layer blocks (B, T, C) -> logits (B, T, V)
 */
import * as tf from "@tensorflow/tfjs";
import { UsageError } from "lib/errors.ts";
import * as F from "lib/functional.ts";
import * as nn from "lib/nn.ts";
import { type AdamSettings, AdamW } from "lib/optim.ts";
import { torch } from "lib/random.ts";
import { causalMask, type Tensor } from "lib/tensor.ts";

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

/** The keys and values of the tokens so far, for each block: (B, H, T, D). */
export type Cache = { k: Tensor; v: Tensor }[];

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
  forward(x: Tensor, past?: Cache[number]): Tensor {
    const [B, T, C] = x.shape;
    const splitHeads = (t: Tensor) =>
      t.reshape([B, T, this.n_head, C / this.n_head]).transpose([0, 2, 1, 3]);
    let [q, k, v] = tf.split(this.c_attn.forward(x), 3, 2).map(splitHeads); // (B, H, T, D)
    if (past) {
      [k, v] = [tf.concat([past.k, k], 2), tf.concat([past.v, v], 2)]; // (B, H, past + T, D)
      [past.k, past.v] = [k, v];
    }
    const seen = k.shape[2]! - T; // tokens in the cache, which every query may attend to
    const y = F.scaledDotProductAttention(q, k, v, {
      ...(seen === 0 ? { causal: true } : { mask: causalMask(seen + T).slice([seen, 0]) }),
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

  forward(x: Tensor, past?: Cache[number]): Tensor {
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

  /** Next-token scores: ids (B, T) -> (B, T, V). With a cache, ids are the tokens after those in it. */
  forward(ids: Tensor, cache?: Cache): Tensor {
    const T = ids.shape[1]!;
    const seen = cache?.[0]?.k.shape[2] ?? 0;
    if (seen + T > this.config.block_size) {
      throw new RangeError(
        `Cannot process ${seen + T} tokens: the block has ${this.config.block_size}`,
      );
    }
    const { wte, wpe, drop, h, ln_f } = this.transformer;
    const positions = tf.range(seen, seen + T, 1, "int32"); // (T)
    let x = drop.forward(wte.forward(ids).add(wpe.forward(positions))); // (B, T, C)
    for (let i = 0; i < h.length; i++) x = h[i].forward(x, cache?.[i]);
    return this.lm_head.forward(ln_f.forward(x)); // (B, T, V)
  }

  /** The cross-entropy of the logits with the next tokens; a target of -1 does not count. */
  loss(ids: Tensor, targets: Tensor): Tensor {
    return F.crossEntropy(this.forward(ids), targets, { ignore_index: -1 });
  }
}
