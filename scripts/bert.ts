/**
 * BERT: an encoder learns to restore masked words, and to tell whether the second of two sentences follows the first.
 * Paper: Devlin et al. 2019 (arXiv 1810.04805). Program followed: the course's bert.py, with the output projection and
 * the norm of its attention made once and trained; there they are new, and random, at each call.
 * Shapes: B rows, T = maxlen, C = d_model, H = n_heads, D = d_k, M = max_pred masked words, V words.
 *   ids and segments (B, T) -> encoder (B, T, C) -> at masked_pos (B, M): logits (B, M, V); at [CLS]: logits (B, 2)
 * Run: deno run -A scripts/bert.ts (a minute; --course trains as the course does, and restores no word)
 * Try: 1. --no-ignore_pad: are the masked words still learned?  2. --no-ffn_residual: what do the first losses say?
 *      3. --learning_rate=0.001: which of the two tasks is learned?  4. --n_layers=1: how many are needed?
 */
import * as tf from "@tensorflow/tfjs";
import { saveCheckpoint } from "lib/weights/checkpoint.ts";
import { indexSentences, readLines } from "lib/data/mod.ts";
import { UsageError } from "lib/io/errors.ts";
import * as F from "lib/functional.ts";
import * as nn from "lib/nn.ts";
import { Adam } from "lib/optim.ts";
import { attentionMaps, draw } from "lib/plot/mod.ts";
import { progressBar } from "lib/program/progress.ts";
import { python } from "lib/random.ts";
import { program } from "lib/program/run.ts";
import { item, type Tensor, values } from "lib/tensor.ts";
import { trace } from "lib/trace.ts";

export const defaults = {
  maxlen: 30, // tokens of a row: two sentences, [CLS], two [SEP] and padding
  batch_size: 6, // rows; in half of them the second sentence follows the first
  max_pred: 5, // masked tokens of a row, at most
  n_layers: 6, // layers of the encoder
  n_heads: 12, // heads of each attention
  d_model: 768, // channels of a token
  d_ff: 768 * 4, // channels inside the feed-forward networks
  d_k: 64, // channels of a query, key or value in one head
  learning_rate: 0.0001, // step size of Adam
  epochs: 60, // updates, all on one batch
  text: undefined as string | undefined, // file of sentences in order, one a line, in place of the course's
  ffn_residual: true, // the feed-forward networks have residual and norm, which the course leaves out
  ignore_pad: true, // the unused of the max_pred places do not count in the loss; in the course they teach [PAD]
  course: false, // train as the course: --learning_rate=0.001 --epochs=100 --no-ffn_residual --no-ignore_pad
  all_heads: true, // draw the attention of all heads, not of the first alone
  save: false, // write the weights (175 MB) to model.safetensors
};

type Options = Omit<typeof defaults, "text">;

const COURSE = ["--learning_rate=0.001", "--epochs=100", "--no-ffn_residual", "--no-ignore_pad"];

// ---- data

export const text = "Hello, how are you? I am Romeo.\n" +
  "Hello, Romeo My name is Juliet. Nice to meet you.\n" +
  "Nice meet you too. How are you today?\n" +
  "Great. My baseball team won the competition.\n" +
  "Oh Congratulations, Juliet\n" +
  "Thanks you Romeo";

export const SPECIAL = ["[PAD]", "[CLS]", "[SEP]", "[MASK]"]; // the first words of the vocabulary
const [PAD, CLS, SEP, MASK] = [0, 1, 2, 3];

/** One row of a batch. */
export interface Row {
  input_ids: number[]; // (T)
  segment_ids: number[]; // (T): 0 up to the first [SEP], then 1
  masked_tokens: number[]; // (M): what stood at the masked places
  masked_pos: number[]; // (M)
  isNext: boolean;
}

