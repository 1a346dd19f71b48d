import * as tf from "@tensorflow/tfjs";
import type { Tensor } from "lib/tensor.ts";
import { append, exercise, todo } from "../framework/exercise.ts";
import { random, tensor } from "../framework/tools.ts";

type Accumulate = (batches: Tensor[], gradientOf: (batch: Tensor) => Tensor) => Tensor;

export default exercise({
  level: 2,
  title: { en: "a large batch in small pieces", es: "un lote grande en trozos pequeños" },
  task: {
    en: `
      A batch that does not fit into memory is split. Write accumulate(batches, gradientOf): the gradient of the mean loss of
      all rows together, as if they were one batch, from gradientOf(batch), the gradient of the mean loss of one of the
      batches (rows, ...). The batches may have different numbers of rows.`,
    es: `
      Un lote que no cabe en memoria se divide. Escribe accumulate(batches, gradientOf): el gradiente de la pérdida media de
      todas las filas juntas, como si fueran un solo lote, a partir de gradientOf(batch), el gradiente de la pérdida media de
      uno de los lotes (filas, ...). Los lotes pueden tener distinto número de filas.`,
  },
  hints: [
    {
      en:
        "The gradient of a mean is the mean of the gradients. Over how many rows is each of them a mean?",
      es:
        "El gradiente de una media es la media de los gradientes. ¿Sobre cuántas filas es media cada uno?",
    },
    {
      en: "Weight each by its share of the rows: batch.shape[0] / total; then add up.",
      es: "Pondera cada uno por su parte de las filas: batch.shape[0] / total; después suma.",
    },
  ],
  look: "accumulate(), train()",
  start: [append(`
    /** The gradient of the mean loss over the rows of all batches. */
    export function accumulate(batches: Tensor[], gradientOf: (batch: Tensor) => Tensor): Tensor {
      ${todo}
    }`)],
  solution: `
    const total = batches.reduce((sum, batch) => sum + batch.shape[0], 0);
    const parts = batches.map((batch) => gradientOf(batch).mul(batch.shape[0] / total));
    return tf.addN(parts);`,
  others: [`
    let [sum, rows] = [tf.scalar(0) as Tensor, 0];
    for (const batch of batches) {
      sum = gradientOf(batch).mul(batch.shape[0]).add(sum);
      rows += batch.shape[0];
    }
    return sum.div(rows);`],
  diagnoses: {
    sum: {
      means: {
        en:
          "the gradients were added without weights: the step would grow with the number of pieces",
        es: "los gradientes se han sumado sin pesos: el paso crecería con el número de trozos",
      },
      wrong: [`return tf.addN(batches.map(gradientOf));`],
    },
    plainMean: {
      means: {
        en: "all pieces count the same, though they have different numbers of rows",
        es: "todos los trozos cuentan igual, aunque tienen distinto número de filas",
      },
      wrong: [`return tf.addN(batches.map(gradientOf)).div(batches.length);`],
    },
    last: {
      means: {
        en: "only the last piece counts: each gradient replaces the one before it",
        es: "solo cuenta el último trozo: cada gradiente sustituye al anterior",
      },
      wrong: [`
        let gradient: Tensor = tf.scalar(0);
        for (const batch of batches) gradient = gradientOf(batch);
        return gradient;`],
    },
    notDivided: {
      means: {
        en: "the weighted gradients were not divided by the number of all rows",
        es: "los gradientes ponderados no se han dividido por el número total de filas",
      },
      wrong: [`return tf.addN(batches.map((batch) => gradientOf(batch).mul(batch.shape[0])));`],
    },
  },
  async check(t) {
    const { accumulate } = t.exports<{ accumulate: Accumulate }>("accumulate");
    const rows: number[][] = random(91, 9, 3), w = [0.5, -1, 2];
    // The gradient of the mean of (w . x)^2 by w is the mean of 2 (w . x) x.
    const gradientOf = (batch: Tensor) =>
      batch.mul(tf.dot(batch, tf.tensor1d(w)).mul(2).expandDims(1)).mean(0);
    const dot = (x: number[]) => x.reduce((sum, value, j) => sum + value * w[j], 0);
    const mean = (rows: number[][]) =>
      w.map((_, j) => rows.reduce((sum, x) => sum + 2 * dot(x) * x[j], 0) / rows.length);
    for (const sizes of [[4, 3, 2], [1, 8], [9]]) {
      const pieces = sizes.map((size, i) => {
        const start = sizes.slice(0, i).reduce((a, b) => a + b, 0);
        return rows.slice(start, start + size);
      });
      const sum = w.map((_, j) => pieces.reduce((sum, piece) => sum + mean(piece)[j], 0));
      await t.equal({
        what: "accumulate(batches, gradientOf)",
        stage: "gradient",
        got: () => accumulate(pieces.map((piece) => tensor(piece)), gradientOf),
        want: mean(rows),
        input: `seed 91, batches of ${sizes.join(", ")} rows (3)`,
        suspects: {
          sum,
          plainMean: sum.map((x) => x / sizes.length),
          last: mean(pieces.at(-1)!),
          notDivided: mean(rows).map((x) => 9 * x),
        },
      });
    }
  },
});
