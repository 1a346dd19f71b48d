import { append, exercise, todo } from "../framework/exercise.ts";
import { random } from "../framework/tools.ts";

export default exercise({
  level: 1,
  title: { en: "which vector is plotted?", es: "¿qué vector se dibuja?" },
  task: {
    en: `
      A word has two vectors: its row in W as a target, and its row in C as a context. Write
      wordVectors(W, C, which) for lists of rows (V, E): the rows to plot if which is "W", "C", or "mean", the mean
      of both vectors of each word. Then look at the three pictures: --plots=W,C,mean.`,
    es: `
      Una palabra tiene dos vectores: su fila de W como objetivo y su fila de C como contexto. Escribe
      wordVectors(W, C, which) para listas de filas (V, E): las filas que se dibujan si which es "W", "C" o
      "mean", la media de los dos vectores de cada palabra. Mira después las tres imágenes: --plots=W,C,mean.`,
  },
  hints: [
    {
      en: "The mean is taken word by word and component by component: its shape is that of W.",
      es: "La media se calcula palabra a palabra y componente a componente: su forma es la de W.",
    },
    {
      en: "W.map((row, i) => row.map((x, j) => ...)) visits each number together with C[i][j].",
      es: "W.map((row, i) => row.map((x, j) => ...)) visita cada número junto con C[i][j].",
    },
  ],
  look: "wordVectors()",
  start: [append(`
    /** The rows to plot: of W, of C, or the mean of the two for each word; all (V, E). */
    export function wordVectors(W: number[][], C: number[][], which: "W" | "C" | "mean"): number[][] {
      ${todo}
    }`)],
  solution: `
    if (which === "W") return W;
    if (which === "C") return C;
    return W.map((row, i) => row.map((x, j) => (x + C[i][j]) / 2));`,
  others: [`
    const share = { W: 1, C: 0, mean: 0.5 }[which];
    return tf.tensor2d(W).mul(share).add(tf.tensor2d(C).mul(1 - share)).arraySync() as number[][];`],
  diagnoses: {
    sum: {
      means: {
        en: "this is the sum of the two vectors, twice their mean",
        es: "esto es la suma de los dos vectores, el doble de su media",
      },
      wrong: [`
        if (which !== "mean") return which === "W" ? W : C;
        return W.map((row, i) => row.map((x, j) => x + C[i][j]));`],
    },
    overWords: {
      means: {
        en: "this is a mean over the words; each word keeps a vector of its own",
        es: "esto es una media sobre las palabras; cada palabra conserva su propio vector",
      },
      wrong: [`
        if (which !== "mean") return which === "W" ? W : C;
        return [W, C].map((rows) => rows[0].map((_, j) => rows.reduce((sum, row) => sum + row[j], 0) / rows.length));`],
    },
    joined: {
      means: {
        en: "the two vectors stand one behind the other; their mean has E components",
        es: "los dos vectores están uno tras otro; su media tiene E componentes",
      },
      wrong: [`
        if (which !== "mean") return which === "W" ? W : C;
        return W.map((row, i) => [...row, ...C[i]]);`],
    },
    exchanged: {
      means: {
        en: "target and context vectors are exchanged, or one of them stands in for the other",
        es: "los vectores objetivo y contexto están intercambiados, o uno ocupa el lugar del otro",
      },
      wrong: [
        `if (which === "W") return C;
         if (which === "C") return W;
         return W.map((row, i) => row.map((x, j) => (x + C[i][j]) / 2));`,
        `if (which !== "mean") return W;
         return W.map((row, i) => row.map((x, j) => (x + C[i][j]) / 2));`,
      ],
    },
  },
  async check(t) {
    type Vectors = (W: number[][], C: number[][], which: string) => number[][];
    const { wordVectors } = t.exports<{ wordVectors: Vectors }>("wordVectors");
    const W: number[][] = random(14, 4, 3), C: number[][] = random(15, 4, 3);
    const mean = W.map((row, i) => row.map((x, j) => 0.5 * x + 0.5 * C[i][j]));
    for (const [which, want] of [["W", W], ["C", C], ["mean", mean]] as const) {
      await t.equal({
        what: `wordVectors(W, C, "${which}")`,
        got: () => wordVectors(structuredClone(W), structuredClone(C), which),
        want,
        input: "seeds 14 and 15, W (4, 3), C (4, 3)",
        suspects: {
          sum: mean.map((row) => row.map((x) => 2 * x)),
          overWords: (_, shape) => shape?.length === 1 || (shape?.length === 2 && shape[0] < 4),
          joined: (_, shape) => String(shape) === "4,6",
          exchanged: which === "W" ? C : W,
        },
      });
    }
  },
});