/** Pairs of random sentences, half of them neighbours in the text, with 15% of the words masked. */
export function makeBatch(sentences: number[][], vocab_size: number, options: Options): Row[] {
  const { maxlen, batch_size, max_pred } = options;
  const padded = (ids: number[], length: number): number[] =>
    Object.assign(Array(length).fill(PAD), ids);
  const batch: Row[] = [];
  const count = { true: 0, false: 0 };
  while (batch.length < batch_size) {
    const [a, b] = [python.randrange(sentences.length), python.randrange(sentences.length)];
    const input_ids = [CLS, ...sentences[a], SEP, ...sentences[b], SEP];
    const segment_ids = input_ids.map((_, i) => i < sentences[a].length + 2 ? 0 : 1);
    const n_pred = Math.min(max_pred, Math.max(1, roundHalfToEven(input_ids.length * 0.15)));
    const candidates = [...input_ids.keys()].filter((i) => ![CLS, SEP].includes(input_ids[i]));
    python.shuffle(candidates);
    const masked_pos = candidates.slice(0, n_pred);
    const masked_tokens = masked_pos.map((pos) => input_ids[pos]);
    for (const pos of masked_pos) {
      if (python.random() < 0.8) input_ids[pos] = MASK; // 80%
      else if (python.random() < 0.5) input_ids[pos] = python.randint(0, vocab_size - 1); // 10%; 10% stay
    }
    const isNext = a + 1 === b;
    if (count[`${isNext}`]++ >= batch_size / 2) continue; // there are enough rows of this kind
    batch.push({
      input_ids: padded(input_ids, maxlen),
      segment_ids: padded(segment_ids, maxlen),
      masked_tokens: padded(masked_tokens, max_pred),
      masked_pos: padded(masked_pos, max_pred),
      isNext,
    });
  }
  return batch;
}

/** Python's `round`: 4.5 becomes 4. */
function roundHalfToEven(x: number): number {
  const rounded = Math.round(x);
  return rounded - x === 0.5 && rounded % 2 === 1 ? rounded - 1 : rounded;
}

/** The rows as tensors: ids and segments (B, T), masked tokens and their places (B, M), isNext (B). */
export function toTensors(batch: Row[]): Tensor[] {
  const names = ["input_ids", "segment_ids", "masked_tokens", "masked_pos"] as const;
  const columns = names.map((name) => batch.map((row) => row[name]));
  const isNext = tf.tensor1d(batch.map((row) => Number(row.isNext)), "int32");
  return [...columns.map((rows) => tf.tensor2d(rows, undefined, "int32")), isNext];
}

// ---- model

export class Embedding extends nn.Module {
  tok_embed;
  pos_embed;
  seg_embed;
  norm;

  constructor(vocab_size: number, { maxlen, d_model }: Options) {
    super();
    this.tok_embed = new nn.Embedding(vocab_size, d_model);
    this.pos_embed = new nn.Embedding(maxlen, d_model);
    this.seg_embed = new nn.Embedding(2, d_model);
    this.norm = new nn.LayerNorm(d_model);
  }

  /** Tokens and segments (B, T) -> (B, T, C): the sum of what stands for token, place and segment, normalised. */
  forward(x: Tensor, seg: Tensor): Tensor {
    const pos = tf.range(0, x.shape[1]!, 1, "int32"); // (T)
    const tokens = this.tok_embed.forward(x).add(this.pos_embed.forward(pos)); // (B, T, C)
    return this.norm.forward(tokens.add(this.seg_embed.forward(seg)));
  }
}

/** True where a query must not look, at [PAD] among the keys: (B, T) -> (B, 1, 1, T), for each head and each query. */
export function attnPadMask(keys: Tensor): Tensor {
  return keys.equal(PAD).expandDims(1).expandDims(1);
}

export class MultiHeadAttention extends nn.Module {
  W_Q;
  W_K;
  W_V;
  linear;
  layer_norm;

  constructor(private options: Options) {
    super();
    const { d_model, d_k, n_heads } = options;
    this.W_Q = new nn.Linear(d_model, d_k * n_heads);
    this.W_K = new nn.Linear(d_model, d_k * n_heads);
    this.W_V = new nn.Linear(d_model, d_k * n_heads);
    this.linear = new nn.Linear(n_heads * d_k, d_model);
    this.layer_norm = new nn.LayerNorm(d_model);
  }

  /** (B, T, C), mask (B, 1, 1, T) -> (B, T, C), and the attention (B, H, T, T). */
  forward(x: Tensor, mask: Tensor): [Tensor, Tensor] {
    const { n_heads, d_k } = this.options;
    const [B, T] = x.shape;
    const splitHeads = (x: Tensor) => x.reshape([B, T, n_heads, d_k]).transpose([0, 2, 1, 3]);
    const q_s = splitHeads(this.W_Q.forward(x)); // (B, T, H * D) -> (B, H, T, D)
    const k_s = splitHeads(this.W_K.forward(x));
    const v_s = splitHeads(this.W_V.forward(x));
    const scores = tf.matMul(q_s, k_s, false, true).div(Math.sqrt(d_k)); // (B, H, T, T)
    const attn = F.softmax(tf.where(mask, -1e9, scores));
    const context = tf.matMul(attn, v_s).transpose([0, 2, 1, 3]); // (B, T, H, D)
    const output = this.linear.forward(context.reshape([B, T, n_heads * d_k])); // (B, T, C)
    return [this.layer_norm.forward(output.add(x)), attn];
  }
}

