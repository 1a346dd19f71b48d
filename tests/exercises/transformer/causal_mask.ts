import * as tf from "@tensorflow/tfjs";
import { body, exercise } from "../framework/exercise.ts";
import { random, tensor } from "../framework/tools.ts";

export default exercise({
  level: 1,
  title: { en: "no look at the future", es: "sin mirar al futuro" },
  task: {
    en: `
      A word of the decoder may attend to itself and to the words before it. Write attnSubsequentMask(words): for
      words (B, T) a boolean mask (T, T), true where the query (row) must NOT look at the key (column). Then think:
      why do hidden scores become -1e9, almost minus infinity, and not 0?`,
    es: `
      Una palabra del descodificador puede atender a sí misma y a las anteriores. Escribe
      attnSubsequentMask(words): para words (B, T), una máscara booleana (T, T) que es cierta donde la consulta
      (fila) NO debe mirar la clave (columna). Después piensa: ¿por qué las puntuaciones ocultas pasan a ser -1e9,
      casi menos infinito, y no 0?`,
  },
  hints: [
    {
      en: "Write the mask for T = 3 on paper: which three of its nine entries are true?",
      es: "Escribe en papel la máscara para T = 3: ¿qué tres de sus nueve valores son ciertos?",
    },
    {
      en: "Entry [i, j] is true if j > i: compare a row of positions (1, T) with a column (T, 1).",
      es:
        "El valor [i, j] es cierto si j > i: compara una fila de posiciones (1, T) con una columna (T, 1).",
    },
  ],
  look: "attnSubsequentMask()",
  start: [body("attnSubsequentMask")],
  solution: `
    const position = tf.range(0, words.shape[1]!, 1, "int32"); // (T)
    return position.expandDims(0).greater(position.expandDims(1)); // (1, T) > (T, 1) -> (T, T)`,
  others: [
    `const T = words.shape[1]!;
     return tf.linalg.bandPart(tf.ones([T, T]), -1, 0).equal(0);`,
    `const T = words.shape[1]!;
     const rows = Array.from({ length: T }, (_, i) => Array.from({ length: T }, (_, j) => i < j));
     return tf.tensor2d(rows, [T, T], "bool");`,
  ],
  diagnoses: {
    itself: {
      means: {
        en: "a word is hidden from itself; the first word would see nothing at all",
        es: "una palabra no se ve a sí misma; la primera no vería nada",
      },
      wrong: [`
        const position = tf.range(0, words.shape[1]!, 1, "int32");
        return position.expandDims(0).greaterEqual(position.expandDims(1));`],
    },
    past: {
      means: {
        en: "the past is hidden and the future is seen: row and column are exchanged",
        es: "se oculta el pasado y se ve el futuro: fila y columna están intercambiadas",
      },
      wrong: [`
        const position = tf.range(0, words.shape[1]!, 1, "int32");
        return position.expandDims(1).greater(position.expandDims(0));`],
    },
    inverted: {
      means: {
        en: "true and false are exchanged: here true means hidden",
        es: "cierto y falso están intercambiados: aquí cierto significa oculto",
      },
      wrong: [`
        const position = tf.range(0, words.shape[1]!, 1, "int32");
        return position.expandDims(0).lessEqual(position.expandDims(1));`],
    },
    nothing: {
      means: {
        en: "nothing is hidden: every word sees its future, so in training it can copy the answer",
        es:
          "no se oculta nada: cada palabra ve su futuro, así que al entrenar puede copiar la respuesta",
      },
      wrong: [`return tf.zeros([words.shape[1]!, words.shape[1]!], "bool");`],
    },
  },
  async check(t) {
    type Script = typeof import("scripts/transformer.ts");
    const { attnSubsequentMask, scaledDotProductAttention } = t.exports<Script>(
      "attnSubsequentMask",
    );
    for (const T of [4, 1, 6]) {
      const mask = (hidden: (i: number, j: number) => boolean) =>
        Array.from(
          { length: T },
          (_, i) => Array.from({ length: T }, (_, j) => hidden(i, j) ? 1 : 0),
        );
      await t.equal({
        what: `attnSubsequentMask(words)`,
        got: () => attnSubsequentMask(tf.ones([2, T], "int32")),
        want: mask((i, j) => j > i),
        input: `words of shape (2, ${T})`,
        suspects: {
          itself: mask((i, j) => j >= i),
          past: mask((i, j) => j < i),
          inverted: mask((i, j) => j <= i),
          nothing: mask(() => false),
        },
      });
    }
    // What it is for: with another last word, the outputs of the earlier places stay.
    const [T, D] = [4, 3];
    const x: number[][] = random(1, T, D);
    const changed = x.map((row, i) => i === T - 1 ? row.map((value) => value + 1) : row);
    const outputs = (x: number[][]) => {
      const q = tensor([[x]]); // (B, H, T, D) with one sentence and one head
      const mask = tf.expandDims(attnSubsequentMask(tf.ones([1, T], "int32")), 0);
      return scaledDotProductAttention(q, q, q, mask).context.slice([0, 0, 0, 0], [1, 1, T - 1, D]);
    };
    await t.equal({
      what: "the attention at all places but the last, after a change of the last word",
      got: () => outputs(changed),
      want: await t.run("scaledDotProductAttention()", () => outputs(x)),
      input: "seed 1, (1, 1, 4, 3)",
    });
  },
});
