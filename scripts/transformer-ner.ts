/**
 * Tagger: an encoder that gives each word of a sentence its part of speech, or its part in a named entity.
 * Program followed: the course's transformer-ner.py, an encoder after minGPT's model.
 * Shapes: B sentences, T words with padding, C = n_embd channels, H heads, D = C / H, V tags.
 *   ids (B, T) -> embeddings (B, T, C) -> n_layer blocks (B, T, C) -> logits (B, T, V)
 * Run: deno run -A scripts/transformer-ner.ts
 * Try: 1. --attention=fused: the same function, drawn in another order.  2. --train=FILE --test=FILE in CoNLL columns.
 *      3. what does the tagger predict at padding, and why does nobody mind?
 */
import * as tf from "@tensorflow/tfjs";
import { saveCheckpoint } from "lib/weights/checkpoint.ts";
import { readCoNLL, type TaggedSentence } from "lib/data/mod.ts";
import { InputError, UsageError } from "lib/io/errors.ts";
import * as F from "lib/functional.ts";
import * as nn from "lib/nn.ts";
import { Adam } from "lib/optim.ts";
import { confusionMatrix, draw } from "lib/plot/mod.ts";
import { program } from "lib/program/run.ts";
import { confusionCounts, macroF1 } from "lib/scores.ts";
import { format, item, type Tensor, values } from "lib/tensor.ts";
import { trace } from "lib/trace.ts";

export const defaults = {
  n_layer: 2, // blocks
  n_head: 2, // heads of each attention
  n_embd: 64, // channels of a word
  embd_pdrop: 0.1, // dropout of the embeddings
  resid_pdrop: 0.1, // dropout of the residual branches
  attn_pdrop: 0.1, // dropout of the attention weights
  attention: "heads", // a list of heads, each with its own layers, or all heads fused into one
  layer_norm: "pytorch", // or the course's own, which takes the sample deviation
  batch_size: 3, // sentences an update
  max_len: 12, // words of the longest sentence
  steps: 1000, // updates
  learning_rate: 0.001, // step size of Adam
  train: "", // sentences in CoNLL columns: word first, tag last, an empty line between sentences; empty: the course's six
  test: "", // such a file to measure on; empty: the training sentences
};

// ---- data

const course: TaggedSentence[] = [
  ["The cat sat on the mat .", "DET NOUN VERB ADP DET NOUN PUNCT"],
  ["I love eating pizza .", "PRON VERB VERB NOUN PUNCT"],
  ["John is running in the park .", "PROPN AUX VERB ADP DET NOUN PUNCT"],
  ["She gave him a beautiful gift .", "PRON VERB PRON DET ADJ NOUN PUNCT"],
  ["They are playing soccer together .", "PRON AUX VERB NOUN ADV PUNCT"],
  ["The cat is eating pizza in the park .", "DET NOUN AUX VERB NOUN ADP DET NOUN PUNCT"],
].map(([words, tags]) => ({ words: words.split(" "), tags: tags.split(" ") }));

const PAD = "[PAD]", UNK = "[UNK]";

/** Indices of words and tags; those of the training sentences, sorted. Padding is 0 in both. */
export class Vocabulary {
  words: string[];
  tags: string[];
  private known: Set<string>;

  /** With `unknown`, words that come once count as unknown, so that the vector of [UNK] is trained. */
  constructor(sentences: TaggedSentence[], { unknown = false } = {}) {
    const counts = new Map<string, number>();
    for (const word of sentences.flatMap(({ words }) => words)) {
      counts.set(word, (counts.get(word) ?? 0) + 1);
    }
    const kept = [...counts.keys()].filter((word) => !unknown || counts.get(word)! > 1).sort();
    // [CLS], [SEP] and [MASK] are there for pretraining as BERT does it.
    this.words = [PAD, "[CLS]", "[SEP]", "[MASK]", ...unknown ? [UNK] : [], ...kept];
    this.tags = [PAD, ...new Set(sentences.flatMap(({ tags }) => tags).sort())];
    this.known = new Set(kept);
  }

  /** Inputs (N, max_len) and targets (N, max_len), padded with 0. */
  encode(sentences: TaggedSentence[], max_len: number, file = "") {
    const pad = (ids: number[]) => [...ids, ...Array(max_len - ids.length).fill(0)];
    for (const [i, { words, tags }] of sentences.entries()) {
      const of = file && ` of '${file}'`;
      const start = words.slice(0, 6).join(" ") + (words.length > 6 ? " ..." : "");
      const name = `sentence ${i + 1}${of}, "${start}"`;
      if (words.length > max_len) {
        throw new UsageError(
          `Cannot encode ${name}: it has ${words.length} words, --max_len is ${max_len}`,
        );
      }
      const odd = tags.find((tag) => !this.tags.includes(tag));
      if (odd !== undefined) {
        throw new InputError(`Cannot encode ${name}: its tag ${odd} is in no training sentence`);
      }
    }
    const wordId = (word: string) => this.words.indexOf(this.known.has(word) ? word : UNK);
    return {
      inputs: sentences.map(({ words }) => pad(words.map(wordId))),
      targets: sentences.map(({ tags }) => pad(tags.map((tag) => this.tags.indexOf(tag)))),
    };
  }
}

