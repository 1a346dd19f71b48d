import type { Tensor } from "lib/tensor.ts";
import { append, exercise, todo } from "../framework/exercise.ts";
import { random, tensor } from "../framework/tools.ts";

export default exercise({
  level: 2,
  title: { en: "einsum without transposing", es: "einsum sin trasponer" },
  task: {
    en: `
      The course's program computes the dot product of each target with its context by einsum("ij,ji->i", w, c^T).
      Write dotProducts(w, c) that does it without transposing c: w (B, E), c (B, E) -> (B). Only the B products
      that are needed may be computed, not all B x B.`,
    es: `
      El programa del curso calcula el producto escalar de cada objetivo con su contexto con
      einsum("ij,ji->i", w, c^T). Escribe dotProducts(w, c), que lo hace sin trasponer c: w (B, E), c (B, E) ->
      (B). Solo se pueden calcular los B productos que hacen falta, no los B x B.`,
  },
  hints: [
    {
      en:
        "In einsum, what letters do the axes of c get if it is not transposed, and which letter is summed over?",
      es:
        "En einsum, ¿qué letras reciben los ejes de c si no se traspone, y sobre qué letra se suma?",
    },
    {
      en:
        "i is the pair, j the component; both tensors have them in the same order, and j is not in the result.",
      es:
        "i es el par y j, la componente; los dos tensores las tienen en el mismo orden y j no está en el resultado.",
    },
    {
      en:
        'tf.einsum("ij,ij->i", w, c); or without einsum, multiply element by element and sum over axis 1.',
      es:
        'tf.einsum("ij,ij->i", w, c); o, sin einsum, multiplica elemento a elemento y suma sobre el eje 1.',
    },
  ],
  look: "dotProducts(), Word2Vec.forward()",
  start: [append(`
    /** The dot product of each row of w with the same row of c: w (B, E), c (B, E) -> (B). */
    export function dotProducts(w: Tensor, c: Tensor): Tensor {
      ${todo}
    }`)],
  solution: `return tf.einsum("ij,ij->i", w, c);`,
  others: [
    `return w.mul(c).sum(1);`,
    `return tf.matMul(w.expandDims(1), c.expandDims(2)).squeeze([1, 2]); // (B, 1, E) times (B, E, 1)`,
  ],
  diagnoses: {
    all: {
      means: {
        en:
          "all B x B products are computed, and B of them are used: with a batch of 768 pairs that is 768 times the work",
        es:
          "se calculan los B x B productos y se usan B: con lotes de 768 pares es 768 veces el trabajo",
      },
      wrong: [
        `const all = tf.matMul(w, c, false, true); // (B, B)
         return all.mul(tf.eye(w.shape[0]!)).sum(1);`,
      ],
    },
    matrix: {
      means: {
        en: "this is the whole matrix of products: i must stand in both inputs and in the result",
        es:
          "esto es la matriz completa de productos: i debe estar en las dos entradas y en el resultado",
      },
      wrong: [
        `return tf.einsum("ij,kj->ik", w, c);`,
        `return tf.einsum("ij,ik->jk", w, c);`,
      ],
    },
    axis: {
      means: {
        en: "the sum runs over the pairs; it is to run over the components of a vector",
        es: "la suma recorre los pares; debe recorrer las componentes de un vector",
      },
      wrong: [`return tf.einsum("ij,ij->j", w, c);`],
    },
    total: {
      means: {
        en: "everything is summed up to one number: the letter i must stay in the result",
        es: "todo se suma en un único número: la letra i debe quedar en el resultado",
      },
      wrong: [`return w.mul(c).sum();`],
    },
    notSummed: {
      means: {
        en: "the products of the components are there, but not their sum",
        es: "están los productos de las componentes, pero no su suma",
      },
      wrong: [`return tf.einsum("ij,ij->ij", w, c);`, `return w.mul(c);`],
    },
  },
  async check(t) {
    const { dotProducts } = t.exports<{ dotProducts(w: Tensor, c: Tensor): Tensor }>("dotProducts");
    const [B, E] = [5, 3];
    const w: number[][] = random(12, B, E), c: number[][] = random(13, B, E);
    const sum = (f: (i: number, j: number) => boolean) =>
      w.reduce(
        (total, row, i) => total + row.reduce((s, x, j) => s + (f(i, j) ? x * c[i][j] : 0), 0),
        0,
      );
    const input = "seeds 12 and 13, w (5, 3), c (5, 3)";
    await t.equal({
      what: "dotProducts(w, c)",
      got: () => dotProducts(tensor(w), tensor(c)),
      want: w.map((_, i) => sum((k) => k === i)),
      input,
      suspects: {
        matrix: (_, shape) => [[B, B], [E, E]].some((s) => String(s) === String(shape)),
        axis: [...Array(E).keys()].map((j) => sum((_, k) => k === j)),
        total: sum(() => true),
        notSummed: w.map((row, i) => row.map((x, j) => x * c[i][j])),
      },
    });
    await t.cost({
      what: "dotProducts(w, c)",
      got: () => dotProducts(tensor(w), tensor(c)),
      most: B * E,
      input,
      diagnosis: "all",
    });
  },
});
