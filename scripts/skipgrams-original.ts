/**
 * Skip-grams as first proposed: learns word vectors by predicting the words around each word.
 * Papers: Mikolov et al. 2013 (arXiv 1301.3781); negative sampling: Mikolov et al. 2013 (arXiv 1310.4546).
 * Program followed: the course's skipgrams-original.py.
 * Shapes: B pairs a batch, V words, E numbers a vector; one-hot words X (B, V) -> hidden (B, E) -> logits (B, V).
 * Run: deno run -A scripts/skipgrams-original.ts
 * Try: 1. --negative_sampling=3: is the picture the same?  2. --batch_size=32: what does the cost look like now?
 *      3. --embedding_size=1: can the two groups of words still be told apart?
 */
import * as tf from "@tensorflow/tfjs";
import { plotEmbeddings } from "lib/plot/embeddings.ts";
import { UsageError } from "lib/io/errors.ts";
import * as F from "lib/functional.ts";
import * as nn from "lib/nn.ts";
import { Adam } from "lib/optim.ts";
import { numpy } from "lib/random.ts";
import { program } from "lib/program/run.ts";
import { item, type Tensor } from "lib/tensor.ts";
import { trace } from "lib/trace.ts";

export const defaults = {
  batch_size: 2, // pairs in a batch
  embedding_size: 2, // numbers in the vector of a word
  learning_rate: 0.001, // step size of Adam
  epochs: 5000, // updates, each over one random batch (the course calls them epochs)
  negative_sampling: 0, // noise words a pair in place of the softmax over all words; 0: the softmax
};

// ---- data

export const sentences = [
  "apple banana fruit",
  "banana orange fruit",
  "orange banana fruit",
  "dog cat animal",
  "cat monkey animal",
  "monkey dog animal",
];

/** A target word and a word of its context, as indices. */
export type Pair = [target: number, context: number];

/** Each word but the first and the last with the word before it and the word after it. */
export function skipGrams(words: number[]): Pair[] {
  return words.slice(1, -1).flatMap((target, i): Pair[] => [
    [target, words[i]],
    [target, words[i + 2]],
  ]);
}

/** Pairs at random, none twice: targets as one-hot rows X (B, V), and context words (B). */
export function randomBatch(pairs: Pair[], batch_size: number, voc_size: number) {
  const batch = numpy.choice(pairs, batch_size, { replace: false });
  const X = new Float32Array(batch_size * voc_size);
  batch.forEach(([target], i) => X[i * voc_size + target] = 1);
  return [
    tf.tensor2d(X, [batch_size, voc_size]),
    tf.tensor1d(Int32Array.from(batch, ([_, context]) => context)),
  ];
}

/** The probability of each word as noise: its number in the corpus to the power of 3/4 (arXiv 1310.4546, section 2.2). */
export function noiseDistribution(words: number[], voc_size: number): number[] {
  const weights = new Array(voc_size).fill(0);
  for (const word of words) weights[word]++;
  const powers = weights.map((count) => count ** 0.75);
  const total = powers.reduce((a, b) => a + b, 0);
  return powers.map((power) => power / total);
}

// ---- model

/**
 * The softmax over all words has positive and negative information in one: it pulls the vector of the target towards
 * the row of its context word in WT and pushes it away from all other rows.
 */
export class Word2Vec extends nn.Module {
  W; // (E, V): a column a word
  WT; // (V, E): a row a word; in spite of the name it is not W's transpose

  constructor(voc_size: number, embedding_size: number) {
    super();
    this.W = new nn.Linear(voc_size, embedding_size, { bias: false });
    this.WT = new nn.Linear(embedding_size, voc_size, { bias: false });
  }

  /** X (B, V) -> logits of the context word (B, V). */
  forward(X: Tensor): Tensor {
    const hidden = this.W.forward(X); // (B, E)
    return this.WT.forward(hidden); // (B, V)
  }

  /**
   * -log s(v_c . v_t) - sum over the noise words n of log s(-v_n . v_t), the mean over the batch (arXiv 1310.4546, eq. 4):
   * X (B, V), words (B, 1 + K): the context word, then K noise words.
   */
  negativeSamplingLoss(X: Tensor, words: Tensor): Tensor {
    const [B, n] = words.shape;
    const hidden = this.W.forward(X).expandDims(2); // (B, E, 1)
    const rows = F.embedding(words, this.WT.weight); // (B, 1 + K, E)
    const scores = tf.matMul(rows, hidden).reshape([B, n!]); // (B, 1 + K)
    const isContext = tf.oneHot(tf.zeros([B], "int32"), n!).toFloat(); // (B, 1 + K): 1 in the first column
    return F.binaryCrossEntropyWithLogits(scores, isContext, "sum").div(B);
  }
}

export const main = program({
  url: import.meta.url,
  defaults,
  check: {
    batch_size: "positive integer",
    embedding_size: "positive integer",
    learning_rate: "nonnegative",
    epochs: "positive integer",
    negative_sampling: "nonnegative integer",
  },
}, async (run) => {
  const { batch_size, embedding_size, learning_rate, epochs, negative_sampling: K } = run.options;

  // ---- data
  const wordSequence = sentences.join(" ").split(" ");
  const wordList = [...new Set(wordSequence)].sort();
  const words = wordSequence.map((word) => wordList.indexOf(word));
  const pairs = skipGrams(words);
  if (batch_size > pairs.length) {
    const most = `at most the ${pairs.length} pairs that there are`;
    throw new UsageError(`Flag --batch_size expects ${most}: given '${batch_size}'`);
  }
  const noise = noiseDistribution(words, wordList.length);

  // ---- model
  const model = new Word2Vec(wordList.length, embedding_size);
  const optimizer = new Adam(model.parameters(), { lr: learning_rate });
  const lossOf = (X: Tensor, contexts: Tensor) => {
    if (K === 0) return F.crossEntropy(model.forward(X), contexts);
    const drawn = numpy.choice(wordList.length, batch_size * K, { p: noise });
    const negatives = tf.tensor2d(drawn, [batch_size, K], "int32"); // (B, K)
    return model.negativeSamplingLoss(X, tf.concat([contexts.expandDims(1), negatives], 1));
  };
  if (run.trace) {
    const [X, contexts] = randomBatch(pairs, batch_size, wordList.length);
    return console.log(trace(() => lossOf(X, contexts), model));
  }

  // ---- train
  for (let epoch = 1; epoch <= epochs; epoch++) {
    const [X, contexts] = randomBatch(pairs, batch_size, wordList.length);
    const loss = optimizer.step(() => lossOf(X, contexts));
    tf.dispose([X, contexts]);
    if (run.logs(epoch, 1000) || epoch === epochs) run.log(epoch, { loss: await item(loss) });
    if (epoch % 1000 === 0 || epoch === epochs) {
      const cost = (await item(loss)).toFixed(6);
      console.log(`Epoch: ${String(epoch).padStart(4, "0")} cost = ${cost}`);
    }
  }

  // ---- plot: the vector of a word is its column of W, as a linear layer's weight is (out, in)
  const W = await model.W.weight.array() as number[][]; // (E, V)
  const vectors = wordList.map((_, i) => W.map((row) => row[i])); // (V, E)
  const figure = await plotEmbeddings("Word vectors (columns of W)", wordList, vectors);
  await figure.save(run.path("W"));
  return { model, wordList, pairs, vectors };
});

if (import.meta.main) await main();
