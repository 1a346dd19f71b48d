/**
 * picoGPT: GPT-2 as a few pure functions over an object of weights; it continues a text.
 * Paper: Radford et al. 2019 (GPT-2). Program followed: picoGPT's gpt2.py.
 * Shapes: T tokens (one text, no batch), C channels, H heads, D = C / H, V vocabulary.
 *   ids T -> embeddings (T, C) -> blocks (T, C) -> logits (T, V)
 * Run: deno run -A scripts/picogpt.ts --prompt="Alan Turing theorized that"   (fetches GPT-2, 0.5 GB, once)
 *      deno run -A scripts/picogpt.ts --models_dir=out/nanogpt --prompt="Call me"   (what nanogpt or chargpt trained)
 * Try: 1. leave the mask away: what does the text become, and why?  2. leave wpe away.
 *      3. n_tokens_to_generate=400: how does the time grow, with the cache and without?  4. draw the next token.
 */
import * as tf from "@tensorflow/tfjs";
import { InputError, UsageError } from "lib/io/errors.ts";
import { type LanguageModel, streamTokens } from "lib/generation.ts";
import { openModel } from "lib/weights/open_model.ts";
import { program } from "lib/program/run.ts";
import { type Tensor } from "lib/tensor.ts";
import type { Tokenizer } from "lib/tokenizers/mod.ts";
import { firstBadTensor, trace } from "lib/trace.ts";

export const defaults = {
  prompt: "Alan Turing theorized that computers would one day become", // what is continued
  n_tokens_to_generate: 40, // how far
  model_size: "124M", // which GPT-2 is fetched
  models_dir: "", // folder of a model to use instead: Hugging Face's files, or the output folder of nanogpt or chargpt
  compare: true, // generate once more without the cache, and say how much slower that is
};

// ---- the model

type Affine = { w: Tensor; b?: Tensor }; // (in, out), (out)
type Norm = { g: Tensor; b?: Tensor }; // (C), (C)
type Attention = { c_attn: Affine; c_proj: Affine };
type MLP = { c_fc: Affine; c_proj: Affine };
type Block = { ln_1: Norm; attn: Attention; ln_2: Norm; mlp: MLP };

/** The weights; without lm_head the logits come from the embedding. */
export type Params = { wte: Tensor; wpe: Tensor; blocks: Block[]; ln_f: Norm; lm_head?: Tensor };

/** What the weights do not tell: the heads, the longest text, and whether GELU is exact, which it is not in GPT-2. */
export type Hparams = { n_head: number; n_ctx: number; exact_gelu?: boolean };

/** 0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))), or exactly 0.5 x (1 + erf(x / sqrt(2))). */
export function gelu(x: Tensor, exact = false): Tensor {
  const inner = x.add(x.pow(3).mul(0.044715)).mul(Math.sqrt(2 / Math.PI));
  return x.mul(0.5).mul(tf.add(1, exact ? tf.erf(x.mul(Math.SQRT1_2)) : tf.tanh(inner)));
}

export function softmax(x: Tensor): Tensor {
  const e = tf.exp(x.sub(x.max(-1, true)));
  return e.div(e.sum(-1, true));
}

/** Mean 0 and variance 1 over the last axis, then scaled and shifted. */
export function layer_norm(x: Tensor, { g, b }: Norm, eps = 1e-5): Tensor {
  const { mean, variance } = tf.moments(x, -1, true);
  const y = x.sub(mean).div(variance.add(eps).sqrt()).mul(g);
  return b ? y.add(b) : y;
}

/** (T, in), (in, out), (out) -> (T, out). */
export function linear(x: Tensor, { w, b }: Affine): Tensor {
  return b ? x.matMul(w).add(b) : x.matMul(w);
}

/** (T, C) -> (T, 4C) -> (T, C). */
export function ffn(x: Tensor, { c_fc, c_proj }: MLP, exact_gelu = false): Tensor {
  return linear(gelu(linear(x, c_fc), exact_gelu), c_proj);
}