// ---- model

type Options = typeof defaults;

/** The course's own layer norm: sample deviation, with eps outside the root. */
export class OwnLayerNorm extends nn.Module {
  a_2;
  b_2;

  constructor(features: number, readonly eps = 1e-6) {
    super();
    this.a_2 = nn.parameter(tf.ones([features]));
    this.b_2 = nn.parameter(tf.zeros([features]));
  }

  forward(x: Tensor): Tensor {
    const centred = x.sub(x.mean(-1, true));
    const std = centred.square().sum(-1, true).div(x.shape.at(-1)! - 1).sqrt(); // (..., 1)
    return this.a_2.mul(centred).div(std.add(this.eps)).add(this.b_2);
  }
}

const layerNorm = ({ layer_norm, n_embd }: Options): nn.Layer =>
  layer_norm === "own" ? new OwnLayerNorm(n_embd) : new nn.LayerNorm(n_embd);

/** One head: x (B, T, C), mask (B, T), true at padding -> (B, T, D). */
export class HeadAttention extends nn.Module {
  q_lin;
  k_lin;
  v_lin;
  attn_dropout;

  constructor(n_embd: number, n_embd_head: number, attn_pdrop: number) {
    super();
    this.q_lin = new nn.Linear(n_embd, n_embd_head);
    this.k_lin = new nn.Linear(n_embd, n_embd_head);
    this.v_lin = new nn.Linear(n_embd, n_embd_head);
    this.attn_dropout = new nn.Dropout(attn_pdrop);
  }

  forward(x: Tensor, paddingMask: Tensor): Tensor {
    const q = this.q_lin.forward(x); // (B, T, D)
    const k = this.k_lin.forward(x);
    const v = this.v_lin.forward(x);
    const scores = tf.matMul(q, k, false, true).mul(1 / Math.sqrt(k.shape.at(-1)!)); // (B, T, T)
    const hidden = tf.broadcastTo(paddingMask.expandDims(1), scores.shape); // (B, 1, T) -> (B, T, T)
    const att = F.softmax(tf.where(hidden, tf.fill(scores.shape, -1e9), scores));
    return tf.matMul(this.attn_dropout.forward(att), v); // (B, T, D)
  }
}

/** Heads as a list: x (B, T, C), mask (B, T) -> (B, T, C). */
export class MultiHeadAttentionSimple extends nn.Module {
  heads;
  c_proj;
  resid_dropout;

  constructor({ n_embd, n_head, attn_pdrop, resid_pdrop }: Options) {
    super();
    this.heads = new nn.ModuleList(
      Array.from({ length: n_head }, () => new HeadAttention(n_embd, n_embd / n_head, attn_pdrop)),
    );
    this.c_proj = new nn.Linear(n_embd, n_embd);
    this.resid_dropout = new nn.Dropout(resid_pdrop);
  }

  forward(x: Tensor, paddingMask: Tensor): Tensor {
    const y = tf.concat([...this.heads].map((head) => head.forward(x, paddingMask)), -1); // (B, T, C)
    return this.resid_dropout.forward(this.c_proj.forward(y));
  }
}

/** All heads at once: the same function with one matrix for queries, keys and values. */
export class MultiHeadAttentionOriginal extends nn.Module {
  c_attn;
  c_proj;
  attn_dropout;
  resid_dropout;
  n_head: number;

  constructor({ n_embd, n_head, attn_pdrop, resid_pdrop }: Options) {
    super();
    this.c_attn = new nn.Linear(n_embd, 3 * n_embd);
    this.c_proj = new nn.Linear(n_embd, n_embd);
    this.attn_dropout = new nn.Dropout(attn_pdrop);
    this.resid_dropout = new nn.Dropout(resid_pdrop);
    this.n_head = n_head;
  }

