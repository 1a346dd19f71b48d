import type { Tensor } from "lib/tensor.ts";
import { append, exercise, todo } from "../framework/exercise.ts";
import { random, slowSoftmax, tensor } from "../framework/tools.ts";

type Measure = (logits: Tensor, targets: Tensor) => number | Promise<number> | Tensor;

export default exercise({
  level: 1,
  title: {
    en: "among how many words is the model at a loss?",
    es: "¿entre cuántas palabras duda el modelo?",
  },
  task: {
    en: `
      Write perplexityOf(logits, targets): exp of the mean of -log p(target) over all places; logits (N, V), targets
      (N) -> a number, a promise of one, or a scalar. What is it for a model that knows nothing, and for one that
      is always sure and right?`,
    es: `
      Escribe perplexityOf(logits, targets): exp de la media de -log p(objetivo) en todas las posiciones; logits
      (N, V), targets (N) -> un número, una promesa de número o un escalar. ¿Cuánto vale en un modelo que no sabe
      nada?, ¿y en uno que siempre está seguro y acierta?`,
  },
  hints: [
    {
      en: "F.crossEntropy(logits, targets) is the mean that you need.",
      es: "F.crossEntropy(logits, targets) es la media que necesitas.",
    },
    {
      en:
        "The exponential comes last, after the mean: return F.crossEntropy(logits, targets).exp().",
      es:
        "La exponencial va al final, tras la media: return F.crossEntropy(logits, targets).exp().",
    },
  ],
  look: "perplexityOf(), perplexity()",
  start: [append(`
    /** exp of the mean of -log p(target): logits (N, V), targets (N). */
    export function perplexityOf(logits: Tensor, targets: Tensor): number | Promise<number> | Tensor {
      ${todo}
    }`)],
  solution: `return F.crossEntropy(logits, targets).exp();`,
  others: [`
    const p = F.softmax(logits).mul(tf.oneHot(targets.toInt(), logits.shape[1]!)).sum(1); // (N)
    return values(p).then((p) => [...p].reduce((product, x) => product * x ** (-1 / p.length), 1));`],
  diagnoses: {
    meanOutside: {
      means: {
        en:
          "the mean was taken of exp(-log p), that is of 1 / p: the mean belongs inside the exponential",
        es:
          "se ha hecho la media de exp(-log p), es decir, de 1 / p: la media va dentro de la exponencial",
      },
      wrong: [`return F.crossEntropy(logits, targets, { reduction: "none" }).exp().mean();`],
    },
    sum: {
      means: {
        en:
          "the sum of the losses stands in the exponential, not their mean: it would grow with the text",
        es:
          "en la exponencial está la suma de las pérdidas, no su media: crecería con la longitud del texto",
      },
      wrong: [`return F.crossEntropy(logits, targets, { reduction: "sum" }).exp();`],
    },
    noExp: {
      means: {
        en: "this is the cross-entropy: the exponential is missing",
        es: "esto es la entropía cruzada: falta la exponencial",
      },
      wrong: [`return F.crossEntropy(logits, targets);`],
    },
    base: {
      means: {
        en:
          "2 was raised to a cross-entropy in natural logarithms: base and logarithm have to match",
        es:
          "se ha elevado 2 a una entropía en logaritmos naturales: base y logaritmo deben corresponderse",
      },
      wrong: [`return tf.pow(2, F.crossEntropy(logits, targets));`],
    },
    inverse: {
      means: {
        en: "this is less than 1: the sign in the exponent is missing",
        es: "esto es menor que 1: falta el signo en el exponente",
      },
      wrong: [`return F.crossEntropy(logits, targets).neg().exp();`],
    },
  },
  async check(t) {
    const { perplexityOf } = t.exports<{ perplexityOf: Measure }>("perplexityOf");
    const logits: number[][] = (random(25, 5, 4) as number[][]).map((row) => row.map((x) => 3 * x));
    const targets = [0, 3, 1, 1, 2];
    const p = logits.map((row, i) => slowSoftmax(row)[targets[i]]);
    const product = p.reduce((a, b) => a * b);
    const want = product ** (-1 / p.length); // the inverse of the geometric mean
    const of = (rows: number[][]) => () => perplexityOf(tensor(rows), tensor(targets, "int32"));
    await t.equal({
      what: "perplexityOf(logits, targets)",
      got: of(logits),
      want,
      input: `seed 25, logits (5, 4), targets [${targets}]`,
      suspects: {
        meanOutside: p.reduce((sum, x) => sum + 1 / x, 0) / p.length,
        sum: 1 / product,
        noExp: Math.log(want),
        base: 2 ** Math.log(want),
        inverse: 1 / want,
      },
    });
    await t.equal({
      what: "perplexityOf(logits, targets)",
      got: of(logits.map(() => [2, 2, 2, 2])),
      want: 4,
      input: "equal logits for 4 words: the model knows nothing",
    });
  },
});
