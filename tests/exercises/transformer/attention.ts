import type { Tensor } from "lib/tensor.ts";
import { body, exercise } from "../framework/exercise.ts";
import { random, slowSoftmax, tensor } from "../framework/tools.ts";

export default exercise({
  level: 2,
  title: { en: "scaled dot-product attention", es: "atención por producto escalar escalado" },
  task: {
    en: `
      Write scaledDotProductAttention(Q, K, V, mask) of section 3.2.1 of the paper: Q (B, H, Tq, D), K and V (B, H,
      Tk, D), mask (B, 1 or Tq, Tk), true where a query must not look. It returns { context, attn }: the weighted
      values (B, H, Tq, D) and the weights (B, H, Tq, Tk). Hidden places get a weight of 0.`,
    es: `
      Escribe scaledDotProductAttention(Q, K, V, mask) de la sección 3.2.1 del artículo: Q (B, H, Tq, D), K y V (B,
      H, Tk, D), mask (B, 1 o Tq, Tk), cierta donde una consulta no debe mirar. Devuelve { context, attn }: los
      valores ponderados (B, H, Tq, D) y los pesos (B, H, Tq, Tk). Los lugares ocultos reciben peso 0.`,
  },
  hints: [
    {
      en:
        "Three steps: scores of each query with each key, weights by a softmax over the keys, mean of the values.",
      es:
        "Tres pasos: puntuaciones de cada consulta con cada clave, pesos por softmax sobre las claves y media de los valores.",
    },
    {
      en:
        "tf.matMul(Q, K, false, true) multiplies with K transposed; divide by the square root of D.",
      es:
        "tf.matMul(Q, K, false, true) multiplica por K traspuesta; divide por la raíz cuadrada de D.",
    },
    {
      en:
        "Before the softmax: tf.where(mask.expandDims(1), -1e9, scores), so that exp gives 0 there.",
      es: "Antes de la softmax: tf.where(mask.expandDims(1), -1e9, scores), para que exp dé 0 ahí.",
    },
  ],
  look: "scaledDotProductAttention()",
  start: [body("scaledDotProductAttention")],
  solution: `
    const scores = tf.matMul(Q, K, false, true).div(Math.sqrt(Q.shape.at(-1)!)); // (B, H, Tq, Tk)
    const attn = F.softmax(tf.where(mask.expandDims(1), -1e9, scores));
    return { context: tf.matMul(attn, V), attn };`,
  others: [`
    const scaled = Q.mul(Q.shape.at(-1)! ** -0.5);
    const scores = tf.einsum("bhqd,bhkd->bhqk", scaled, K); // (B, H, Tq, Tk)
    const e = scores.sub(scores.max(-1, true)).exp().mul(mask.expandDims(1).logicalNot().toFloat());
    const attn = e.div(e.sum(-1, true));
    return { context: tf.matMul(attn, V), attn };`],
  diagnoses: {
    unscaled: {
      means: {
        en: "the scores are not divided by the square root of D",
        es: "las puntuaciones no se dividen por la raíz cuadrada de D",
      },
      wrong: [`
        const scores = tf.matMul(Q, K, false, true);
        const attn = F.softmax(tf.where(mask.expandDims(1), -1e9, scores));
        return { context: tf.matMul(attn, V), attn };`],
    },
    overScaled: {
      means: {
        en: "the scores are divided by D; the square root is missing",
        es: "las puntuaciones se dividen por D; falta la raíz cuadrada",
      },
      wrong: [`
        const scores = tf.matMul(Q, K, false, true).div(Q.shape.at(-1)!);
        const attn = F.softmax(tf.where(mask.expandDims(1), -1e9, scores));
        return { context: tf.matMul(attn, V), attn };`],
    },
    zeroScore: {
      means: {
        en: "hidden scores were set to 0, whose exp is 1: a hidden word still gets weight",
        es:
          "las puntuaciones ocultas se han puesto a 0, cuya exp es 1: una palabra oculta aún recibe peso",
      },
      wrong: [`
        const scores = tf.matMul(Q, K, false, true).div(Math.sqrt(Q.shape.at(-1)!));
        const attn = F.softmax(tf.where(mask.expandDims(1), 0, scores));
        return { context: tf.matMul(attn, V), attn };`],
    },
    afterwards: {
      means: {
        en: "the weights were set to 0 after the softmax: those that are left do not sum to 1",
        es: "los pesos se han puesto a 0 tras la softmax: los que quedan no suman 1",
      },
      wrong: [`
        const scores = tf.matMul(Q, K, false, true).div(Math.sqrt(Q.shape.at(-1)!));
        const attn = tf.where(mask.expandDims(1), 0, F.softmax(scores));
        return { context: tf.matMul(attn, V), attn };`],
    },
    overQueries: {
      means: {
        en: "the softmax runs over the queries: the weights of each query, a row, are to sum to 1",
        es: "la softmax recorre las consultas: deben sumar 1 los pesos de cada consulta, una fila",
      },
      wrong: [`
        const scores = tf.matMul(Q, K, false, true).div(Math.sqrt(Q.shape.at(-1)!));
        const attn = tf.softmax(tf.where(mask.expandDims(1), -1e9, scores).transpose([0, 1, 3, 2]))
          .transpose([0, 1, 3, 2]);
        return { context: tf.matMul(attn, V), attn };`],
    },
    noMask: {
      means: {
        en: "the mask has no effect",
        es: "la máscara no tiene efecto",
      },
      wrong: [`
        const scores = tf.matMul(Q, K, false, true).div(Math.sqrt(Q.shape.at(-1)!));
        const attn = F.softmax(scores);
        return { context: tf.matMul(attn, V), attn };`],
    },
  },
  async check(t) {
    type Attend = (
      Q: Tensor,
      K: Tensor,
      V: Tensor,
      mask: Tensor,
    ) => { context: Tensor; attn: Tensor };
    const { scaledDotProductAttention } = t.exports<{ scaledDotProductAttention: Attend }>(
      "scaledDotProductAttention",
    );
    const [B, H, Tq, Tk, D] = [2, 2, 4, 3, 5];
    const scale3 = (x: number[]): number[] =>
      x.map((row) => Array.isArray(row) ? scale3(row) : 2 * row) as number[];
    const Q: number[][][][] = scale3(random(31, B, H, Tq, D)) as never;
    const K: number[][][][] = scale3(random(32, B, H, Tk, D)) as never;
    const V: number[][][][] = random(33, B, H, Tk, D);
    const hidden = [[[0, 0, 1]], [[0, 1, 0]]]; // (B, 1, Tk): one key of each sentence
    const over = (f: (b: number, h: number, i: number) => number[]) =>
      Q.map((heads, b) => heads.map((rows, h) => rows.map((_, i) => f(b, h, i))));
    const score = (b: number, h: number, i: number, j: number) =>
      Q[b][h][i].reduce((sum, x, d) => sum + x * K[b][h][j][d], 0);
    const weights = (
      { power = 0.5, fill = -1e9, after = 1, columns = false }: {
        power?: number;
        fill?: number | null;
        after?: number;
        columns?: boolean;
      } = {},
    ) =>
      over((b, h, i) => {
        const masked = (i: number, j: number) =>
          hidden[b][0][j] && fill !== null ? fill : score(b, h, i, j) / D ** power;
        const keys = [...Array(Tk).keys()];
        if (columns) {
          return keys.map((j) => slowSoftmax([...Array(Tq).keys()].map((i) => masked(i, j)))[i]);
        }
        return slowSoftmax(keys.map((j) => masked(i, j))).map((w, j) =>
          hidden[b][0][j] ? w * after : w
        );
      });
    const want = weights();
    const input =
      "seeds 31 to 33, Q (2, 2, 4, 5), K and V (2, 2, 3, 5), one hidden key in each sentence";
    const got = () =>
      scaledDotProductAttention(
        tensor(Q),
        tensor(K),
        tensor(V),
        tensor(hidden, "int32").cast("bool"),
      );
    await t.equal({
      what: "scaledDotProductAttention().attn",
      got: async () => (await got())?.attn,
      want,
      input,
      suspects: {
        unscaled: weights({ power: 0 }),
        overScaled: weights({ power: 1 }),
        zeroScore: weights({ fill: 0 }),
        afterwards: weights({ fill: null, after: 0 }),
        overQueries: weights({ columns: true }),
        noMask: weights({ fill: null }),
      },
    });
    await t.equal({
      what: "scaledDotProductAttention().context",
      got: async () => (await got())?.context,
      want: over((b, h, i) =>
        V[b][h][0].map((_, d) => want[b][h][i].reduce((sum, w, j) => sum + w * V[b][h][j][d], 0))
      ),
      input,
    });
  },
});
