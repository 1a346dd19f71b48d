import type { Tensor } from "lib/tensor.ts";
import { append, exercise, todo } from "../framework/exercise.ts";
import { numericGradient, random, slowSoftmax, tensor } from "../framework/tools.ts";

type Update = (
  layer: { weight: Tensor; bias: Tensor },
  x: Tensor,
  label: number,
  learning_rate: number,
) => { weight: Tensor; bias: Tensor };

export default exercise({
  level: 2,
  title: { en: "an update from one image", es: "una actualización con una sola imagen" },
  task: {
    en: `
      With a batch of one image the gradient is short enough to write it down. Write update({ weight, bias }, x,
      label, learning_rate) without tf.grads: one step of gradient descent on -log softmax(z)[label] with
      z = weight x + bias; weight (V, P), bias (V), x (P). It returns the new { weight, bias }.`,
    es: `
      Con lotes de una imagen el gradiente es tan corto que se puede escribir. Escribe update({ weight, bias },
      x, label, learning_rate) sin tf.grads: un paso de descenso por gradiente sobre -log softmax(z)[label] con
      z = weight x + bias; weight (V, P), bias (V), x (P). Devuelve los nuevos { weight, bias }.`,
  },
  hints: [
    {
      en: "How does the loss move with z? It is as short as for the logistic regressor.",
      es: "¿Cómo se mueve la pérdida con z? Es tan corto como en el regresor logístico.",
    },
    {
      en: "d loss / d z = p - y with p = softmax(z) and y the label as one-hot vector, both (V).",
      es:
        "d loss / d z = p - y, con p = softmax(z) e y la etiqueta como vector one-hot, ambos (V).",
    },
    {
      en:
        "The gradient of the weight is the outer product of (p - y) and x, (V, P); that of the bias is p - y.",
      es:
        "El gradiente de weight es el producto exterior de (p - y) y x, (V, P); el del sesgo es p - y.",
    },
  ],
  look: "update()",
  start: [append(`
    /** One step of gradient descent from one image: x (P), weight (V, P), bias (V). */
    export function update(
      { weight, bias }: { weight: Tensor; bias: Tensor },
      x: Tensor,
      label: number,
      learning_rate: number,
    ): { weight: Tensor; bias: Tensor } {
      ${todo}
    }`)],
  solution: `
    const p = F.softmax(tf.dot(weight, x).add(bias)); // (V)
    const err = p.sub(tf.oneHot(label, p.size)); // (V)
    const step = err.mul(learning_rate);
    return { weight: weight.sub(tf.outerProduct(step as tf.Tensor1D, x as tf.Tensor1D)), bias: bias.sub(step) };`,
  others: [`
    const loss = (weight: Tensor, bias: Tensor) =>
      F.crossEntropy(F.linear(x.expandDims(0), weight, bias), tf.tensor1d([label], "int32")).asScalar();
    const [gradW, gradB] = tf.grads(loss as (...args: Tensor[]) => Tensor)([weight, bias]);
    return { weight: weight.sub(gradW.mul(learning_rate)), bias: bias.sub(gradB.mul(learning_rate)) };`],
  diagnoses: {
    noLabel: {
      means: {
        en: "the label has no effect: the error is p minus the one-hot label",
        es: "la etiqueta no tiene efecto: el error es p menos la etiqueta one-hot",
      },
      wrong: [`
        const step = F.softmax(tf.dot(weight, x).add(bias)).mul(learning_rate); // (V)
        return { weight: weight.sub(step.expandDims(1).mul(x)), bias: bias.sub(step) };`],
    },
    ascent: {
      means: {
        en: "the step goes up the loss: subtract the gradient p - y",
        es: "el paso sube por la pérdida: resta el gradiente p - y",
      },
      wrong: [`
        const p = F.softmax(tf.dot(weight, x).add(bias)); // (V)
        const step = p.sub(tf.oneHot(label, p.size)).mul(learning_rate);
        return { weight: weight.add(step.expandDims(1).mul(x)), bias: bias.add(step) };`],
    },
    noSoftmax: {
      means: {
        en: "the error was taken from the logits: the softmax stands between z and the error",
        es: "el error se ha calculado con los logits: entre z y el error está la softmax",
      },
      wrong: [`
        const z = tf.dot(weight, x).add(bias); // (V)
        const step = z.sub(tf.oneHot(label, z.size)).mul(learning_rate);
        return { weight: weight.sub(step.expandDims(1).mul(x)), bias: bias.sub(step) };`],
    },
    biasKept: {
      means: {
        en: "the bias has not moved: its gradient is p - y",
        es: "el sesgo no se ha movido: su gradiente es p - y",
      },
      wrong: [`
        const p = F.softmax(tf.dot(weight, x).add(bias)); // (V)
        const step = p.sub(tf.oneHot(label, p.size)).mul(learning_rate);
        return { weight: weight.sub(step.expandDims(1).mul(x)), bias };`],
    },
    oneRow: {
      means: {
        en:
          "only the row of the label has moved: the rows of the other classes move away from the image",
        es:
          "solo se ha movido la fila de la etiqueta: las filas de las otras clases se alejan de la imagen",
      },
      wrong: [`
        const p = F.softmax(tf.dot(weight, x).add(bias)); // (V)
        const y = tf.oneHot(label, p.size);
        const step = p.sub(y).mul(y).mul(learning_rate);
        return { weight: weight.sub(step.expandDims(1).mul(x)), bias: bias.sub(step) };`],
    },
  },
  async check(t) {
    const { update } = t.exports<{ update: Update }>("update");
    const [V, P, label, rate] = [4, 3, 2, 0.5];
    const W: number[][] = random(8, V, P), b: number[] = random(9, V), x: number[] = random(10, P);
    const z = (parameters: number[]) =>
      Array.from(
        { length: V },
        (_, k) =>
          parameters[V * P + k] + x.reduce((sum, xj, j) => sum + parameters[k * P + j] * xj, 0),
      );
    const start = [...W.flat(), ...b];
    const loss = (parameters: number[]) => -Math.log(slowSoftmax(z(parameters))[label]);
    const gradient = await numericGradient(loss, start, 1e-5);
    const p = slowSoftmax(z(start));
    const hot = (k: number) => k === label ? 1 : 0;
    /** The parameters after a step with this error of each class. */
    const after = (err: (k: number) => number, biasMoves = true) => ({
      weight: W.map((row, k) => row.map((w, j) => w - rate * err(k) * x[j])),
      bias: b.map((value, k) => value - (biasMoves ? rate * err(k) : 0)),
    });
    const right = (k: number) => p[k] - hot(k);
    const mistakes = {
      noLabel: after((k) => p[k]),
      ascent: after((k) => -right(k)),
      noSoftmax: after((k) => z(start)[k] - hot(k)),
      biasKept: after(right, false),
      oneRow: after((k) => right(k) * hot(k)),
    };
    const want = {
      weight: W.map((row, k) => row.map((w, j) => w - rate * gradient[k * P + j])),
      bias: b.map((value, k) => value - rate * gradient[V * P + k]),
    };
    for (const part of ["weight", "bias"] as const) {
      await t.equal({
        what: `update().${part}`,
        stage: "gradient",
        got: () => update({ weight: tensor(W), bias: tensor(b) }, tensor(x), label, rate)?.[part],
        want: want[part],
        input:
          `seeds 8 to 10, weight (4, 3), bias (4), x (3), label ${label}, learning_rate ${rate}`,
        suspects: Object.fromEntries(Object.entries(mistakes).map(([name, m]) => [name, m[part]])),
      });
    }
  },
});
