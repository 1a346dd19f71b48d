import type { Tensor } from "lib/tensor.ts";
import { append, exercise, todo } from "../framework/exercise.ts";
import { random, tensor } from "../framework/tools.ts";

export default exercise({
  level: 2,
  title: { en: "all heads in one product", es: "todas las cabezas en un producto" },
  task: {
    en: `
      minGPT computes all heads with one large matrix; a list of heads with a small matrix each gives the same, slower.
      Write allHeads(x, weights): x (T, C), weights a list of H matrices (D, C) as linear layers store them -> (H, T, D),
      x times each matrix transposed, with a single matrix product. Then time both.`,
    es: `
      minGPT calcula todas las cabezas con una matriz grande; una lista de cabezas, cada una con su matriz pequeña, da lo
      mismo más despacio. Escribe allHeads(x, weights): x (T, C) y weights una lista de H matrices (D, C) como las guardan
      las capas lineales -> (H, T, D), x por cada matriz traspuesta, con un solo producto de matrices. Luego mide ambos.`,
  },
  hints: [
    {
      en:
        "Put the H matrices on top of each other: what shape do you get, and what does one linear layer make of x?",
      es: "Apila las H matrices: ¿qué forma obtienes y qué hace de x una única capa lineal?",
    },
    {
      en:
        "F.linear(x, tf.concat(weights)) is (T, H * D): head h has the columns h * D to (h + 1) * D - 1.",
      es:
        "F.linear(x, tf.concat(weights)) es (T, H * D): la cabeza h tiene las columnas h * D a (h + 1) * D - 1.",
    },
    {
      en:
        "First .reshape([T, H, D]), then .transpose([1, 0, 2]); a reshape to (H, T, D) would mix heads and tokens.",
      es:
        "Primero .reshape([T, H, D]) y después .transpose([1, 0, 2]); un reshape a (H, T, D) mezclaría cabezas y elementos.",
    },
  ],
  look: "allHeads(), CausalSelfAttention.forward()",
  start: [append(`
    /** x (T, C) times each of H weights (D, C) transposed, in one product -> (H, T, D). */
    export function allHeads(x: Tensor, weights: Tensor[]): Tensor {
      ${todo}
    }`)],
  solution: `
    const [H, D, T] = [weights.length, weights[0].shape[0], x.shape[0]];
    return F.linear(x, tf.concat(weights)).reshape([T, H, D]).transpose([1, 0, 2]);`,
  others: [
    `return tf.matMul(tf.tile(x.expandDims(0), [weights.length, 1, 1]), tf.stack(weights), false, true);`,
    `const [H, D, T] = [weights.length, weights[0].shape[0], x.shape[0]];
     return tf.matMul(tf.concat(weights), x, false, true).reshape([H, D, T]).transpose([0, 2, 1]);`,
  ],
  diagnoses: {
    loop: {
      means: {
        en: "the values are right, but there is a product for each head",
        es: "los valores son correctos, pero hay un producto por cabeza",
      },
      wrong: [`return tf.stack(weights.map((weight) => F.linear(x, weight)));`],
    },
    mixed: {
      means: {
        en:
          "reshape to (H, T, D) mixes heads and tokens: split the columns first, (T, H, D), then transpose",
        es:
          "reshape a (H, T, D) mezcla cabezas y elementos: separa primero las columnas, (T, H, D), y luego traspón",
      },
      wrong: [`
        const [H, D, T] = [weights.length, weights[0].shape[0], x.shape[0]];
        return F.linear(x, tf.concat(weights)).reshape([H, T, D]);`],
    },
    interleaved: {
      means: {
        en:
          "the columns of a head stand together, one head after the other: (T, H, D), not (T, D, H)",
        es:
          "las columnas de una cabeza están juntas, una cabeza tras otra: (T, H, D), no (T, D, H)",
      },
      wrong: [`
        const [H, D, T] = [weights.length, weights[0].shape[0], x.shape[0]];
        return F.linear(x, tf.concat(weights)).reshape([T, D, H]).transpose([2, 0, 1]);`],
    },
    joined: {
      means: {
        en: "the heads have not been split: they stand side by side in each row",
        es: "las cabezas no se han separado: están una junto a otra en cada fila",
      },
      wrong: [`return F.linear(x, tf.concat(weights));`],
    },
  },
  async check(t) {
    const { allHeads } = t.exports<{ allHeads(x: Tensor, weights: Tensor[]): Tensor }>("allHeads");
    const [T, C, H, D] = [3, 5, 4, 2];
    const x: number[][] = random(61, T, C), W: number[][][] = random(62, H, D, C);
    const dot = (a: number[], b: number[]) => a.reduce((sum, value, c) => sum + value * b[c], 0);
    const want = W.map((rows) => x.map((token) => rows.map((row) => dot(row, token))));
    const columns = x.map((token) => W.flat().map((row) => dot(row, token))); // (T, H D)
    const flat = columns.flat();
    const input = "seeds 61 and 62, x (3, 5), 4 weights (2, 5)";
    const got = () => allHeads(tensor(x), W.map((w) => tensor(w)));
    await t.equal({
      what: "allHeads(x, weights)",
      got,
      want,
      input,
      suspects: {
        mixed: W.map((_, h) => x.map((_, i) => [0, 1].map((d) => flat[(h * T + i) * D + d]))),
        interleaved: W.map((_, h) => x.map((_, i) => [0, 1].map((d) => columns[i][d * H + h]))),
        joined: columns,
      },
    });
    await t.cost({
      what: "allHeads(x, weights)",
      got,
      most: 1,
      unit: "products",
      input,
      diagnosis: "loop",
    });
  },
});
