/**
 * Feed-forward neural language model: predicts a word from the n_step words before it.
 * Paper: Bengio et al. 2003, "A Neural Probabilistic Language Model". Program followed: the course's ff-neural-lm.py.
 * Shapes: B windows a batch, T = n_step words a window, V words (n_class).
 *   words (B, T) -> embeddings (B, T, m) -> (B, T * m) -> hidden (B, n_hidden) -> logits (B, V)
 * Run: deno run -A scripts/ff-neural-lm.ts
 * Or on a text: --text=moby-dick --tokens=char --n_step=8 --m=16 --n_hidden=128 (a file's path, quijote, shakespeare)
 * Try: 1. --n_hidden=1: which sentence is lost?  2. delete W: how many parameters are left, and is the loss higher?
 *      3. --text with --n_step=2, 4, 8: how does the perplexity change?
 */
import * as tf from "@tensorflow/tfjs";
import { type Dataset, TensorDataset } from "lib/data/mod.ts";
import { InputError, UsageError } from "lib/io/errors.ts";
import * as F from "lib/functional.ts";
import * as nn from "lib/nn.ts";
import { Adam } from "lib/optim.ts";
import { progressBar } from "lib/program/progress.ts";
import { torch } from "lib/random.ts";
import { program } from "lib/program/run.ts";
import { item, type Tensor, values } from "lib/tensor.ts";
import { trace } from "lib/trace.ts";

export const defaults = {
  n_step: 2, // words that the model sees, n-1 in the paper
  n_hidden: 2, // hidden units, h in the paper
  m: 2, // numbers in the embedding of a word, m in the paper
  learning_rate: 0.001, // step size of Adam
  epochs: 5000, // updates (the course calls them epochs)
  batch_size: 64, // windows an update, drawn at random; all of them, if there are no more
  text: undefined as string | undefined, // moby-dick, quijote, shakespeare or a file to learn from in place of the sentences
  tokens: "word", // what the text is cut into
  min_count: 2, // tokens that the text has less often become <unk>
  generate: 100, // tokens to generate after the text is learned
};

// ---- data

export const sentences = ["i like dog", "i love coffee", "i hate milk"];

/** All words of each sentence but the last as input (B, T), and the last as target (B). */
export function makeBatch(sentences: string[], wordList: string[]): TensorDataset {
  const ids = sentences.map((sentence) =>
    sentence.split(" ").map((word) => wordList.indexOf(word))
  );
  const inputs = Int32Array.from(ids.flatMap((words) => words.slice(0, -1)));
  const targets = Int32Array.from(ids, (words) => words.at(-1)!);
  const B = ids.length;
  return new TensorDataset({ data: inputs, shape: [B, inputs.length / B] }, {
    data: targets,
    shape: [B],
  });
}

