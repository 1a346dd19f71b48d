import type { Tensor } from "lib/tensor.ts";
import { append, exercise, todo } from "../framework/exercise.ts";
import { random, tensor } from "../framework/tools.ts";

export default exercise({
  level: 2,
  title: { en: "one-hot rows without multiplying", es: "filas one-hot sin multiplicar" },
  task: {
    en: `
      The program multiplies one-hot rows (B, V) by the weight of W, which is stored as (out, in) = (E, V). Write
      lookup(weight, words) that gives the same hidden vectors for word indices (B): weight (E, V) -> (B, E),
      without a single multiplication. So an embedding is a linear layer on one-hot rows.`,
    es: `
      El programa multiplica filas one-hot (B, V) por el peso de W, que se guarda como (salida, entrada) = (E, V).
      Escribe lookup(weight, words), que da los mismos vectores ocultos para índices de palabras (B): weight
      (E, V) -> (B, E), sin una sola multiplicación. Un embedding es, pues, una capa lineal sobre filas one-hot.`,
  },
  hints: [
    {
      en: "One-hot row times matrix picks a column of the weight: which one?",
      es: "Una fila one-hot por la matriz escoge una columna del peso: ¿cuál?",
    },
    {
      en: "tf.gather(x, indices, axis) picks along any axis; the result may need a transposition.",
      es:
        "tf.gather(x, indices, axis) escoge a lo largo de cualquier eje; puede que haya que trasponer el resultado.",
    },
  ],
  look: "lookup(), Word2Vec.forward()",
  start: [append(`
    /** What one-hot rows of the words give in a linear layer: weight (E, V), words (B) -> (B, E). */
    export function lookup(weight: Tensor, words: Tensor): Tensor {
      ${todo}
    }`)],
  solution: `return tf.gather(weight.transpose(), words.toInt()); // rows of (V, E)`,
  others: [
    `return tf.gather(weight, words.toInt(), 1).transpose();`,
    `return F.embedding(words.toInt(), weight.transpose());`,
  ],
  diagnoses: {
    multiplied: {
      means: {
        en: "the result is right, but found by a matrix product in which nearly every factor is 0",
        es:
          "el resultado es correcto, pero sale de un producto de matrices en el que casi todo factor es 0",
      },
      wrong: [`return F.linear(tf.oneHot(words.toInt(), weight.shape[1]!).toFloat(), weight);`],
    },
    rows: {
      means: {
        en:
          "rows of the weight were picked; the vector of a word is its column, as the weight is (out, in)",
        es:
          "se han escogido filas del peso; el vector de una palabra es su columna, pues el peso es (salida, entrada)",
      },
      wrong: [`return tf.gather(weight, words.toInt());`],
    },
    transposed: {
      means: {
        en: "the words stand in the columns of the result; they are to be its rows",
        es: "las palabras están en las columnas del resultado; deben ser sus filas",
      },
      wrong: [`return tf.gather(weight, words.toInt(), 1);`],
    },
    reshaped: {
      means: {
        en:
          "the numbers were put into another shape without being transposed: reshape does not move them",
        es: "los números se han puesto en otra forma sin trasponer: reshape no los mueve de sitio",
      },
      wrong: [`return tf.gather(weight, words.toInt(), 1).reshape([-1, weight.shape[0]]);`],
    },
  },
  async check(t) {
    const { lookup } = t.exports<{ lookup(weight: Tensor, words: Tensor): Tensor }>("lookup");
    const [E, V] = [4, 4];
    const W: number[][] = random(20, E, V), words = [3, 0, 3, 1, 2];
    const columns = words.map((word) => W.map((row) => row[word])); // (B, E)
    const moved = W.flatMap((row) => words.map((word) => row[word]));
    const input = `seed 20, weight (4, 4), words [${words}]`;
    const got = () => lookup(tensor(W), tensor(words, "int32"));
    await t.equal({
      what: "lookup(weight, words)",
      got,
      want: columns,
      input,
      suspects: {
        rows: words.map((word) => W[word]),
        transposed: W.map((row) => words.map((word) => row[word])),
        reshaped: words.map((_, i) => moved.slice(i * E, (i + 1) * E)),
      },
    });
    await t.cost({ what: "lookup(weight, words)", got, most: 0, input, diagnosis: "multiplied" });
  },
});
