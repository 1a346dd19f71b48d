import type { Tensor } from "lib/tensor.ts";
import { append, exercise, todo } from "../framework/exercise.ts";
import { random, tensor } from "../framework/tools.ts";

export default exercise({
  level: 1,
  title: {
    en: "a logarithm of a sum of exponentials",
    es: "el logaritmo de una suma de exponenciales",
  },
  task: {
    en: `
      The logarithm of the softmax needs log(sum(exp(x))) of each row. Write logSumExp(x): x (B, V) -> (B). It
      must be right for logits of 1000 and of -1000 as well, in one row or in different rows.`,
    es: `
      El logaritmo de la softmax necesita log(sum(exp(x))) de cada fila. Escribe logSumExp(x): x (B, V) -> (B).
      También tiene que ser correcto con logits de 1000 y de -1000, en una misma fila o en filas distintas.`,
  },
  hints: [
    {
      en:
        "In float32, exp(89) is already infinity. What happens to the result if c is taken from every x?",
      es:
        "En float32, exp(89) ya es infinito. ¿Qué le pasa al resultado si a cada x se le resta c?",
    },
    {
      en: "log(sum(exp(x))) = c + log(sum(exp(x - c))) for any c: take the maximum of the row.",
      es:
        "log(sum(exp(x))) = c + log(sum(exp(x - c))) para cualquier c: toma el máximo de la fila.",
    },
    {
      en:
        "const max = x.max(1, true) is (B, 1); x.sub(max) does not overflow; add max.squeeze([1]) at the end.",
      es:
        "const max = x.max(1, true) es (B, 1); x.sub(max) no se desborda; suma max.squeeze([1]) al final.",
    },
  ],
  look: "logSumExp()",
  start: [append(`
    /** log(sum(exp(x))) of each row: x (B, V) -> (B). */
    export function logSumExp(x: Tensor): Tensor {
      ${todo}
    }`)],
  solution: `
    const max = x.max(1, true); // (B, 1)
    return x.sub(max).exp().sum(1).log().add(max.squeeze([1]));`,
  others: [
    `return x.logSumExp(1);`,
    `const first = x.slice([0, 0], [-1, 1]); // (B, 1)
     return first.sub(F.logSoftmax(x, 1).slice([0, 0], [-1, 1])).squeeze([1]);`,
  ],
  diagnoses: {
    overflow: {
      means: {
        en:
          "exp overflows or underflows: take the maximum of each row away first, and add it again at the end",
        es: "exp se desborda: resta primero el máximo de cada fila y súmalo de nuevo al final",
      },
      wrong: [
        `return x.exp().sum(1).log();`,
        `const max = x.max();
         return x.sub(max).exp().sum(1).log().add(max);`,
      ],
    },
    notAdded: {
      means: {
        en: "the maximum was taken away and not added again",
        es: "se ha restado el máximo y no se ha vuelto a sumar",
      },
      wrong: [`return x.sub(x.max(1, true)).exp().sum(1).log();`],
    },
    axis: {
      means: {
        en:
          "the sum runs over the rows; each row is an image, the classes stand side by side (axis 1)",
        es:
          "la suma recorre las filas; cada fila es una imagen y las clases están una junto a otra (eje 1)",
      },
      wrong: [
        `return x.logSumExp(0);`,
        `return x.logSumExp();`,
      ],
    },
    noLog: {
      means: {
        en: "the logarithm of the sum is missing",
        es: "falta el logaritmo de la suma",
      },
      wrong: [
        `const max = x.max(1, true); return x.sub(max).exp().sum(1).mul(max.squeeze([1]).exp());`,
      ],
    },
  },
  async check(t) {
    const { logSumExp } = t.exports<{ logSumExp(x: Tensor): Tensor }>("logSumExp");
    const row = (x: number[], max = Math.max(...x)) =>
      max + Math.log(x.reduce((sum, value) => sum + Math.exp(value - max), 0));
    const X: number[][] = random(1, 3, 4);
    const columns = X[0].map((_, j) => X.map((x) => x[j]));
    await t.equal({
      what: "logSumExp(x)",
      got: () => logSumExp(tensor(X)),
      want: X.map((x) => row(x)),
      input: "seed 1, x (3, 4), values from -1 to 1",
      suspects: {
        notAdded: X.map((x) => row(x) - Math.max(...x)),
        axis: (data) =>
          data.length !== 3 || columns.every((x, j) => Math.abs(row(x) - Number(data[j])) < 1e-4),
        noLog: X.map((x) => Math.exp(row(x))),
      },
    });
    const large = [[1000, 999, 998], [-1000, -1001, -999], [1000, -1000, 0], [0, 0, 0]];
    await t.equal({
      what: "logSumExp(x)",
      got: () => logSumExp(tensor(large)),
      want: large.map((x) => row(x)),
      input: `x = ${JSON.stringify(large)}`,
      otherwise: "overflow",
    });
  },
});