/** Two linear layers with GELU between, the same for each token: (B, T, C) -> (B, T, C). */
export class PoswiseFeedForwardNet extends nn.Module {
  fc1;
  fc2;
  layer_norm?: nn.LayerNorm;

  constructor({ d_model, d_ff, ffn_residual }: Options) {
    super();
    this.fc1 = new nn.Linear(d_model, d_ff);
    this.fc2 = new nn.Linear(d_ff, d_model);
    if (ffn_residual) this.layer_norm = new nn.LayerNorm(d_model);
  }

  forward(x: Tensor): Tensor {
    const output = this.fc2.forward(F.gelu(this.fc1.forward(x))); // (B, T, C) -> (B, T, d_ff) -> (B, T, C)
    return this.layer_norm ? this.layer_norm.forward(output.add(x)) : output;
  }
}

export class EncoderLayer extends nn.Module {
  enc_self_attn;
  pos_ffn;

  constructor(options: Options) {
    super();
    this.enc_self_attn = new MultiHeadAttention(options);
    this.pos_ffn = new PoswiseFeedForwardNet(options);
  }

  forward(x: Tensor, mask: Tensor): [Tensor, Tensor] {
    const [output, attn] = this.enc_self_attn.forward(x, mask);
    return [this.pos_ffn.forward(output), attn];
  }
}

export class BERT extends nn.Module {
  decoder_bias;
  embedding;
  layers;
  fc;
  linear;
  norm;
  classifier;
  decoder;

  constructor(vocab_size: number, options: Options) {
    super();
    const { d_model, n_layers } = options;
    this.decoder_bias = nn.parameter(tf.zeros([vocab_size]));
    this.embedding = new Embedding(vocab_size, options);
    this.layers = nn.ModuleList.repeat(n_layers, () => new EncoderLayer(options));
    this.fc = new nn.Linear(d_model, d_model);
    this.linear = new nn.Linear(d_model, d_model);
    this.norm = new nn.LayerNorm(d_model);
    this.classifier = new nn.Linear(d_model, 2);
    this.decoder = new nn.Linear(d_model, vocab_size, { bias: false }); // draws weights, as in PyTorch ...
    this.decoder.weight.dispose();
    this.decoder.weight = this.embedding.tok_embed.weight; // ... and shares those of the embedding
  }

  /** Ids and segments (B, T), masked places (B, M) -> logits (B, M, V) and (B, 2), the last attention (B, H, T, T). */
  forward(input_ids: Tensor, segment_ids: Tensor, masked_pos: Tensor) {
    const [B, T] = input_ids.shape;
    const mask = attnPadMask(input_ids);
    let x = this.embedding.forward(input_ids, segment_ids), attn = mask; // (B, T, C)
    for (const layer of this.layers) [x, attn] = layer.forward(x, mask);
    const h_cls = x.slice([0, 0], [B, 1]).squeeze([1]); // (B, C)
    const logits_clsf = this.classifier.forward(this.fc.forward(h_cls).tanh()); // (B, 2)
    const rows = masked_pos.add(tf.range(0, B * T, T, "int32").expandDims(1)); // (B, M)
    const h_masked = F.embedding(rows, x.reshape([B * T, -1])); // (B, M, C): row b * T + pos of (B * T, C)
    const h = this.norm.forward(F.gelu(this.linear.forward(h_masked)));
    const logits_lm = this.decoder.forward(h).add(this.decoder_bias); // (B, M, V)
    return { logits_lm, logits_clsf, attn };
  }
}

/** What the model makes of the tensors of a batch. */
function predict(model: BERT, [input_ids, segment_ids, , masked_pos]: Tensor[]) {
  return model.forward(input_ids, segment_ids, masked_pos);
}

/** The cross-entropies of both tasks, for the tensors of a batch. */
export function losses(model: BERT, batch: Tensor[], ignore_index?: number): [Tensor, Tensor] {
  const [, , masked_tokens, , isNext] = batch;
  const { logits_lm, logits_clsf } = predict(model, batch);
  const loss_lm = F.crossEntropy(logits_lm, masked_tokens, { ignore_index });
  return [loss_lm, F.crossEntropy(logits_clsf, isNext)];
}

