import { append, exercise, todo } from "../framework/exercise.ts";
import { numericGradient, random } from "../framework/tools.ts";

interface Vectors {
  w: number[];
  positive: number[];
  negatives: number[][];
}

export default exercise({
  level: 3,
  title: {
    en: "stochastic gradient descent by hand",
    es: "descenso por gradiente estocástico a mano",
  },
  task: {
    en: `
      Jurafsky and Martin train skip-grams by SGD. Write sgdStep({ w, positive, negatives }, learning_rate)
      without tfjs: one step on L = -log s(positive . w) - sum over the negatives n of log s(-n . w), s the
      sigmoid. All vectors are lists; the result is a new object of the same form. Then train with it in place of
      Adam, three times with other learning rates, and compare the pictures.`,
    es: `
      Jurafsky y Martin entrenan los skip-grams con SGD. Escribe sgdStep({ w, positive, negatives },
      learning_rate) sin tfjs: un paso sobre L = -log s(positive . w) - suma sobre los negativos n de log s(-n . w),
      con s la sigmoide. Todos los vectores son listas; el resultado es un nuevo objeto con la misma forma.
      Después entrena con ella en lugar de Adam, tres veces con distintas tasas de aprendizaje, y compara.`,
  },
  hints: [
    {
      en: "The derivative of -log s(z) by z is s(z) - 1, that of -log s(-z) is s(z).",
      es: "La derivada de -log s(z) respecto a z es s(z) - 1; la de -log s(-z) es s(z).",
    },
    {
      en:
        "By the positive: (s(positive . w) - 1) w. By a negative n: s(n . w) w. All start from the old w.",
      es:
        "Respecto a positive: (s(positive . w) - 1) w. Respecto a un negativo n: s(n . w) w. Todos con el w antiguo.",
    },
    {
      en: "By w: (s(positive . w) - 1) positive + the sum of s(n . w) n, all with the old vectors.",
      es:
        "Respecto a w: (s(positive . w) - 1) positive + la suma de s(n . w) n, con los vectores antiguos.",
    },
  ],
  look: "sgdStep()",
  start: [append(`
    /** One step of gradient descent: target w (E), its context positive (E), noise negatives (k, E). */
    export function sgdStep(
      { w, positive, negatives }: { w: number[]; positive: number[]; negatives: number[][] },
      learning_rate: number,
    ): { w: number[]; positive: number[]; negatives: number[][] } {
      ${todo}
    }`)],
  solution: `
    const s = (c: number[]) => 1 / (1 + Math.exp(-c.reduce((sum, x, j) => sum + x * w[j], 0)));
    const contexts = [positive, ...negatives];
    const errors = contexts.map((c, i) => s(c) - (i === 0 ? 1 : 0));
    const [newPositive, ...newNegatives] = contexts.map((c, i) =>
      c.map((x, j) => x - learning_rate * errors[i] * w[j])
    );
    const newW = w.map((x, j) =>
      x - learning_rate * contexts.reduce((sum, c, i) => sum + errors[i] * c[j], 0)
    );
    return { w: newW, positive: newPositive, negatives: newNegatives };`,
  others: [`
    const lossOf = (w: Tensor, C: Tensor) => {
      const signs = tf.tensor1d([1, ...negatives.map(() => -1)]); // (1 + k)
      return tf.dot(C, w).mul(signs).sigmoid().log().sum().neg();
    };
    const w0 = tf.tensor1d(w), C0 = tf.tensor2d([positive, ...negatives]);
    const [gradW, gradC] = tf.grads(lossOf as (...args: Tensor[]) => Tensor)([w0, C0]);
    const [first, ...rest] = C0.sub(gradC.mul(learning_rate)).arraySync() as number[][];
    const newW = w0.sub(gradW.mul(learning_rate)).arraySync() as number[];
    return { w: newW, positive: first, negatives: rest };`],
  diagnoses: {
    sequential: {
      means: {
        en:
          "w was updated with context vectors that had already moved (or the other way round): all gradients are taken at the old vectors",
        es:
          "w se ha actualizado con contextos que ya se habían movido (o al revés): los gradientes se toman en los vectores antiguos",
      },
      wrong: [
        `const s = (c: number[]) => 1 / (1 + Math.exp(-c.reduce((sum, x, j) => sum + x * w[j], 0)));
         const contexts = [positive, ...negatives];
         const errors = contexts.map((c, i) => s(c) - (i === 0 ? 1 : 0));
         const moved = contexts.map((c, i) => c.map((x, j) => x - learning_rate * errors[i] * w[j]));
         const newW = w.map((x, j) => x - learning_rate * moved.reduce((sum, c, i) => sum + errors[i] * c[j], 0));
         return { w: newW, positive: moved[0], negatives: moved.slice(1) };`,
        `const s = (c: number[]) => 1 / (1 + Math.exp(-c.reduce((sum, x, j) => sum + x * w[j], 0)));
         const contexts = [positive, ...negatives];
         const errors = contexts.map((c, i) => s(c) - (i === 0 ? 1 : 0));
         const newW = w.map((x, j) => x - learning_rate * contexts.reduce((sum, c, i) => sum + errors[i] * c[j], 0));
         const moved = contexts.map((c, i) => c.map((x, j) => x - learning_rate * errors[i] * newW[j]));
         return { w: newW, positive: moved[0], negatives: moved.slice(1) };`,
      ],
    },
    attracted: {
      means: {
        en: "the negatives are pulled towards w; their label is 0, so they are pushed away",
        es: "los negativos se acercan a w; su etiqueta es 0, así que se alejan",
      },
      wrong: [`
        const s = (c: number[]) => 1 / (1 + Math.exp(-c.reduce((sum, x, j) => sum + x * w[j], 0)));
        const contexts = [positive, ...negatives];
        const errors = contexts.map((c) => s(c) - 1);
        const moved = contexts.map((c, i) => c.map((x, j) => x - learning_rate * errors[i] * w[j]));
        const newW = w.map((x, j) => x - learning_rate * contexts.reduce((sum, c, i) => sum + errors[i] * c[j], 0));
        return { w: newW, positive: moved[0], negatives: moved.slice(1) };`],
    },
    ascent: {
      means: {
        en: "the step goes up the loss: subtract the gradient",
        es: "el paso sube por la pérdida: resta el gradiente",
      },
      wrong: [`
        const s = (c: number[]) => 1 / (1 + Math.exp(-c.reduce((sum, x, j) => sum + x * w[j], 0)));
        const contexts = [positive, ...negatives];
        const errors = contexts.map((c, i) => s(c) - (i === 0 ? 1 : 0));
        const moved = contexts.map((c, i) => c.map((x, j) => x + learning_rate * errors[i] * w[j]));
        const newW = w.map((x, j) => x + learning_rate * contexts.reduce((sum, c, i) => sum + errors[i] * c[j], 0));
        return { w: newW, positive: moved[0], negatives: moved.slice(1) };`],
    },
    meanOfNegatives: {
      means: {
        en: "the negatives count with their mean; in the loss stands their sum",
        es: "los negativos cuentan con su media; en la pérdida está su suma",
      },
      wrong: [`
        const s = (c: number[]) => 1 / (1 + Math.exp(-c.reduce((sum, x, j) => sum + x * w[j], 0)));
        const contexts = [positive, ...negatives];
        const errors = contexts.map((c, i) => i === 0 ? s(c) - 1 : s(c) / negatives.length);
        const moved = contexts.map((c, i) => c.map((x, j) => x - learning_rate * errors[i] * w[j]));
        const newW = w.map((x, j) => x - learning_rate * contexts.reduce((sum, c, i) => sum + errors[i] * c[j], 0));
        return { w: newW, positive: moved[0], negatives: moved.slice(1) };`],
    },
  },
  async check(t) {
    type Step = (vectors: Vectors, learning_rate: number) => Vectors;
    const { sgdStep } = t.exports<{ sgdStep: Step }>("sgdStep");
    const [E, k, rate] = [3, 4, 0.5];
    const w: number[] = random(16, E), positive: number[] = random(17, E);
    const negatives: number[][] = random(18, k, E);
    const dot = (a: number[], b: number[]) => a.reduce((sum, x, j) => sum + x * b[j], 0);
    const s = (z: number) => 1 / (1 + Math.exp(-z));
    const unpack = (x: number[]) =>
      Array.from({ length: k + 2 }, (_, i) => x.slice(i * E, (i + 1) * E));
    const loss = (x: number[]) => {
      const [w, positive, ...negatives] = unpack(x);
      return -Math.log(s(dot(positive, w))) -
        negatives.reduce((sum, n) => sum + Math.log(s(-dot(n, w))), 0);
    };
    const all = [w, positive, ...negatives];
    const gradient = unpack(await numericGradient(loss, all.flat(), 1e-5));
    const after = (g: number[][]): Vectors => {
      const [newW, newPositive, ...newNegatives] = all.map((v, i) =>
        v.map((x, j) => x - rate * g[i][j])
      );
      return { w: newW, positive: newPositive, negatives: newNegatives };
    };
    /** The step if the error of each context is this. */
    const byErrors = (error: (c: number[], isPositive: boolean) => number) => {
      const contexts = all.slice(1);
      const errors = contexts.map((c, i) => error(c, i === 0));
      const ofW = w.map((_, j) => contexts.reduce((sum, c, i) => sum + errors[i] * c[j], 0));
      return after([ofW, ...errors.map((e) => w.map((x) => e * x))]);
    };
    const right = after(gradient);
    const contextsFirst = (() => {
      const moved = [right.positive, ...right.negatives];
      const errors = all.slice(1).map((c, i) => s(dot(c, w)) - (i === 0 ? 1 : 0));
      return w.map((x, j) => x - rate * moved.reduce((sum, c, i) => sum + errors[i] * c[j], 0));
    })();
    const attracted = byErrors((c) => s(dot(c, w)) - 1);
    const mean = byErrors((c, isPositive) => isPositive ? s(dot(c, w)) - 1 : s(dot(c, w)) / k);
    const ascent = after(gradient.map((row) => row.map((x) => -x)));
    const got = await t.run(
      "sgdStep(...)",
      () => sgdStep(structuredClone({ w, positive, negatives }), rate),
    );
    for (const part of ["w", "positive", "negatives"] as const) {
      await t.equal({
        what: `sgdStep().${part}`,
        stage: "gradient",
        got: () => got?.[part],
        want: right[part],
        input: `seeds 16 to 18, vectors of 3 numbers, 4 negatives, learning_rate ${rate}`,
        suspects: {
          ascent: ascent[part],
          attracted: attracted[part],
          meanOfNegatives: mean[part],
          sequential: (data) =>
            part === "w"
              ? contextsFirst.every((x, j) => Math.abs(x - data[j]) < 1e-4)
              : all[part === "positive" ? 1 : 2].every((x, j) => {
                const c = all[part === "positive" ? 1 : 2];
                const error = s(dot(c, w)) - (part === "positive" ? 1 : 0);
                return Math.abs(x - rate * error * right.w[j] - data[j]) < 1e-4;
              }),
        },
      });
    }
  },
});
