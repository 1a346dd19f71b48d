import type { Tensor } from "lib/tensor.ts";
import { append, exercise, todo } from "../framework/exercise.ts";
import { random, tensor } from "../framework/tools.ts";

export default exercise({
  level: 3,
  title: { en: "only the masked places", es: "solo los lugares ocultos" },
  task: {
    en: `
      BERT predicts words at the masked places only. Write gatherMasked(x, masked_pos): x (B, T, C) and the places of
      each row, masked_pos (B, M), int32 -> (B, M, C), without a loop over the batch.`,
    es: `
      BERT solo predice palabras en los lugares ocultos. Escribe gatherMasked(x, masked_pos): x (B, T, C) y los lugares de
      cada fila, masked_pos (B, M), int32 -> (B, M, C), sin un bucle sobre el lote.`,
  },
  hints: [
    {
      en:
        "Put the rows of all sentences on top of each other, (B T, C): where is place p of sentence b then?",
      es:
        "Apila las filas de todas las frases, (B T, C): ¿dónde está entonces el lugar p de la frase b?",
    },
    {
      en: "At b T + p: add a column with 0, T, 2 T, ... to masked_pos, and gather.",
      es: "En b T + p: suma a masked_pos una columna con 0, T, 2 T, ... y aplica gather.",
    },
  ],
  look: "gatherMasked(), BERT.forward()",
  start: [append(`
    /** The vectors at some places of each row: x (B, T, C), masked_pos (B, M) -> (B, M, C). */
    export function gatherMasked(x: Tensor, masked_pos: Tensor): Tensor {
      ${todo}
    }`)],
  solution: `
    const [B, T, C] = x.shape;
    const offsets = tf.range(0, B, 1, "int32").mul(tf.scalar(T!, "int32")).expandDims(1); // (B, 1)
    return tf.gather(x.reshape([B * T!, C!]), masked_pos.add(offsets).toInt());`,
  others: [
    `return tf.gather(x, masked_pos.toInt(), 1, 1);`,
    `return tf.matMul(tf.oneHot(masked_pos.toInt(), x.shape[1]!).toFloat(), x); // (B, M, T) times (B, T, C)`,
  ],
  diagnoses: {
    firstRow: {
      means: {
        en: "all places were looked up in the first sentence: place p of sentence b is row b T + p",
        es:
          "todos los lugares se han buscado en la primera frase: el lugar p de la frase b es la fila b T + p",
      },
      wrong: [`
        const [B, T, C] = x.shape;
        return tf.gather(x.reshape([B * T!, C!]), masked_pos.toInt());`],
    },
    everyRow: {
      means: {
        en: "each sentence got the places of all sentences",
        es: "cada frase ha recibido los lugares de todas las frases",
      },
      wrong: [`return tf.gather(x, masked_pos.toInt(), 1);`],
    },
    samePlaces: {
      means: {
        en: "the places of the first sentence were used for all",
        es: "se han usado los lugares de la primera frase para todas",
      },
      wrong: [`return tf.gather(x, masked_pos.slice([0, 0], [1, -1]).squeeze([0]).toInt(), 1);`],
    },
    offset: {
      means: {
        en: "the offset of a sentence is its number times T, the length of a row",
        es: "el desplazamiento de una frase es su número por T, la longitud de una fila",
      },
      wrong: [`
        const [B, T, C] = x.shape;
        const M = masked_pos.shape[1]!;
        const offsets = tf.range(0, B, 1, "int32").mul(tf.scalar(M, "int32")).expandDims(1);
        return tf.gather(x.reshape([B * T!, C!]), masked_pos.add(offsets).toInt());`],
    },
  },
  async check(t) {
    type Gather = (x: Tensor, masked_pos: Tensor) => Tensor;
    const { gatherMasked } = t.exports<{ gatherMasked: Gather }>("gatherMasked");
    const x: number[][][] = random(82, 3, 5, 2), places = [[1, 4], [0, 3], [2, 2]];
    const flat = x.flat();
    const all = (f: (b: number, p: number) => number[]) =>
      places.map((row, b) => row.map((p) => f(b, p)));
    await t.equal({
      what: "gatherMasked(x, masked_pos)",
      got: () => gatherMasked(tensor(x), tensor(places, "int32")),
      want: all((b, p) => x[b][p]),
      input: `seed 82, x (3, 5, 2), masked_pos = ${JSON.stringify(places)}`,
      suspects: {
        firstRow: all((_, p) => x[0][p]),
        everyRow: (_, shape) => shape?.length === 4,
        samePlaces: x.map((rows) => places[0].map((p) => rows[p])),
        offset: all((b, p) => flat[2 * b + p]),
      },
    });
  },
});
