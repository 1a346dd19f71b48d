import * as tf from "@tensorflow/tfjs";
import { body, exercise } from "../framework/exercise.ts";
import { random, tensor } from "../framework/tools.ts";

export default exercise({
  level: 2,
  title: { en: "padding without effect", es: "un relleno sin efecto" },
  task: {
    en: `
      Shorter sentences are filled up with padding, index 0. Write attnPadMask(keys): for keys (B, Tk) a boolean mask
      that is true where a key is padding and must not be looked at. It is used for every query: its shape is
      (B, 1, Tk), which is broadcast, or (B, Tq, Tk). Sentences must get the same attention with and without padding.`,
    es: `
      Las frases cortas se completan con relleno, de índice 0. Escribe attnPadMask(keys): para keys (B, Tk), una
      máscara booleana cierta donde una clave es relleno y no se debe mirar. Vale para todas las consultas: su forma
      es (B, 1, Tk), que se difunde, o (B, Tq, Tk). Las frases deben recibir la misma atención con y sin relleno.`,
  },
  hints: [
    {
      en: "Which axis of the scores (B, H, Tq, Tk) belongs to the words that are looked at?",
      es: "¿Qué eje de las puntuaciones (B, H, Tq, Tk) corresponde a las palabras que se miran?",
    },
    {
      en: "keys.equal(0) is (B, Tk); it needs an axis for the queries in the middle.",
      es: "keys.equal(0) es (B, Tk); le falta en medio un eje para las consultas.",
    },
  ],
  look: "attnPadMask()",
  start: [body("attnPadMask")],
  solution: `return keys.equal(0).expandDims(1); // (B, 1, Tk)`,
  others: [`
    const [B, Tk] = keys.shape;
    const isPad = keys.toFloat().sub(0).abs().less(0.5); // (B, Tk)
    return tf.tile(isPad.reshape([B, 1, Tk!]), [1, Tk!, 1]);`],
  diagnoses: {
    queries: {
      means: {
        en:
          "the queries that are padding are masked, not the keys: the axes of query and key are exchanged",
        es:
          "se enmascaran las consultas que son relleno y no las claves: los ejes están intercambiados",
      },
      wrong: [`return keys.equal(0).expandDims(2);`],
    },
    inverted: {
      means: {
        en: "the words are hidden and the padding is seen: true means hidden",
        es: "se ocultan las palabras y se ve el relleno: cierto significa oculto",
      },
      wrong: [`return keys.notEqual(0).expandDims(1);`],
    },
    noQueryAxis: {
      means: {
        en: "an axis for the queries is missing: broadcasting would take the sentences for queries",
        es: "falta un eje para las consultas: la difusión tomaría las frases por consultas",
      },
      wrong: [`return keys.equal(0);`],
    },
    nothing: {
      means: {
        en: "nothing is hidden: words attend to padding, so a longer padding changes the result",
        es:
          "no se oculta nada: las palabras atienden al relleno, así que más relleno cambia el resultado",
      },
      wrong: [`return keys.less(0).expandDims(1);`],
    },
  },
  async check(t) {
    type Script = typeof import("scripts/transformer.ts");
    const { attnPadMask, scaledDotProductAttention } = t.exports<Script>("attnPadMask");
    const words = [[5, 2, 0, 0], [1, 3, 4, 0], [2, 2, 2, 2]];
    const input = `words = ${JSON.stringify(words)}`;
    const keys = tensor(words, "int32");
    const spread = (hidden: (b: number, i: number, j: number) => boolean) =>
      words.map((row, b) => row.map((_, i) => row.map((_, j) => hidden(b, i, j) ? 1 : 0)));
    const isPad = (b: number, i: number) => words[b][i] === 0;
    const mask = await t.run("attnPadMask(words)", () => attnPadMask(keys), input);
    const shape = mask?.shape ?? [];
    const fits = shape.length === 3 && shape[0] === 3 && shape[2] === 4 &&
      [1, 4].includes(shape[1]!);
    const isColumn = String(shape) === "3,4,1";
    t.that(fits || isColumn, {
      what: "attnPadMask(words)",
      stage: "shape",
      expected: "(3, 1, 4)",
      received: `(${shape.join(", ")})`,
      input,
      diagnosis: "noQueryAxis",
    });
    await t.equal({
      what: "attnPadMask(words), spread out to (B, Tq, Tk)",
      got: () => tf.broadcastTo(mask.toInt(), [3, 4, 4]),
      want: spread((b, _, j) => isPad(b, j)),
      input,
      suspects: {
        queries: spread((b, i) => isPad(b, i)),
        inverted: spread((b, _, j) => !isPad(b, j)),
        nothing: spread(() => false),
      },
    });
    // What it is for: the same attention with and without padding.
    const x: number[][] = random(2, 4, 3);
    const attend = (ids: number[]) => {
      const q = tensor([[x.slice(0, ids.length)]]);
      const { context } = scaledDotProductAttention(q, q, q, attnPadMask(tensor([ids], "int32")));
      return context.slice([0, 0, 0, 0], [1, 1, 2, 3]);
    };
    await t.equal({
      what: "the attention of two words with two places of padding",
      got: () => attend([5, 2, 0, 0]),
      want: await t.run("scaledDotProductAttention()", () => attend([5, 2])),
      input: "seed 2, words [5, 2, 0, 0] and [5, 2]",
    });
  },
});