/** A row as text: in brackets what was guessed for its masked words, and the right word if it is another. */
export function restore(row: Row, guesses: number[], words: string[]): string {
  const shown = row.input_ids.filter((id) => id !== PAD).map((id) => words[id]);
  for (const [m, id] of row.masked_tokens.entries()) {
    const right = guesses[m] === id ? "" : ` (right: ${words[id]})`;
    if (id !== PAD) shown[row.masked_pos[m]] = `[${words[guesses[m]]}${right}]`;
  }
  return shown.join(" ");
}

export const main = program({
  url: import.meta.url,
  defaults,
  check: {
    maxlen: "positive integer",
    batch_size: (n) =>
      Number.isInteger(n) && n > 0 && n % 2 === 0 ? undefined : "an even number from 2 on",
    max_pred: "positive integer",
    n_layers: "positive integer",
    n_heads: "positive integer",
    d_model: "positive integer",
    d_ff: "positive integer",
    d_k: "positive integer",
    learning_rate: "nonnegative",
    epochs: "positive integer",
  },
  preset: ({ course }) => course ? COURSE : [],
  long: ({ epochs }) => epochs >= 20,
}, async (run) => {
  const { maxlen, max_pred, learning_rate, epochs, ignore_pad } = run.options;

  // ---- data
  const { text: file } = run.options;
  const source = file === undefined ? text : await readLines(file, { least: 2 });
  const { words, sentences } = indexSentences(source, SPECIAL);
  const longest = sentences.reduce((a, b) => b.length > a.length ? b : a);
  const needed = 2 * longest.length + 3; // it may be drawn twice, with [CLS] and two [SEP]
  if (needed > maxlen) {
    const sentence = longest.map((id) => words[id]).join(" ");
    throw new UsageError(
      `Flag --maxlen expects at least ${needed}, for two times "${sentence}": given '${maxlen}'`,
    );
  }

  // ---- model
  const model = new BERT(words.length, run.options);
  const optimizer = new Adam(model.parameters(), { lr: learning_rate });
  const batch = makeBatch(sentences, words.length, run.options);
  const tensors = toTensors(batch);
  if (run.trace) return console.log(trace(() => losses(model, tensors), model));

  // ---- train
  const bar = progressBar(epochs);
  for (let epoch = 1; epoch <= epochs; epoch++) {
    const lossOf = () => tf.addN(losses(model, tensors, ignore_pad ? PAD : undefined));
    const loss = await item(optimizer.step(lossOf));
    if (run.logs(epoch, 10)) run.log(epoch, { loss });
    const line = `Epoch: ${String(epoch).padStart(4, "0")} cost = ${loss.toFixed(6)}`;
    if (epoch % 10 === 0) bar.log(line);
    bar.update(epoch);
  }
  bar.stop();

  if (run.options.save) await saveCheckpoint(run.path("model.safetensors"), model.stateDict());

  // ---- predict the masked words and isNext of all rows; the course shows the first
  const { logits_lm, logits_clsf, attn } = tf.tidy(() => predict(model, tensors));
  const guesses = [...await values(() => logits_lm.argMax(2))]; // (B * M)
  const nextGuesses = await values(() => logits_clsf.argMax(1)); // (B)
  const [row] = batch, predicted = guesses.slice(0, max_pred), predictedNext = nextGuesses[0] === 1;
  const tokens = row.input_ids.filter((id) => id !== PAD).map((id) => words[id]);
  const list = (ids: number[]) => `[${ids.filter((id) => id !== PAD).join(", ")}]`;
  console.log(source.trimEnd());
  console.log(`[${tokens.map((token) => `'${token}'`).join(", ")}]`);
  console.log(`masked tokens list :  ${list(row.masked_tokens)}`);
  console.log(`predict masked tokens list :  ${list(predicted)}`);
  console.log(`isNext :  ${row.isNext ? "True" : "False"}`);
  console.log(`predict isNext :  ${predictedNext ? "True" : "False"}`);
  console.log("All rows, with the words that were restored:");
  for (const [b, row] of batch.entries()) {
    console.log(`  ${restore(row, guesses.slice(b * max_pred), words)}`);
  }

  // ---- picture: the last layer's attention in the first row, without padding
  const [heads] = await attn.array() as number[][][][]; // (H, T, T)
  const options = { heads, queries: tokens, keys: tokens, all: run.options.all_heads };
  const title = "Attention of the last layer";
  await draw(run.path("attention"), () => attentionMaps({ title, ...options }));
  return { model, batch, words, predicted, predictedNext, attn: attn.slice(0, 1) };
});

if (import.meta.main) await main();
