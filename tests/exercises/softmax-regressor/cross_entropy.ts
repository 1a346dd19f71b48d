import * as tf from "@tensorflow/tfjs";
import type { Tensor } from "lib/tensor.ts";
import { append, exercise, todo } from "../framework/exercise.ts";
import { numericGradient, random, slowSoftmax, tensor } from "../framework/tools.ts";

export default exercise({
  level: 2,
  title: { en: "the cross-entropy from logits", es: "la entropía cruzada a partir de los logits" },
  task: {
    en: `
      Write crossEntropy(logits, labels) without the losses of lib/functional.ts: the mean over the rows of
      -log softmax(logits)[label]; logits (B, V), labels int32 (B) -> a scalar. A gradient must flow to the
      logits, and logits of 1000 must not give NaN.`,
    es: `
      Escribe crossEntropy(logits, labels) sin las pérdidas de lib/functional.ts: la media sobre las filas de
      -log softmax(logits)[label]; logits (B, V), labels int32 (B) -> un escalar. El gradiente debe llegar a los
      logits, y unos logits de 1000 no deben dar NaN.`,
  },
  hints: [
    {
      en:
        "F.logSoftmax gives all log probabilities, and it is stable. Which one of each row is needed?",
      es:
        "F.logSoftmax da todos los logaritmos de probabilidades, y es estable. ¿Cuál de cada fila hace falta?",
    },
    {
      en:
        "A one-hot row times the row of log probabilities, summed up, picks the one of the label.",
      es:
        "Una fila one-hot por la fila de logaritmos de probabilidades, sumada, escoge la de la etiqueta.",
    },
    {
      en:
        "F.logSoftmax(logits, 1).mul(tf.oneHot(labels, V)).sum(1) is (B): its mean, with a minus.",
      es:
        "F.logSoftmax(logits, 1).mul(tf.oneHot(labels, V)).sum(1) es (B): su media, con un menos.",
    },
  ],
  look: "crossEntropy()",
  start: [append(`
    /** The mean of -log softmax(logits)[label]: logits (B, V), labels (B) -> a scalar. */
    export function crossEntropy(logits: Tensor, labels: Tensor): Tensor {
      ${todo}
    }`)],
  solution: `
    const V = logits.shape[1]!;
    const chosen = F.logSoftmax(logits, 1).mul(tf.oneHot(labels.toInt(), V)).sum(1); // (B)
    return chosen.mean().neg();`,
  others: [`
    const max = logits.max(1, true); // (B, 1)
    const shifted = logits.sub(max);
    const label = tf.oneHot(labels.toInt(), logits.shape[1]!).toFloat(); // (B, V)
    return shifted.exp().sum(1).log().sub(shifted.mul(label).sum(1)).mean();`],
  diagnoses: {
    sum: {
      means: {
        en: "this is the sum over the rows, not their mean",
        es: "esto es la suma sobre las filas, no su media",
      },
      wrong: [`
        const label = tf.oneHot(labels.toInt(), logits.shape[1]!);
        return F.logSoftmax(logits, 1).mul(label).sum().neg();`],
    },
    overElements: {
      means: {
        en: "the mean is over all B V elements, also over the zeros; divide by the number of rows",
        es: "la media es sobre los B V elementos, ceros incluidos; divide por el número de filas",
      },
      wrong: [`
        const label = tf.oneHot(labels.toInt(), logits.shape[1]!);
        return F.logSoftmax(logits, 1).mul(label).mean().neg();`],
    },
    noLog: {
      means: {
        en: "this is the mean probability of the label, not that of its negative logarithm",
        es: "esto es la media de la probabilidad de la etiqueta, no la de su logaritmo negado",
      },
      wrong: [`
        const label = tf.oneHot(labels.toInt(), logits.shape[1]!);
        return F.softmax(logits, 1).mul(label).sum(1).mean().neg();`],
    },
    twice: {
      means: {
        en: "the softmax was applied twice: the logits go into the log softmax as they are",
        es:
          "la softmax se ha aplicado dos veces: los logits entran tal cual en el logaritmo de la softmax",
      },
      wrong: [`
        const label = tf.oneHot(labels.toInt(), logits.shape[1]!);
        return F.logSoftmax(F.softmax(logits, 1), 1).mul(label).sum(1).mean().neg();`],
    },
    unnormalised: {
      means: {
        en: "this is the logit of the label: the logarithm of the sum of exponentials is missing",
        es: "esto es el logit de la etiqueta: falta el logaritmo de la suma de exponenciales",
      },
      wrong: [`
        const label = tf.oneHot(labels.toInt(), logits.shape[1]!);
        return logits.mul(label).sum(1).mean().neg();`],
    },
    overflow: {
      means: {
        en:
          "large logits overflow: take the logarithm of the softmax in one go, as F.logSoftmax does",
        es:
          "los logits grandes desbordan: calcula de una vez el logaritmo de la softmax, como F.logSoftmax",
      },
      wrong: [`
        const label = tf.oneHot(labels.toInt(), logits.shape[1]!);
        return F.softmax(logits, 1).log().mul(label).sum(1).mean().neg();`],
    },
  },
  async check(t) {
    type Loss = (logits: Tensor, labels: Tensor) => Tensor;
    const { crossEntropy } = t.exports<{ crossEntropy: Loss }>("crossEntropy");
    const X: number[][] = (random(6, 4, 5) as number[][]).map((row) => row.map((x) => 3 * x));
    const labels = [4, 0, 2, 2];
    const mean = (f: (row: number[], label: number) => number) =>
      X.reduce((sum, row, i) => sum + f(row, labels[i]), 0) / X.length;
    const want = mean((row, label) => -Math.log(slowSoftmax(row)[label]));
    const input = `seed 6, logits (4, 5), labels [${labels}]`;
    await t.equal({
      what: "crossEntropy(logits, labels)",
      got: () => crossEntropy(tensor(X), tensor(labels, "int32")),
      want,
      input,
      suspects: {
        sum: want * 4,
        overElements: want / 5,
        noLog: ([got]) =>
          Math.abs(Math.abs(Number(got)) - mean((row, i) => slowSoftmax(row)[i])) < 1e-4,
        twice: mean((row, label) => -Math.log(slowSoftmax(slowSoftmax(row))[label])),
        unnormalised: mean((row, label) => -row[label]),
      },
    });
    const loss = (x: number[]) =>
      x.reduce((sum, _, i) => {
        if (i % 5) return sum;
        return sum - Math.log(slowSoftmax(x.slice(i, i + 5))[labels[i / 5]]) / 4;
      }, 0);
    const gradient = await numericGradient(loss, X.flat(), 1e-5);
    await t.equal({
      what: "the gradient of crossEntropy by the logits",
      stage: "gradient",
      got: () => tf.grad((x) => crossEntropy(x, tensor(labels, "int32")).asScalar())(tensor(X)),
      want: X.map((_, i) => gradient.slice(5 * i, 5 * i + 5)),
      input,
    });
    await t.equal({
      what: "crossEntropy(logits, labels)",
      got: () => crossEntropy(tensor([[1000, 0], [0, 1000]]), tensor([1, 1], "int32")),
      want: 500,
      input: "logits = [[1000, 0], [0, 1000]], labels = [1, 1]",
      otherwise: "overflow",
    });
  },
});
