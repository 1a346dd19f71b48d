/**
 * Skip-grams: learns word vectors by telling pairs of neighbouring words from pairs that chance puts together.
 * Paper: Mikolov et al. 2013 (arXiv 1310.4546), as told by Jurafsky and Martin, "Vector Semantics and Embeddings".
 * Program followed: the course's skipgrams-jurafsky.py.
 * Shapes: B pairs a batch, V words, E numbers a vector; W and C (V, E); targets and contexts (B) -> probabilities (B).
 * Run: deno run -A scripts/skipgrams-jurafsky.ts
 * Try: 1. --nearest=cat: are its neighbours the other animals?  2. --plots=C,mean: where do the context vectors lie?
 *      3. --sentence_bounds: which pairs are gone?  4. --embedding_size=10: what do two components still show?
 */
import * as tf from "@tensorflow/tfjs";
import { plotEmbeddings } from "lib/plot/embeddings.ts";
import { UsageError } from "lib/io/errors.ts";
import * as F from "lib/functional.ts";
import * as nn from "lib/nn.ts";
import { Adam } from "lib/optim.ts";
import { numpy, python } from "lib/random.ts";
import { program } from "lib/program/run.ts";
import { item, type Tensor } from "lib/tensor.ts";
import { trace } from "lib/trace.ts";

export const defaults = {
  base_batch_size: 256, // positive pairs in a batch, which has base_batch_size * (k + 1) pairs
  embedding_size: 2, // numbers in the vector of a word
  k: 2, // negative pairs for each positive one
  learning_rate: 0.001, // step size of Adam
  epochs: 10000, // updates, each over one random batch (the course calls them epochs)
  window: 1, // words to either side of the target that are its context
  sentence_bounds: false, // whether a context ends with its sentence
  plots: ["W"], // pictures of W (the target vectors), C (the context vectors) and mean (the mean of the two)
  nearest: undefined as string | undefined, // a word whose most similar words are listed
};

// ---- data

/** A target word and a word of its context, as indices. */
export type Pair = [target: number, context: number];

/** Sentences of three words of one group, in all orders: 6 x 24. */
export function get3wordSentences(): string[] {
  const groups = [
    ["monkey", "cat", "dog", "animal"],
    ["apple", "banana", "fruit", "orange"],
    ["pencil", "pen", "notebook", "book"],
    ["car", "bicycle", "plane", "ship"],
    ["red", "green", "blue", "yellow"],
    ["flute", "violin", "guitar", "drum"],
  ];
  return groups.flatMap((group) =>
    group.flatMap((a) => group.flatMap((b) => group.map((c) => [a, b, c])))
      .filter((words) => new Set(words).size === 3)
      .map((words) => words.join(" "))
  );
}

/**
 * Each target with each word of its context. Words without a whole window are no targets, as in the course, where only
 * the first and the last word of the corpus are; with `partial` windows they are.
 */
export function positivePairs(words: number[], window: number, partial = false): Pair[] {
  return words.flatMap((target, i) => {
    if (!partial && (i < window || i >= words.length - window)) return [];
    const before = words.slice(Math.max(0, i - window), i);
    return [...before, ...words.slice(i + 1, i + 1 + window)].map((c): Pair => [target, c]);
  });
}

/** Each word with k words of the vocabulary drawn at random, which may be true neighbours by chance. */
export function negativePairs(words: number[], k: number, voc_size: number): Pair[] {
  const vocabulary = Array.from({ length: voc_size }, (_, i) => i);
  return words.flatMap((target) => python.sample(vocabulary, k).map((c): Pair => [target, c]));
}

/** Random pairs, none twice: positives, then k times as many negatives. Targets, contexts and labels, each (B). */
export function randomBatch(positives: Pair[], negatives: Pair[], size: number, k: number) {
  const batch = [
    ...numpy.choice(positives, size, { replace: false }),
    ...numpy.choice(negatives, size * k, { replace: false }),
  ];
  return [
    tf.tensor1d(new Int32Array(batch.map(([target]) => target))),
    tf.tensor1d(new Int32Array(batch.map(([_, context]) => context))),
    tf.tensor1d(new Float32Array(batch.length).fill(1, 0, size)), // 1: neighbours, 0: not
  ];
}

// ---- model

export class Word2Vec extends nn.Module {
  W; // target matrix
  C; // context matrix

  constructor(voc_size: number, embedding_size: number) {
    super();
    this.W = new nn.Embedding(voc_size, embedding_size);
    this.C = new nn.Embedding(voc_size, embedding_size);
  }

  /** The probability that each pair are neighbours: targets (B), contexts (B) -> (B). */
  forward(Xt: Tensor, Xc: Tensor): Tensor {
    const w = this.W.forward(Xt); // (B, E)
    const c = this.C.forward(Xc); // (B, E)
    const dot = w.mul(c).sum(1); // (B): einsum("ij,ji->i", w, c^T), the needed dot products and no others
    return dot.sigmoid();
  }
}

