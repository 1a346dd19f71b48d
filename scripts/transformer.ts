/**
 * Transformer: an encoder reads a sentence, a decoder writes its translation word by word.
 * Paper: Vaswani et al. 2017, "Attention is all you need". Program followed: the course's transformer.py.
 * Shapes: B sentences, Ts and Tt words (source, target), C = d_model, H = n_heads, D = d_k, V target words.
 *   source (B, Ts) -> encoder (B, Ts, C); with it, the target so far (B, Tt) -> decoder (B, Tt, C) -> logits (B, Tt, V)
 * Run: deno run -A scripts/transformer.ts
 * Or a translator: --pairs=FILE --n_layers=2 --d_model=128 --d_ff=512 --n_heads=4 --d_k=32 --epochs=30
 * Try: 1. --all_heads: do the heads look at different words?  2. --n_layers=1: is the sentence learned sooner?
 *      3. --pairs=FILE --beam_size=4: is more right?  4. leave out attnSubsequentMask: which prediction does it harm?
 */
import * as tf from "@tensorflow/tfjs";
import { saveCheckpoint } from "lib/weights/checkpoint.ts";
import { DataLoader, makePairs, pairDataset, type Pairs, readPairs } from "lib/data/mod.ts";
import * as F from "lib/functional.ts";
import { generate, type GenerateOptions, type LanguageModel, repeatRows } from "lib/generation.ts";
import * as nn from "lib/nn.ts";
import { Adam } from "lib/optim.ts";
import { attentionMaps, draw, heatmap, lines } from "lib/plot/mod.ts";
import { progressBar } from "lib/program/progress.ts";
import { program } from "lib/program/run.ts";
import { item, type Tensor, values } from "lib/tensor.ts";
import { firstBadValue, trace } from "lib/trace.ts";

export const defaults = {
  d_model: 512, // channels of a word
  d_ff: 2048, // channels inside the feed-forward networks
  d_k: 64, // channels of a query, key or value in one head
  n_layers: 6, // layers of the encoder, and of the decoder
  n_heads: 8, // heads of each attention
  learning_rate: 0.001, // step size of Adam
  epochs: 20, // passes over the sentences
  batch_size: 16, // sentences an update
  pairs: undefined as string | undefined, // CSV or TSV file to learn: sentences, then their translations
  beam_size: 1, // beginnings that decoding keeps at each place; 1 is greedy
  all_heads: false, // draw the attention of all heads, not of the first alone
  save: false, // write the weights to model.safetensors (177 MB); with --pairs they always are
};

type Options = Pick<typeof defaults, "d_model" | "d_ff" | "d_k" | "n_layers" | "n_heads">;

// ---- model

/** PE(pos, 2i) = sin(pos / 10000^(2i / C)) and PE(pos, 2i + 1) = cos of the same (section 3.5): (positions, C). */
export function sinusoidEncodingTable(positions: number, d_model: number): tf.Tensor2D {
  const angle = (pos: number, i: number) => pos / 10000 ** (2 * Math.floor(i / 2) / d_model);
  const value = (pos: number, i: number) => (i % 2 ? Math.cos : Math.sin)(angle(pos, i));
  const row = (pos: number) => Array.from({ length: d_model }, (_, i) => value(pos, i));
  return tf.tensor2d(Array.from({ length: positions }, (_, pos) => row(pos)));
}

/** True where a query must not look, at P among the keys: (B, Tk) -> (B, 1, Tk), the same for each query. */
export function attnPadMask(keys: Tensor): Tensor {
  return keys.equal(0).expandDims(1);
}

/** True where a query must not look, at the words after its own: (B, T) -> (T, T). */
export function attnSubsequentMask(words: Tensor): Tensor {
  const position = tf.range(0, words.shape[1]!, 1, "int32");
  return position.expandDims(0).greater(position.expandDims(1)); // (1, T) > (T, 1) -> (T, T)
}