/** q (Tq, D), k (Tk, D), v (Tk, D), mask (Tq, Tk) -> (Tq, D). */
export function attention(q: Tensor, k: Tensor, v: Tensor, mask: Tensor): Tensor {
  const scores = tf.matMul(q, k, false, true).div(Math.sqrt(q.shape[1]!)).add(mask); // (Tq, Tk)
  return softmax(scores).matMul(v);
}

/** Keys and values of the tokens so far, of one block: (seen, C) each. */
type Past = { k: Tensor; v: Tensor };

/** (T, C) -> (T, C), and the keys and values of all tokens, those in `past` before those of x. */
export function mha(x: Tensor, params: Attention, n_head: number, past?: Past): [Tensor, Past] {
  let [q, k, v] = tf.split(linear(x, params.c_attn), 3, -1); // (T, C) each
  if (past) [k, v] = [tf.concat([past.k, k]), tf.concat([past.v, v])]; // (seen + T, C)
  const [T, all] = [q.shape[0], k.shape[0]];
  const future = tf.range(0, all).greater(tf.range(all - T, all).expandDims(1)); // (T, seen + T)
  const mask = future.toFloat().mul(-1e10);
  const [qs, ks, vs] = [q, k, v].map((t) => tf.split(t, n_head, -1)); // H times (..., D)
  const heads = qs.map((q, h) => attention(q, ks[h], vs[h], mask)); // H times (T, D)
  return [linear(tf.concat(heads, -1), params.c_proj), { k, v }];
}

/** (T, C) -> (T, C), and the keys and values. */
export function transformer_block(
  x: Tensor,
  { mlp, attn, ln_1, ln_2 }: Block,
  { n_head, exact_gelu }: Hparams,
  past?: Past,
): [Tensor, Past] {
  const [attended, now] = mha(layer_norm(x, ln_1), attn, n_head, past);
  x = x.add(attended);
  return [x.add(ffn(layer_norm(x, ln_2), mlp, exact_gelu)), now];
}

/** ids T -> logits (T, V). */
export function gpt2(inputs: number[] | Tensor, params: Params, hparams: Hparams): Tensor {
  return gpt2Cached(inputs, params, hparams)[0];
}

/**
 * The same for the tokens after those in `cache`: ids T -> logits (T, V), and the cache with these tokens as well. A
 * token's keys and values do not depend on what comes behind it, so that they need to be computed once only.
 */
export function gpt2Cached(
  inputs: number[] | Tensor,
  { wte, wpe, blocks, ln_f, lm_head = wte }: Params,
  hparams: Hparams,
  cache: Past[] = [],
): [Tensor, Past[]] {
  const seen = cache[0]?.k.shape[0] ?? 0;
  const tokens = tf.gather(wte, inputs); // (T, C)
  let x = tokens.add(wpe.slice(seen, tokens.shape[0]));
  const after: Past[] = [];
  for (const [i, block] of blocks.entries()) {
    [x, after[i]] = transformer_block(x, block, hparams, cache[i]);
  }
  return [tf.matMul(layer_norm(x, ln_f), lm_head, false, true), after];
}

/** Continues ids by the most probable token, again and again; returns the new ones. */
export async function generate(
  inputs: number[],
  params: Params,
  hparams: Hparams,
  n_tokens_to_generate: number,
  { use_cache = true, onToken }: { use_cache?: boolean; onToken?: (id: number) => void } = {},
): Promise<number[]> {
  const model: LanguageModel = {
    forward(ids, cache) { // (1, T) -> (1, T, V)
      const past = cache?.layers.map(({ k, v }) => ({ k: k!, v: v! }));
      const [logits, after] = gpt2Cached(ids.squeeze([0]), params, hparams, past);
      after.forEach(({ k, v }, i) => cache?.layer(i).set(k, v));
      return logits.expandDims(0);
    },
    badPlace: () => firstBadTensor(named(params)),
  };
  const output: number[] = [];
  for await (const [id] of streamTokens(model, [inputs], n_tokens_to_generate, { use_cache })) {
    output.push(id);
    onToken?.(id);
  }
  return output;
}

// ---- weights

/** The weights under their paths: "blocks.0.attn.c_attn.w". */
function named(params: object, prefix = ""): [string, Tensor][] {
  return Object.entries(params).flatMap(([key, value]) =>
    value instanceof tf.Tensor ? [[prefix + key, value]] : named(value, `${prefix}${key}.`)
  );
}