/** All other words by the cosine of their vector with that of a word, most similar first. */
export function nearest(word: number, vectors: number[][]) {
  const dot = (a: number[], b: number[]) => a.reduce((sum, x, i) => sum + x * b[i], 0);
  const cosine = (a: number[], b: number[]) => dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
  return vectors.map((vector, i) => ({ word: i, cosine: cosine(vectors[word], vector) }))
    .filter(({ word: other }) => other !== word)
    .sort((a, b) => b.cosine - a.cosine);
}

const matrices = ["W", "C", "mean"];

export const main = program({
  url: import.meta.url,
  defaults,
  check: {
    base_batch_size: "positive integer",
    embedding_size: "positive integer",
    k: "positive integer",
    learning_rate: "nonnegative",
    epochs: "positive integer",
    window: "positive integer",
    plots: (names) =>
      names.every((name) => matrices.includes(name)) ? undefined : `some of ${matrices.join(", ")}`,
  },
}, async (run) => {
  const { base_batch_size, embedding_size, k, learning_rate, epochs, window } = run.options;

  // ---- data: the sentences are one sequence of words, unless contexts end with them
  const sentences = get3wordSentences().map((sentence) => sentence.split(" "));
  const wordList = [...new Set(sentences.flat())].sort();
  const wordDict = new Map(wordList.map((word, i) => [word, i]));
  const ids = sentences.map((words) => words.map((word) => wordDict.get(word)!));
  const query = run.options.nearest;
  if (query !== undefined && !wordDict.has(query)) {
    throw new UsageError(`Flag --nearest expects one of ${wordList.join(", ")}: given '${query}'`);
  }
  if (k > wordList.length) {
    throw new UsageError(`Flag --k expects at most the ${wordList.length} words: given '${k}'`);
  }
  const positives = run.options.sentence_bounds
    ? ids.flatMap((sentence) => positivePairs(sentence, window, true))
    : positivePairs(ids.flat(), window);
  const negatives = negativePairs(ids.flat(), k, wordList.length);
  if (positives.length === 0) {
    const words = `windows that fit into the ${ids.flat().length} words`;
    throw new UsageError(`Flag --window expects ${words}: given '${window}'`);
  }
  const most = Math.min(positives.length, Math.floor(negatives.length / k));
  if (base_batch_size > most) {
    throw new UsageError(
      `Flag --base_batch_size expects at most ${most}, as there are ${positives.length} positive ` +
        `and ${negatives.length} negative pairs: given '${base_batch_size}'`,
    );
  }
  const samples = (pairs: Pair[]) =>
    pairs.filter((_, i) => i % Math.max(1, Math.floor(pairs.length / 20)) === 0)
      .map((pair) => `${pair.map((i) => wordList[i]).join(" ")}, `).join("");
  console.log(`Some positive samples: ${samples(positives)}`);
  console.log(`Some negative samples: ${samples(negatives)}`);

  // ---- model
  const model = new Word2Vec(wordList.length, embedding_size);
  const optimizer = new Adam(model.parameters(), { lr: learning_rate });
  if (run.trace) {
    const [Xt, Xc, y] = randomBatch(positives, negatives, base_batch_size, k);
    return console.log(trace(() => F.binaryCrossEntropy(model.forward(Xt, Xc), y), model));
  }

  // ---- train
  for (let epoch = 1; epoch <= epochs; epoch++) {
    const [Xt, Xc, y] = randomBatch(positives, negatives, base_batch_size, k);
    const loss = optimizer.step(() => F.binaryCrossEntropy(model.forward(Xt, Xc), y));
    tf.dispose([Xt, Xc, y]);
    if (run.logs(epoch, 1000) || epoch === epochs) run.log(epoch, { loss: await item(loss) });
    if (epoch % 1000 === 0 || epoch === epochs) {
      const cost = (await item(loss)).toFixed(6);
      console.log(`Epoch: ${String(epoch).padStart(4, "0")}, cost=${cost}`);
    }
  }

  // ---- similar words, and pictures
  const W = await model.W.weight.array() as number[][]; // (V, E)
  const C = await model.C.weight.array() as number[][]; // (V, E)
  const similar = query === undefined ? [] : nearest(wordDict.get(query)!, W).slice(0, 5)
    .map(({ word, cosine }) => ({ word: wordList[word], cosine }));
  if (similar.length > 0) {
    const list = similar.map(({ word, cosine }) => `${word} (${cosine.toFixed(3)})`);
    console.log(`Nearest to ${query}: ${list.join(", ")}`);
  }
  const mean = W.map((row, i) => row.map((x, j) => (x + C[i][j]) / 2));
  const vectors: Record<string, [title: string, rows: number[][]]> = {
    W: ["Target vectors (W)", W],
    C: ["Context vectors (C)", C],
    mean: ["Mean of target and context vectors", mean],
  };
  for (const name of run.options.plots) {
    const [title, rows] = vectors[name];
    await (await plotEmbeddings(title, wordList, rows)).save(run.path(name));
  }
  return { model, wordList, positives, negatives, similar };
});

if (import.meta.main) await main();