/** softmax(Q K^T / sqrt(D)) V, and the softmax: Q (B, H, Tq, D), K and V (B, H, Tk, D), mask (B, 1 or Tq, Tk). */
export function scaledDotProductAttention(Q: Tensor, K: Tensor, V: Tensor, mask: Tensor) {
  const scores = tf.matMul(Q, K, false, true).div(Math.sqrt(Q.shape.at(-1)!)); // (B, H, Tq, Tk)
  const attn = F.softmax(tf.where(mask.expandDims(1), -1e9, scores)); // the same mask for each head
  return { context: tf.matMul(attn, V), attn }; // (B, H, Tq, D), (B, H, Tq, Tk)
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

  /** Q (B, Tq, C), K and V (B, Tk, C), mask (B, 1 or Tq, Tk) -> (B, Tq, C), attention (B, H, Tq, Tk). */
  forward(Q: Tensor, K: Tensor, V: Tensor, mask: Tensor): [Tensor, Tensor] {
    const { n_heads, d_k } = this.options;
    const B = Q.shape[0];
    const splitHeads = (x: Tensor) => x.reshape([B, -1, n_heads, d_k]).transpose([0, 2, 1, 3]);
    const q_s = splitHeads(this.W_Q.forward(Q)); // (B, Tq, H * D) -> (B, H, Tq, D)
    const k_s = splitHeads(this.W_K.forward(K)); // (B, H, Tk, D)
    const v_s = splitHeads(this.W_V.forward(V)); // (B, H, Tk, D)
    const { context, attn } = scaledDotProductAttention(q_s, k_s, v_s, mask);
    const joined = context.transpose([0, 2, 1, 3]).reshape([B, -1, n_heads * d_k]); // (B, Tq, H * D)
    return [this.layer_norm.forward(this.linear.forward(joined).add(Q)), attn];
  }
}

/** Two linear layers with ReLU between, the same for each word, then residual and norm: (B, T, C) -> (B, T, C). */
export class PoswiseFeedForwardNet extends nn.Module {
  conv1; // a convolution of kernel 1 is a linear layer for each word
  conv2;
  layer_norm;

  constructor({ d_model, d_ff }: Options) {
    super();
    this.conv1 = new nn.Conv1d(d_model, d_ff);
    this.conv2 = new nn.Conv1d(d_ff, d_model);
    this.layer_norm = new nn.LayerNorm(d_model);
  }

  forward(x: Tensor): Tensor {
    const hidden = F.relu(this.conv1.forward(x.transpose([0, 2, 1]))); // (B, d_ff, T)
    const output = this.conv2.forward(hidden).transpose([0, 2, 1]); // (B, T, C)
    return this.layer_norm.forward(output.add(x));
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
    const [output, attn] = this.enc_self_attn.forward(x, x, x, mask);
    return [this.pos_ffn.forward(output), attn];
  }
}

export class DecoderLayer extends nn.Module {
  dec_self_attn;
  dec_enc_attn;
  pos_ffn;

  constructor(options: Options) {
    super();
    this.dec_self_attn = new MultiHeadAttention(options);
    this.dec_enc_attn = new MultiHeadAttention(options);
    this.pos_ffn = new PoswiseFeedForwardNet(options);
  }

  forward(x: Tensor, encoded: Tensor, selfMask: Tensor, encMask: Tensor): [Tensor, Tensor, Tensor] {
    const [y, selfAttn] = this.dec_self_attn.forward(x, x, x, selfMask);
    const [output, encAttn] = this.dec_enc_attn.forward(y, encoded, encoded, encMask);
    return [this.pos_ffn.forward(output), selfAttn, encAttn];
  }
}

export class Encoder extends nn.Module {
  src_emb;
  pos_emb;
  layers;

  constructor(vocab_size: number, src_len: number, options: Options) {
    super();
    this.src_emb = new nn.Embedding(vocab_size, options.d_model);
    this.pos_emb = nn.Embedding.fromPretrained(sinusoidEncodingTable(src_len + 1, options.d_model));
    this.layers = new nn.ModuleList(
      Array.from({ length: options.n_layers }, () => new EncoderLayer(options)),
    );
  }