/** Hugging Face's name of each size. */
const sizes = { "124M": "gpt2", "355M": "gpt2-medium", "774M": "gpt2-large", "1558M": "gpt2-xl" };

/** A model with what belongs to it. */
export interface Loaded {
  params: Params;
  hparams: Hparams;
  tokenizer: () => Promise<Tokenizer>;
}

/** The weights of a model as an object: "h.0.attn.c_attn.weight" becomes blocks[0].attn.c_attn.w. */
export async function loadParams(source: string): Promise<Loaded> {
  using opened = await openModel(source);
  // deno-lint-ignore no-explicit-any
  const params: any = { blocks: [] };
  for (const name of opened.names) {
    const path = name
      .replace(/^(wte|wpe|lm_head)\.weight$/, "$1")
      .replace(/^h\./, "blocks.")
      .replace(/(ln_\w+)\.weight$/, "$1.g")
      .replace(/\.weight$/, ".w")
      .replace(/\.bias$/, ".b")
      .split(".");
    const leaf = path.pop()!;
    const parent = path.reduce((object, key) => object[key] ??= {}, params);
    parent[leaf] = await opened.tensor(name);
  }
  const { n_head, block_size, gelu } = opened.config;
  const hparams = { n_head, n_ctx: block_size, exact_gelu: gelu === "none" };
  return { params, hparams, tokenizer: opened.tokenizer };
}

// ---- the program

export const main = program({
  url: import.meta.url,
  defaults,
  choices: { model_size: ["124M", "355M", "774M", "1558M"] },
  check: { n_tokens_to_generate: "positive integer" },
}, async (run) => {
  const { prompt, n_tokens_to_generate, model_size, models_dir, compare } = run.options;
  const { params, hparams, ...loaded } = await loadParams(models_dir || sizes[model_size]);

  // ---- a text as ids, and back
  const tokenizer = await loaded.tokenizer();
  const V = params.wte.shape[0];
  const ids = tokenizer.encode(prompt);
  const unknown = ids.find((id) => id >= V);
  if (ids.length === 0 || unknown !== undefined) {
    const why = ids.length === 0
      ? "it is empty"
      : `its token ${unknown} is not one of the model's ${V}`;
    throw new UsageError(`Cannot continue the prompt as ${why}: choose another --prompt`);
  }
  if (ids.length + n_tokens_to_generate >= hparams.n_ctx) {
    throw new UsageError(
      `Cannot generate ${n_tokens_to_generate} tokens after a prompt of ${ids.length}: the model sees ${hparams.n_ctx}, ` +
        `and together they must be fewer; shorten --prompt or lower --n_tokens_to_generate`,
    );
  }
  if (run.trace) return console.log(trace(() => gpt2(ids, params, hparams)));

  // ---- with the cache, then without
  const decode = tokenizer.decoder();
  const write = (text: string) => Deno.stdout.writeSync(new TextEncoder().encode(text));
  await generate(ids, params, hparams, 1); // so that the first use of each operation is not timed
  write(prompt);
  const timed = async (use_cache: boolean, onToken?: (id: number) => void) => {
    const began = performance.now();
    const output = await generate(ids, params, hparams, n_tokens_to_generate, {
      use_cache,
      onToken,
    });
    return { output, seconds: (performance.now() - began) / 1000 };
  };
  let text = "";
  const { output, seconds } = await timed(true, (id) => {
    const piece = decode(id);
    text += piece;
    write(piece);
  });
  write("\n");
  console.log(`${(output.length / seconds).toFixed(1)} tokens/s with the cache`);
  if (!compare) return { ids: output, text };
  const slow = await timed(false);
  if (String(slow.output) !== String(output)) {
    throw new InputError("The cache changed the text: two tokens had all but equal scores");
  }
  const factor = slow.seconds / seconds;
  console.log(
    `${(output.length / slow.seconds).toFixed(1)} tokens/s without: the cache is ${
      factor.toFixed(1)
    } times as fast`,
  );
  return { ids: output, text, factor };
});

if (import.meta.main) await main();