  forward(x: Tensor, paddingMask: Tensor): Tensor {
    const [B, T, C] = x.shape;
    const splitHeads = (t: Tensor) =>
      t.reshape([B, T, this.n_head, C / this.n_head]).transpose([0, 2, 1, 3]);
    const [q, k, v] = tf.split(this.c_attn.forward(x), 3, 2).map(splitHeads); // (B, H, T, D)
    const y = F.scaledDotProductAttention(q, k, v, {
      mask: paddingMask.logicalNot().reshape([B, 1, 1, T]),
      dropout_p: this.attn_dropout.p,
      training: this.training,
    }); // (B, H, T, D)
    const joined = y.transpose([0, 2, 1, 3]).reshape([B, T, C]);
    return this.resid_dropout.forward(this.c_proj.forward(joined));
  }
}

export class Block extends nn.Module {
  ln_1;
  attn;
  ln_2;
  mlp;

  constructor(options: Options) {
    super();
    const { n_embd, resid_pdrop, attention } = options;
    const Attention = attention === "heads" ? MultiHeadAttentionSimple : MultiHeadAttentionOriginal;
    this.ln_1 = layerNorm(options);
    this.attn = new Attention(options);
    this.ln_2 = layerNorm(options);
    this.mlp = new nn.ModuleDict({
      c_fc: new nn.Linear(n_embd, 4 * n_embd),
      c_proj: new nn.Linear(4 * n_embd, n_embd),
      act: new nn.GELU(),
      dropout: new nn.Dropout(resid_pdrop),
    });
  }

  forward(x: Tensor, paddingMask: Tensor): Tensor {
    const { c_fc, c_proj, act, dropout } = this.mlp;
    x = x.add(this.attn.forward(this.ln_1.forward(x), paddingMask));
    const hidden = act.forward(c_fc.forward(this.ln_2.forward(x))); // (B, T, 4C)
    return x.add(dropout.forward(c_proj.forward(hidden))); // (B, T, C)
  }
}

export class EncoderTransformer extends nn.Module {
  transformer;
  lm_head;

  constructor(words: number, tags: number, options: Options) {
    super();
    const { n_embd, n_head, n_layer, max_len, embd_pdrop } = options;
    if (n_embd % n_head !== 0) {
      throw new UsageError(
        `Cannot split the channels over the heads as n_embd must be divisible by n_head: n_embd=${n_embd}, n_head=${n_head}`,
      );
    }
    this.transformer = new nn.ModuleDict({
      wte: new nn.Embedding(words, n_embd),
      wpe: new nn.Embedding(max_len, n_embd),
      drop: new nn.Dropout(embd_pdrop),
      h: new nn.ModuleList(Array.from({ length: n_layer }, () => new Block(options))),
      ln_f: layerNorm(options),
    });
    this.lm_head = new nn.Linear(n_embd, tags, { bias: false });
    for (const [, module] of this.namedModules()) {
      if (module instanceof nn.Linear || module instanceof nn.Embedding) {
        nn.init.normal(module.weight, 0, 0.02);
      }
      if (module instanceof nn.Linear && module.bias) nn.init.zeros(module.bias);
    }
  }

  /** Word ids (B, T), 0 at padding -> logits (B, T, V). */
  forward(inputs: Tensor): Tensor {
    const { wte, wpe, drop, h, ln_f } = this.transformer;
    const paddingMask = inputs.equal(0); // (B, T)
    const positions = tf.range(0, inputs.shape[1]!, 1, "int32"); // (T)
    let x = drop.forward(wte.forward(inputs).add(wpe.forward(positions))); // (B, T, C)
    for (const block of h) x = block.forward(x, paddingMask);
    return this.lm_head.forward(ln_f.forward(x));
  }
}

// ---- evaluation

/** The named entities in a sentence's BIO tags: type, first word and the word after the last. */
export function entities(tags: string[]): string[] {
  const found: string[] = [];
  let start = 0, type = "";
  for (const [i, tag] of [...tags, "O"].entries()) {
    const continues = tag === `I-${type}` && type !== "";
    if (continues) continue;
    if (type !== "") found.push(`${type} ${start} ${i}`);
    [type, start] = [tag === "O" ? "" : tag.slice(2), i];
  }
  return found;
}

/** F1 over entities that agree in type and both ends, of all sentences. */
export function entityF1(predicted: string[][], truths: string[][]): number {
  let right = 0, all = 0;
  for (const [i, truth] of truths.entries()) {
    const [found, expected] = [entities(predicted[i]), entities(truth)];
    right += found.filter((entity) => expected.includes(entity)).length;
    all += found.length + expected.length;
  }
  return all === 0 ? 1 : 2 * right / all;
}