  /** (B, Ts) -> (B, Ts, C), and each layer's attention (B, H, Ts, Ts). Words stand at 1, 2, ..., P at 0. */
  forward(enc_inputs: Tensor): [Tensor, Tensor[]] {
    const count = tf.range(1, enc_inputs.shape[1]! + 1, 1, "int32"); // (Ts)
    const positions = count.mul(enc_inputs.notEqual(0).toInt()); // (B, Ts)
    const mask = attnPadMask(enc_inputs); // (B, 1, Ts)
    let x = this.src_emb.forward(enc_inputs).add(this.pos_emb.forward(positions)); // (B, Ts, C)
    const attns: Tensor[] = [];
    for (const [i, layer] of [...this.layers].entries()) [x, attns[i]] = layer.forward(x, mask);
    return [x, attns];
  }
}

export class Decoder extends nn.Module {
  tgt_emb;
  pos_emb;
  layers;

  constructor(vocab_size: number, private tgt_len: number, options: Options) {
    super();
    this.tgt_emb = new nn.Embedding(vocab_size, options.d_model);
    this.pos_emb = nn.Embedding.fromPretrained(sinusoidEncodingTable(tgt_len + 1, options.d_model));
    this.layers = new nn.ModuleList(
      Array.from({ length: options.n_layers }, () => new DecoderLayer(options)),
    );
  }

  /** (B, Tt), (B, Ts), encoded (B, Ts, C) -> (B, Tt, C), and each layer's two attentions. Words stand at 1, 2, ... */
  forward(dec_inputs: Tensor, enc_inputs: Tensor, encoded: Tensor): [Tensor, Tensor[], Tensor[]] {
    const count = Array.from({ length: dec_inputs.shape[1]! - 1 }, (_, i) => i + 1);
    const positions = tf.tensor1d([this.tgt_len, ...count], "int32"); // (Tt); S has the last one in the course
    const selfMask = attnPadMask(dec_inputs).logicalOr(attnSubsequentMask(dec_inputs)); // (B, Tt, Tt)
    const encMask = attnPadMask(enc_inputs); // (B, 1, Ts)
    let x = this.tgt_emb.forward(dec_inputs).add(this.pos_emb.forward(positions)); // (B, Tt, C)
    const selfAttns: Tensor[] = [], encAttns: Tensor[] = [];
    for (const [i, layer] of [...this.layers].entries()) {
      [x, selfAttns[i], encAttns[i]] = layer.forward(x, encoded, selfMask, encMask);
    }
    return [x, selfAttns, encAttns];
  }
}

export class Transformer extends nn.Module {
  encoder;
  decoder;
  projection;

  constructor(readonly pairs: Pairs, options: Options) {
    super();
    const { source, target, src_len, tgt_len } = pairs;
    this.encoder = new Encoder(source.length, src_len, options);
    this.decoder = new Decoder(target.length, tgt_len, options);
    this.projection = new nn.Linear(options.d_model, target.length, { bias: false });
  }

  /** (B, Ts), (B, Tt) -> logits (B, Tt, V), and for each of the three attentions what it is in each layer. */
  forward(enc_inputs: Tensor, dec_inputs: Tensor) {
    const [encoded, ...encAttns] = this.encoder.forward(enc_inputs);
    const [decoded, ...decAttns] = this.decoder.forward(dec_inputs, enc_inputs, encoded);
    return { logits: this.projection.forward(decoded), attns: [...encAttns, ...decAttns] };
  }
}

// ---- decoding

/** Writes the target of a source: (1, Ts) -> words up to E, or `tgt_len` of them. */
async function decode(model: Transformer, enc_input: Tensor, options: GenerateOptions) {
  const { start, tgt_len } = model.pairs;
  const encoded = tf.tidy(() => model.encoder.forward(enc_input)[0]); // (1, Ts, C)
  const decoder: LanguageModel = {
    forward(words) { // (N, t) -> (N, t, V)
      const [inputs, outputs] = [enc_input, encoded].map((x) => repeatRows(x, words.shape[0])); // (N, Ts), (N, Ts, C)
      return model.projection.forward(model.decoder.forward(words, inputs, outputs)[0]);
    },
    badPlace: (words) => firstBadValue(model, () => model.forward(enc_input, words)),
  };
  const [words] = await generate(decoder, [[start]], tgt_len, { use_cache: false, ...options });
  encoded.dispose();
  return words.slice(1);
}

