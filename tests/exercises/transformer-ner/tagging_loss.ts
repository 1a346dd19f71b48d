import type { Tensor } from "lib/tensor.ts";
import { append, exercise, todo } from "../framework/exercise.ts";
import { random, slowSoftmax, tensor } from "../framework/tools.ts";

type Loss = (logits: Tensor, targets: Tensor) => Tensor;

export default exercise({
  level: 2,
  title: { en: "a loss without padding", es: "una pérdida sin relleno" },
  task: {
    en: `
      Write taggingLoss(logits, targets) without ignore_index: the mean of the cross-entropy over the real words of all
      sentences; logits (B, T, V), targets (B, T), 0 at padding -> a scalar. A longer padding must not change it.`,
    es: `
      Escribe taggingLoss(logits, targets) sin ignore_index: la media de la entropía cruzada sobre las palabras reales de
      todas las frases; logits (B, T, V), targets (B, T), 0 en el relleno -> un escalar. Más relleno no debe cambiarla.`,
  },
  hints: [
    {
      en:
        "F.crossEntropy(..., { reduction: 'none' }) gives the loss of each place (B T). Which ones count?",
      es:
        "F.crossEntropy(..., { reduction: 'none' }) da la pérdida de cada lugar (B T). ¿Cuáles cuentan?",
    },
    {
      en:
        "Multiply by a mask of 1 for words and 0 for padding, sum up, and divide by the number of words.",
      es:
        "Multiplica por una máscara de 1 en las palabras y 0 en el relleno, suma y divide por el número de palabras.",
    },
  ],
  look: "taggingLoss()",
  start: [append(`
    /** The mean cross-entropy over real words: logits (B, T, V), targets (B, T), 0 at padding. */
    export function taggingLoss(logits: Tensor, targets: Tensor): Tensor {
      ${todo}
    }`)],
  solution: `
    const losses = F.crossEntropy(logits, targets, { reduction: "none" }); // (B T)
    const isWord = targets.notEqual(0).toFloat().flatten(); // (B T)
    return losses.mul(isWord).sum().div(isWord.sum());`,
  others: [
    `return F.crossEntropy(logits, targets, { ignore_index: 0 });`,
    `const V = logits.shape[2]!;
     const y = tf.oneHot(targets.toInt(), V).toFloat().mul(targets.notEqual(0).toFloat().expandDims(2)); // (B, T, V)
     return F.logSoftmax(logits).mul(y).sum().neg().div(y.sum());`,
  ],
  diagnoses: {
    withPadding: {
      means: {
        en: "padding counts as a tag to be learned",
        es: "el relleno cuenta como una etiqueta que hay que aprender",
      },
      wrong: [`return F.crossEntropy(logits, targets);`],
    },
    overAll: {
      means: {
        en:
          "the loss of the words was divided by all places, padding included: more padding would make it smaller",
        es:
          "la pérdida de las palabras se divide por todos los lugares, con relleno: con más relleno sería menor",
      },
      wrong: [`
        const losses = F.crossEntropy(logits, targets, { reduction: "none" });
        return losses.mul(targets.notEqual(0).toFloat().flatten()).mean();`],
    },
    perSentence: {
      means: {
        en: "this is the mean of the sentences' means: words of short sentences would count more",
        es:
          "esto es la media de las medias de las frases: las palabras de frases cortas contarían más",
      },
      wrong: [`
        const isWord = targets.notEqual(0).toFloat(); // (B, T)
        const losses = F.crossEntropy(logits, targets, { reduction: "none" }).reshape(isWord.shape).mul(isWord);
        return losses.sum(1).div(isWord.sum(1)).mean();`],
    },
    sum: {
      means: {
        en: "this is a sum over the words, not their mean",
        es: "esto es una suma sobre las palabras, no su media",
      },
      wrong: [`return F.crossEntropy(logits, targets, { reduction: "sum", ignore_index: 0 });`],
    },
  },
  async check(t) {
    const { taggingLoss } = t.exports<{ taggingLoss: Loss }>("taggingLoss");
    const targets = [[2, 1, 3, 0, 0], [1, 0, 0, 0, 0], [3, 3, 2, 1, 0]];
    const logits: number[][][] = (random(71, 3, 5, 4) as number[][][]).map((rows) =>
      rows.map((row) => row.map((x) => 2 * x))
    );
    const losses = targets.map((row, b) =>
      row.map((tag, i) => -Math.log(slowSoftmax(logits[b][i])[tag]))
    );
    const words = losses.map((row, b) => row.filter((_, i) => targets[b][i] !== 0));
    const sum = (x: number[]) => x.reduce((a, b) => a + b, 0);
    const mean = (x: number[]) => sum(x) / x.length;
    const of = (T: number) => () =>
      taggingLoss(
        tensor(logits.map((rows) => rows.slice(0, T))),
        tensor(targets.map((row) => row.slice(0, T)), "int32"),
      );
    const suspects = (T: number) => ({
      withPadding: mean(losses.flatMap((row) => row.slice(0, T))),
      overAll: sum(words.flat()) / (3 * T),
      perSentence: mean(words.map(mean)),
      sum: sum(words.flat()),
    });
    for (const T of [5, 4]) {
      await t.equal({
        what: "taggingLoss(logits, targets)",
        got: of(T),
        want: mean(words.flat()),
        input: `seed 71, logits (3, ${T}, 4), targets ${
          JSON.stringify(targets.map((row) => row.slice(0, T)))
        }`,
        suspects: suspects(T),
      });
    }
  },
});