export const main = program({
  url: import.meta.url,
  defaults,
  choices: { attention: ["heads", "fused"], layer_norm: ["pytorch", "own"] },
  check: {
    n_layer: "positive integer",
    n_head: "positive integer",
    n_embd: "positive integer",
    batch_size: "positive integer",
    max_len: "positive integer",
    steps: "positive integer",
    learning_rate: "nonnegative",
    embd_pdrop: "probability",
    resid_pdrop: "probability",
    attn_pdrop: "probability",
  },
}, async (run) => {
  const { batch_size, max_len, steps, learning_rate } = run.options;
  const sentences = run.options.train ? await readCoNLL(run.options.train) : course;
  const vocabulary = new Vocabulary(sentences, { unknown: run.options.train !== "" });
  const { inputs, targets } = vocabulary.encode(sentences, max_len, run.options.train);
  const test = run.options.test ? await readCoNLL(run.options.test) : sentences;
  const encoded = vocabulary.encode(test, max_len, run.options.test || run.options.train);
  console.log(`input vocab size: ${vocabulary.words.length}`);
  console.log(`output vocab size: ${vocabulary.tags.length}`);
  const model = new EncoderTransformer(
    vocabulary.words.length,
    vocabulary.tags.length,
    run.options,
  );
  const parameters = model.transformer.countParameters(); // without lm_head
  console.log(`number of parameters: ${(parameters / 1e6).toFixed(2)}M`);

  /** The rows of batch number `step`, going round and round. */
  const rows = (step: number) =>
    Array.from({ length: batch_size }, (_, i) => (step * batch_size + i) % sentences.length);
  const batchOf = (all: number[][], rows: number[]) =>
    tf.tensor2d(rows.map((row) => all[row]), undefined, "int32"); // (B, T)
  const loss = (step: number) =>
    F.crossEntropy(
      model.forward(batchOf(inputs, rows(step))),
      batchOf(targets, rows(step)),
      { ignore_index: 0 },
    );
  if (run.trace) return console.log(trace(() => loss(0), model));

  // ---- train
  const optimizer = new Adam(model.parameters(), { lr: learning_rate });
  for (let step = 1; step <= steps; step++) {
    const cost = optimizer.step(() => loss(step - 1));
    if (run.logs(step, 100)) run.log(step, { loss: await item(cost) });
    if (step % 100 === 0) {
      const number = String(step).padStart(4, "0");
      console.log(`Step: ${number} cost = ${(await item(cost)).toFixed(6)}`);
    }
  }
  await saveCheckpoint(run.path("model.safetensors"), model.stateDict());

  // ---- predict the tags of the first batch
  model.eval();
  const predict = async (inputs: number[][]) => {
    const indices = await values(() =>
      model.forward(tf.tensor2d(inputs, undefined, "int32")).argMax(-1) // (B, T)
    );
    return inputs.map((_, i) => [...indices.subarray(i * max_len, (i + 1) * max_len)]);
  };
  const first = rows(0);
  const shown = first.map((row) => inputs[row]);
  const predicted = await predict(shown);
  const names = (ids: number[], of: string[]) => ids.map((id) => of[id]).join(" ");
  const [x, y] = [batchOf(inputs, first), batchOf(targets, first)];
  console.log(await format(x), await format(y));
  console.log(["Input:", ...shown.map((ids) => names(ids, vocabulary.words))].join("\n"));
  console.log(["Prediction:", ...predicted.map((ids) => names(ids, vocabulary.tags))].join("\n"));
  const truths = first.map((row) => names(targets[row], vocabulary.tags));
  console.log(["Target:", ...truths].join("\n"));

  // ---- measure on all sentences, padding left out
  const tags: string[][] = [];
  for (let i = 0; i < test.length; i += 100) {
    for (const ids of await predict(encoded.inputs.slice(i, i + 100))) {
      tags.push(ids.slice(0, test[tags.length].words.length).map((id) => vocabulary.tags[id]));
    }
  }
  const [right, guesses] = [test.flatMap(({ tags }) => tags), tags.flat()];
  const accuracy = right.filter((tag, i) => tag === guesses[i]).length / right.length * 100;
  console.log(`Accuracy of the tags of ${right.length} words: ${accuracy.toFixed(2)}%`);
  const labels = vocabulary.tags.filter((tag) => right.includes(tag) || guesses.includes(tag));
  const counts = confusionCounts(right, guesses, labels);
  const isBIO = vocabulary.tags.slice(1).every((tag) => /^(O|[BI]-.+)$/.test(tag));
  const f1 = isBIO ? entityF1(tags, test.map(({ tags }) => tags)) : macroF1(counts);
  console.log(`F1 of the ${isBIO ? "entities" : "tags, their mean"}: ${(100 * f1).toFixed(2)}%`);
  const title = "Tags: true and predicted";
  await draw(run.path("confusion"), () => confusionMatrix({ title, counts, labels }));
  return { model, vocabulary, predicted, accuracy, f1 };
});

if (import.meta.main) await main();