/** The most probable word at each place, given those before it; `toEnd` false goes on behind E. */
export async function greedyDecoder(model: Transformer, enc_input: Tensor, toEnd = true) {
  return await decode(model, enc_input, { stop: toEnd ? [model.pairs.end] : [] });
}

/** As greedyDecoder, but goes on with the `beam_size` most probable beginnings at each place. */
export async function beamSearch(model: Transformer, enc_input: Tensor, beam_size: number) {
  const options = { num_beams: beam_size, length_penalty: 0, stop: [model.pairs.end] };
  return await decode(model, enc_input, options);
}

/** The shares of sentences decoded as they should be and of words right given those before them; what was decoded. */
export async function evaluate(model: Transformer, rows: number[], beam_size: number) {
  const { targets, end } = model.pairs;
  const decoded: number[][] = [];
  let exact = 0, right = 0, words = 0;
  for (const [enc, dec] of new DataLoader(pairDataset(model.pairs, rows))) {
    const truth = [...targets[rows[decoded.length]], end];
    const predicted = await values(() => model.forward(enc, dec).logits.argMax(-1)); // (1, Tt)
    right += truth.filter((id, i) => id === predicted[i]).length;
    words += truth.length;
    const ids = beam_size > 1 ? beamSearch(model, enc, beam_size) : greedyDecoder(model, enc);
    decoded.push(await ids);
    exact += Number(`${decoded.at(-1)}` === `${truth}`);
  }
  return { decoded, exactMatch: exact / rows.length, tokenAccuracy: right / words };
}

// ---- pictures

/** Positional encodings: the matrix (C, 128), and the first four dimensions as curves. */
async function drawPositions(d_model: number, matrix: string, curves: string) {
  const table = await sinusoidEncodingTable(128, d_model).transpose().array() as number[][];
  const axes = { title: "Positional encodings", xLabel: "token position" };
  await draw(matrix, () => heatmap({ ...axes, yLabel: "embedding dimension", values: table }));
  const dims = table.slice(0, 4).map((row, i) => [`dim = ${i}`, row.slice(0, 32)]);
  await draw(curves, () => lines({ ...axes, yLabel: "value", series: Object.fromEntries(dims) }));
}