/** Words and punctuation marks of a text, or its characters. */
export function tokenize(text: string, tokens: "word" | "char"): string[] {
  if (tokens === "char") return [...text];
  return text.match(/[\p{L}\p{M}\p{N}]+(['’][\p{L}\p{M}]+)*|\S/gu) ?? [];
}

const UNK = "<unk>"; // stands for all tokens that are not in the vocabulary

/** The tokens that occur min_count times or more, sorted, after <unk>. */
export function vocabularyOf(tokens: string[], min_count: number): string[] {
  const counts = new Map<string, number>();
  for (const token of tokens) counts.set(token, (counts.get(token) ?? 0) + 1);
  return [UNK, ...[...counts.keys()].filter((token) => counts.get(token)! >= min_count).sort()];
}

/** The windows of a text: row i has the tokens i to i + T - 1 as input (B, T) and token i + T as target (B). */
export class Windows implements Dataset {
  readonly length: number;

  constructor(readonly ids: Int32Array, private n_step: number) {
    this.length = ids.length - n_step;
  }

  batch(rows: ArrayLike<number>): [Tensor, Tensor] {
    const { ids, n_step } = this;
    const inputs = new Int32Array(rows.length * n_step);
    for (let i = 0; i < rows.length; i++) {
      inputs.set(ids.subarray(rows[i], rows[i] + n_step), i * n_step);
    }
    const targets = Int32Array.from(rows, (row) => ids[row + n_step]);
    return [tf.tensor2d(inputs, [rows.length, n_step]), tf.tensor1d(targets)];
  }
}

/** A text as windows: nine tenths to train on, whose tokens are the vocabulary, and the last tenth; others are <unk>. */
export async function readWindows(
  text: string,
  options: { tokens: "word" | "char"; min_count: number; n_step: number },
) {
  const { loadText } = await import("lib/data/texts.ts");
  const tokens = tokenize(await loadText(text), options.tokens);
  const split = Math.floor(0.9 * tokens.length);
  if (split <= options.n_step) {
    const least = Math.ceil((options.n_step + 1) / 0.9);
    throw new InputError(
      `Cannot learn from '${text}': it has ${tokens.length} tokens, --n_step=${options.n_step} needs ${least} or more`,
    );
  }
  const wordList = vocabularyOf(tokens.slice(0, split), options.min_count);
  if (wordList.length < 3) {
    throw new InputError(
      `Cannot learn from '${text}': it needs two different tokens or more that occur ` +
        `${options.min_count} times or more (--min_count), it has ${wordList.length - 1}`,
    );
  }
  const wordDict = new Map(wordList.map((word, i) => [word, i]));
  const ids = Int32Array.from(tokens, (token) => wordDict.get(token) ?? 0);
  return {
    wordList,
    train: new Windows(ids.subarray(0, split), options.n_step),
    heldOut: new Windows(ids.subarray(split - options.n_step), options.n_step),
  };
}

// ---- model

export class NNLM extends nn.Module {
  C;
  H;
  U;
  W; // the direct connections from the embeddings to the output
  b; // apart from U and W, so that it is added once

  constructor(
    n_class: number,
    { n_step, n_hidden, m }: Record<"n_step" | "n_hidden" | "m", number>,
  ) {
    super();
    this.C = new nn.Embedding(n_class, m);
    this.H = new nn.Linear(n_step * m, n_hidden);
    this.U = new nn.Linear(n_hidden, n_class, { bias: false });
    this.W = new nn.Linear(n_step * m, n_class, { bias: false });
    this.b = nn.parameter(tf.ones([n_class]));
  }

  /** Words (B, T) -> logits of the next one (B, V): b + W x + U tanh(H x + d), the paper's equation 1. */
  forward(X: Tensor): Tensor {
    const x = this.C.forward(X).reshape([X.shape[0], -1]); // (B, T, m) -> (B, T * m)
    const tanh = this.H.forward(x).tanh(); // (B, n_hidden)
    return this.b.add(this.W.forward(x)).add(this.U.forward(tanh)); // (B, V)
  }
}

/** exp of the mean cross-entropy: among how many equally likely tokens the model is at a loss. */
export async function perplexity(model: NNLM, windows: Windows): Promise<number> {
  let sum = 0;
  for (let start = 0; start < windows.length; start += 256) {
    const size = Math.min(256, windows.length - start);
    const rows = Int32Array.from({ length: size }, (_, i) => start + i);
    sum += await item(() => {
      const [X, y] = windows.batch(rows);
      return F.crossEntropy(model.forward(X), y, { reduction: "sum" });
    });
  }
  return Math.exp(sum / windows.length);
}

/** Draws tokens one after the other, each given the n_step before it; <unk> (0) is not drawn. */
export async function generate(model: NNLM, context: number[], count: number): Promise<number[]> {
  const ids = [...context];
  for (let i = 0; i < count; i++) {
    const X = tf.tensor2d([ids.slice(-context.length)], undefined, "int32"); // (1, T)
    const probabilities = await values(() => F.softmax(model.forward(X))); // (1, V)
    X.dispose();
    probabilities[0] = 0;
    ids.push(torch.multinomial(probabilities, 1)[0]);
  }
  return ids.slice(context.length);
}

export const main = program({
  url: import.meta.url,
  defaults,
  choices: { tokens: ["word", "char"] },
  check: {
    n_step: "positive integer",
    n_hidden: "positive integer",
    m: "positive integer",
    learning_rate: "nonnegative",
    epochs: "positive integer",
    batch_size: "positive integer",
    min_count: "positive integer",
    generate: "nonnegative integer",
  },
  long: ({ text }) => text !== undefined,
}, async (run) => {
  const { n_step, text, learning_rate, epochs, batch_size } = run.options;

  // ---- data
  const readSentences = () => {
    if (n_step !== 2) {
      throw new UsageError(
        `Flag --n_step expects 2 for the sentences of 3 words: given '${n_step}'`,
      );
    }
    const wordList = [...new Set(sentences.join(" ").split(" "))].sort();
    return { wordList, train: makeBatch(sentences, wordList), heldOut: undefined };
  };
  const corpus = text === undefined ? readSentences() : await readWindows(text, run.options);
  const { wordList, train, heldOut } = corpus;
  if (heldOut) {
    console.log(
      `${train.length} windows to train on, ${heldOut.length} held out, ${wordList.length} tokens`,
    );
  }

  // ---- model
  const model = new NNLM(wordList.length, run.options);
  const optimizer = new Adam(model.parameters(), { lr: learning_rate });
  const all = train.length <= batch_size ? train.batch([...Array(train.length).keys()]) : undefined;
  const nextBatch = () => all ?? train.batch(torch.randint(batch_size, 0, train.length));
  if (run.trace) {
    const [X, y] = nextBatch();
    return console.log(trace(() => F.crossEntropy(model.forward(X), y), model));
  }

  // ---- train
  const bar = heldOut && progressBar(epochs);
  for (let epoch = 1; epoch <= epochs; epoch++) {
    const [X, y] = nextBatch();
    const loss = optimizer.step(() => F.crossEntropy(model.forward(X), y));
    if (!all) tf.dispose([X, y]);
    if (run.logs(epoch, 1000) || epoch === epochs) run.log(epoch, { loss: await item(loss) });
    if (epoch % 1000 === 0 || epoch === epochs) {
      const line = `Epoch: ${String(epoch).padStart(4, "0")} cost = ${
        (await item(loss)).toFixed(6)
      }`;
      bar ? bar.log(line) : console.log(line);
    }
    bar?.update(epoch);
  }
  bar?.stop();

  // ---- predict, or measure and generate
  if (!heldOut) {
    const rows = sentences.map((_, i) => i);
    const predict = await values(() => model.forward(train.batch(rows)[0]).argMax(1)); // (B)
    const predicted = [...predict].map((i) => wordList[i]);
    const list = (words: string[]) => `[${words.map((word) => `'${word}'`).join(", ")}]`;
    const inputs = sentences.map((sentence) => list(sentence.split(" ").slice(0, 2)));
    console.log(`[${inputs.join(", ")}] -> ${list(predicted)}`);
    return { model, wordList, predicted };
  }
  const measured = await perplexity(model, heldOut);
  console.log(
    `Perplexity on the held-out tenth: ${measured.toFixed(2)} (guessing: ${wordList.length})`,
  );
  const context = [...heldOut.ids.subarray(0, n_step)];
  const ids = await generate(model, context, run.options.generate);
  const join = (ids: number[]) =>
    ids.map((i) => wordList[i]).join(run.options.tokens === "word" ? " " : "");
  console.log(`${join(context)} | ${join(ids)}`);
  return { model, wordList, perplexity: measured, generated: ids.map((i) => wordList[i]) };
});

if (import.meta.main) await main();
