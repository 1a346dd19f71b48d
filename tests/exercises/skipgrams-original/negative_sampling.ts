import * as tf from "@tensorflow/tfjs";
import { body, exercise } from "../framework/exercise.ts";
import { numericGradient, random, tensor } from "../framework/tools.ts";

export default exercise({
  level: 3,
  title: { en: "the loss of negative sampling", es: "la pérdida del muestreo negativo" },
  task: {
    en: `
      Write Word2Vec.negativeSamplingLoss(X, words): X (B, V) has the targets as one-hot rows; words (B, 1 + K) has
      the context word of each, then K noise words. The loss of a target t is -log s(v_c . v_t) minus the sum over
      its noise words n of log s(-v_n . v_t); v_t is what W makes of X, v_c and v_n are rows of WT.weight. The
      result is the mean over the batch.`,
    es: `
      Escribe Word2Vec.negativeSamplingLoss(X, words): X (B, V) tiene los objetivos como filas one-hot; words
      (B, 1 + K) tiene la palabra de contexto de cada uno y después K palabras de ruido. La pérdida de un objetivo
      t es -log s(v_c . v_t) menos la suma sobre sus palabras de ruido n de log s(-v_n . v_t); v_t es lo que W hace
      de X, y v_c y v_n son filas de WT.weight. El resultado es la media sobre el lote.`,
  },
  hints: [
    {
      en:
        "First get the scores of all 1 + K words of each target, (B, 1 + K); the loss is short after that.",
      es:
        "Obtén primero las puntuaciones de las 1 + K palabras de cada objetivo, (B, 1 + K); lo demás es breve.",
    },
    {
      en:
        "F.embedding(words, this.WT.weight) is (B, 1 + K, E); a matrix product with hidden (B, E, 1) gives the scores.",
      es:
        "F.embedding(words, this.WT.weight) es (B, 1 + K, E); un producto con hidden (B, E, 1) da las puntuaciones.",
    },
    {
      en:
        "log s(-z) is the cross-entropy with the label 0: sum F.binaryCrossEntropyWithLogits, then divide by B.",
      es:
        "log s(-z) es la entropía cruzada con etiqueta 0: suma F.binaryCrossEntropyWithLogits y divide por B.",
    },
  ],
  look: "Word2Vec.negativeSamplingLoss()",
  start: [body("Word2Vec.negativeSamplingLoss")],
  solution: `
    const [B, n] = words.shape;
    const hidden = this.W.forward(X).expandDims(2); // (B, E, 1)
    const rows = F.embedding(words, this.WT.weight); // (B, 1 + K, E)
    const scores = tf.matMul(rows, hidden).reshape([B, n!]); // (B, 1 + K)
    const isContext = tf.oneHot(tf.zeros([B], "int32"), n!).toFloat(); // (B, 1 + K)
    return F.binaryCrossEntropyWithLogits(scores, isContext, "sum").div(B);`,
  others: [`
    const [B, n] = words.shape;
    const all = this.forward(X); // (B, V)
    const chosen = tf.oneHot(words.toInt(), all.shape[1]!).toFloat(); // (B, 1 + K, V)
    const scores = chosen.mul(all.expandDims(1)).sum(2); // (B, 1 + K)
    const signs = tf.tensor1d(Array.from({ length: n! }, (_, i) => i === 0 ? 1 : -1));
    return tf.softplus(scores.mul(signs).neg()).sum(1).mean(); // -log s(z) = log(1 + exp(-z))`],
  diagnoses: {
    attracted: {
      means: {
        en: "the noise words are treated like context words: theirs is log s(-z), with a minus",
        es:
          "las palabras de ruido se tratan como las de contexto: lo suyo es log s(-z), con un menos",
      },
      wrong: [`
        const [B, n] = words.shape;
        const hidden = this.W.forward(X).expandDims(2);
        const scores = tf.matMul(F.embedding(words, this.WT.weight), hidden).reshape([B, n!]);
        return F.binaryCrossEntropyWithLogits(scores, tf.onesLike(scores), "sum").div(B);`],
    },
    noNegatives: {
      means: {
        en: "the noise words have no effect: only the context words are in the loss",
        es: "las palabras de ruido no tienen efecto: en la pérdida solo están las de contexto",
      },
      wrong: [`
        const [B, n] = words.shape;
        const hidden = this.W.forward(X).expandDims(2);
        const scores = tf.matMul(F.embedding(words, this.WT.weight), hidden).reshape([B, n!]);
        return tf.softplus(scores.slice([0, 0], [B, 1]).neg()).sum().div(B);`],
    },
    meanOverWords: {
      means: {
        en: "this is the mean over all words; the loss of a target is a sum over its words",
        es:
          "esto es la media sobre todas las palabras; la pérdida de un objetivo es una suma sobre las suyas",
      },
      wrong: [`
        const [B, n] = words.shape;
        const hidden = this.W.forward(X).expandDims(2);
        const scores = tf.matMul(F.embedding(words, this.WT.weight), hidden).reshape([B, n!]);
        const isContext = tf.oneHot(tf.zeros([B], "int32"), n!).toFloat();
        return F.binaryCrossEntropyWithLogits(scores, isContext);`],
    },
    sumOverBatch: {
      means: {
        en: "this is the sum over the batch, not the mean",
        es: "esto es la suma sobre el lote, no la media",
      },
      wrong: [`
        const [B, n] = words.shape;
        const hidden = this.W.forward(X).expandDims(2);
        const scores = tf.matMul(F.embedding(words, this.WT.weight), hidden).reshape([B, n!]);
        const isContext = tf.oneHot(tf.zeros([B], "int32"), n!).toFloat();
        return F.binaryCrossEntropyWithLogits(scores, isContext, "sum");`],
    },
    softmax: {
      means: {
        en:
          "this is a softmax over the drawn words; here each word is judged by itself, with a sigmoid",
        es:
          "esto es una softmax sobre las palabras extraídas; aquí cada una se juzga por sí sola, con una sigmoide",
      },
      wrong: [`
        const [B, n] = words.shape;
        const hidden = this.W.forward(X).expandDims(2);
        const scores = tf.matMul(F.embedding(words, this.WT.weight), hidden).reshape([B, n!]);
        return F.crossEntropy(scores, tf.zeros([B], "int32"));`],
    },
  },
  async check(t) {
    const { Word2Vec } = t.exports<typeof import("scripts/skipgrams-original.ts")>("Word2Vec");
    const [V, E] = [5, 3];
    const W: number[][] = random(21, E, V), WT: number[][] = random(22, V, E);
    const targets = [1, 4, 0], words = [[2, 0, 3], [3, 3, 1], [1, 2, 4]];
    const X = targets.map((target) => Array.from({ length: V }, (_, v) => v === target ? 1 : 0));
    const score = (i: number, word: number, W: number[][], WT: number[][]) =>
      WT[word].reduce((sum, x, j) => sum + x * W[j][targets[i]], 0);
    const softplus = (z: number) => Math.log(1 + Math.exp(z)); // -log s(-z)
    const losses = (W: number[][], WT: number[][]) =>
      words.map((row, i) =>
        row.map((word, k) => softplus(score(i, word, W, WT) * (k === 0 ? -1 : 1)))
      );
    const sum = (x: number[]) => x.reduce((a, b) => a + b, 0);
    const loss = (W: number[][], WT: number[][]) => sum(losses(W, WT).flat()) / targets.length;
    const want = loss(W, WT);
    const input = `seeds 21 and 22, V 5, E 3, targets [${targets}], words ${JSON.stringify(words)}`;

    const model = new Word2Vec(V, E);
    model.W.weight.assign(tensor(W));
    model.WT.weight.assign(tensor(WT));
    const got = () => model.negativeSamplingLoss(tensor(X), tensor(words, "int32"));
    await t.equal({
      what: "negativeSamplingLoss(X, words)",
      got,
      want,
      input,
      suspects: {
        attracted: () =>
          sum(words.flatMap((row, i) => row.map((word) => softplus(-score(i, word, W, WT))))) / 3,
        noNegatives: sum(losses(W, WT).map(([first]) => first)) / 3,
        meanOverWords: want / 3,
        sumOverBatch: want * 3,
        softmax: () =>
          sum(words.map((row, i) => {
            const z = row.map((word) => score(i, word, W, WT));
            return Math.log(sum(z.map(Math.exp))) - z[0];
          })) / 3,
      },
    });
    const numeric = await numericGradient(
      (x) => loss(W, WT.map((_, i) => x.slice(i * E, (i + 1) * E))),
      WT.flat(),
      1e-5,
    );
    await t.equal({
      what: "the gradient of the loss by WT.weight",
      stage: "gradient",
      got: () =>
        tf.variableGrads(() => got().asScalar(), [model.WT.weight]).grads[model.WT.weight.name],
      want: WT.map((_, i) => numeric.slice(i * E, (i + 1) * E)),
      input,
    });
  },
});