export const main = program({
  url: import.meta.url,
  defaults,
  seed: 14,
  check: {
    d_model: "positive integer",
    d_ff: "positive integer",
    d_k: "positive integer",
    n_layers: "positive integer",
    n_heads: "positive integer",
    learning_rate: "nonnegative",
    epochs: "positive integer",
    batch_size: "positive integer",
    beam_size: "positive integer",
  },
  long: ({ pairs }) => pairs !== undefined,
}, async (run) => {
  const { pairs: file, d_model, epochs, learning_rate, batch_size, beam_size, all_heads } =
    run.options;

  // ---- data: every tenth pair is held out
  const course = [["ich mochte ein bier", "i want a beer"]];
  const sentences = file === undefined ? course : await readPairs(file);
  const pairs = makePairs(sentences);
  const rows = [...sentences.keys()];
  const [training, heldOut] = [rows.filter((i) => i % 10 < 9), rows.filter((i) => i % 10 === 9)];
  const tested = heldOut.length > 0 ? heldOut : training;
  const source = [...pairs.sources[tested[0]], 0]; // the pair to draw; the course has a P behind the source
  const target = [pairs.start, ...pairs.targets[tested[0]]];
  const tensor = (ids: number[]) => tf.tensor2d(ids, [1, ids.length], "int32");
  const [enc_inputs, dec_inputs] = [tensor(source), tensor(target)]; // (1, Ts), (1, Tt)

  // ---- model
  const model = new Transformer(pairs, run.options);
  const optimizer = new Adam(model.parameters(), { lr: learning_rate });
  const show = () => model.forward(enc_inputs, dec_inputs);
  if (run.trace) return console.log(trace(show, model));
  if (file) console.log(`${training.length} pairs to train on, ${heldOut.length} held out`);

  // ---- train
  const loader = new DataLoader(pairDataset(pairs, training), { batch_size, shuffle: true });
  const steps = epochs * loader.length;
  const bar = progressBar(steps);
  const costs: number[] = []; // the mean loss of each epoch
  let attns: Tensor[] = []; // of the last layer: (1, H, Ts, Ts), (1, H, Tt, Tt), (1, H, Tt, Ts)
  for (let epoch = 0, step = 0; epoch < epochs; epoch++) {
    costs.push(0);
    for (const [enc, dec, target] of loader) {
      // The course draws the attention as it is before the last update.
      if (++step === steps) attns = tf.tidy(() => show().attns.map((layers) => layers.at(-1)!));
      const lossOf = (logits: Tensor) => F.crossEntropy(logits, target, { ignore_index: 0 });
      const loss = await item(optimizer.step(() => lossOf(model.forward(enc, dec).logits)));
      if (run.logs(step, loader.length)) run.log(step, { loss });
      costs[epoch] += loss / loader.length;
      bar.update(step);
    }
    bar.log(`Epoch: ${String(epoch + 1).padStart(4, "0")} cost = ${costs[epoch].toFixed(6)}`);
  }
  bar.stop();
  if (file || run.options.save) {
    const words = { source: JSON.stringify(pairs.source), target: JSON.stringify(pairs.target) };
    await saveCheckpoint(run.path("model.safetensors"), model.stateDict(), words);
  }

  // ---- predict: each word given the right ones before it, then given the decoded ones
  const list = (ids: number[]) => `[${ids.map((id) => `'${pairs.target[id]}'`).join(", ")}]`;
  const sourceWords = source.map((id) => pairs.source[id]);
  const targetWords = target.map((id) => pairs.target[id]);
  const greedyInput = [pairs.start, ...await greedyDecoder(model, enc_inputs, false)].slice(0, -1);
  const predictions: number[][] = []; // as many words as there are inputs
  for (const dec of [dec_inputs, tensor(greedyInput)]) {
    const ids = await values(() => model.forward(enc_inputs, dec).logits.argMax(-1)); // (1, Tt)
    predictions.push([...ids]);
    if (!file) console.log(`${sourceWords.join(" ")} -> ${list([...ids])}`);
  }

  // ---- pictures
  await drawPositions(d_model, run.path("positional-encodings"), run.path("sin-cos"));
  for (const [i, name] of ["enc_self_attns", "dec_self_attns", "dec_enc_attns"].entries()) {
    const title = `${all_heads ? "all heads" : "first head"} of last state ${name}`;
    console.log(title);
    const queries = i === 0 ? sourceWords : targetWords, keys = i === 1 ? targetWords : sourceWords;
    const [heads] = await attns[i].array() as number[][][][]; // (H, Tq, Tk)
    const figure = () =>
      attentionMaps({ title, heads, queries, keys, all: all_heads, domain: [0, 1] });
    await draw(run.path(name), figure);
  }
  const curve = { x: costs.map((_, i) => i + 1), y: costs };
  const loss = { title: "Loss", xLabel: "epoch", yLabel: "cross-entropy", series: { loss: curve } };
  if (file) await draw(run.path("loss"), () => lines(loss));

  // ---- decode up to E, and compare
  const result = await evaluate(model, tested, beam_size);
  console.log(`${beam_size === 1 ? "Greedy decoding" : `Beam search of ${beam_size}`} up to E:`);
  for (const [i, row] of tested.slice(0, 5).entries()) {
    const [source, target] = sentences[row];
    console.log(`${source} -> ${list(result.decoded[i])} (right: ${target})`);
  }
  const [exact, right] = [result.exactMatch, result.tokenAccuracy].map((share) => share.toFixed(4));
  const kind = heldOut.length > 0 ? "held out" : "trained on";
  console.log(`Sentences ${kind}: exact match ${exact}, token accuracy ${right}`);
  return { model, costs, predictions, greedyInput, attns, ...result };
});

if (import.meta.main) await main();
