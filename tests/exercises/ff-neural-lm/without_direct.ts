import * as tf from "@tensorflow/tfjs";
import type * as nn from "lib/nn.ts";
import type { Tensor } from "lib/tensor.ts";
import { append, exercise, todo } from "../framework/exercise.ts";
import { random, tensor } from "../framework/tools.ts";

interface Sizes {
  n_step: number;
  n_hidden: number;
  m: number;
}

export default exercise({
  level: 2,
  title: { en: "without the direct connections", es: "sin las conexiones directas" },
  task: {
    en: `
      Bengio's paper also tries the model without the direct connections W. Write the constructor and the forward
      of NNLMWithoutW: b + U tanh(H x + d) and nothing else, with the same parameter names. With the course's sizes
      45 of the 73 parameters are left. Is the loss higher?`,
    es: `
      El artículo de Bengio prueba también el modelo sin las conexiones directas W. Escribe el constructor y el
      forward de NNLMWithoutW: b + U tanh(H x + d) y nada más, con los mismos nombres de parámetros. Con los tamaños
      del curso quedan 45 de los 73 parámetros. ¿Es mayor la pérdida?`,
  },
  hints: [
    {
      en: "Take the class NNLM as a model: which lines of it mention W?",
      es: "Toma como modelo la clase NNLM: ¿qué líneas mencionan W?",
    },
    {
      en:
        "C is an embedding, H a linear layer with a bias (the d), U one without; b is a parameter of its own.",
      es:
        "C es un embedding, H una capa lineal con sesgo (la d) y U una sin él; b es un parámetro aparte.",
    },
    {
      en: "The forward is that of NNLM without .add(this.W.forward(x)).",
      es: "El forward es el de NNLM sin .add(this.W.forward(x)).",
    },
  ],
  look: "NNLMWithoutW, NNLM",
  start: [append(`
    /** The model without the direct connections: words (B, T) -> logits (B, V). */
    export class NNLMWithoutW extends nn.Module {
      C: nn.Embedding;
      H: nn.Linear;
      U: nn.Linear;
      b: nn.Parameter;

      constructor(
        n_class: number,
        { n_step, n_hidden, m }: Record<"n_step" | "n_hidden" | "m", number>,
      ) {
        super();
        ${todo}
      }

      forward(X: Tensor): Tensor {
        ${todo}
      }
    }`)],
  solution: [
    `
    this.C = new nn.Embedding(n_class, m);
    this.H = new nn.Linear(n_step * m, n_hidden);
    this.U = new nn.Linear(n_hidden, n_class, { bias: false });
    this.b = nn.parameter(tf.ones([n_class]));`,
    `
    const x = this.C.forward(X).reshape([X.shape[0], -1]); // (B, T * m)
    return this.U.forward(this.H.forward(x).tanh()).add(this.b);`,
  ],
  others: [[
    `
    const whole = new NNLM(n_class, { n_step, n_hidden, m });
    this.C = whole.C;
    this.H = whole.H;
    this.U = whole.U;
    this.b = whole.b;`,
    `
    const [B, T] = X.shape;
    const m = this.C.weight.shape[1]!;
    const x = F.embedding(X, this.C.weight).reshape([B, T! * m]);
    return F.linear(tf.tanh(F.linear(x, this.H.weight, this.H.bias)), this.U.weight, this.b);`,
  ]],
  diagnoses: {
    biasOfU: {
      means: {
        en: "U has a bias of its own beside b: the bias of the output is there twice",
        es: "U tiene su propio sesgo además de b: el sesgo de la salida está dos veces",
      },
      wrong: [[
        `
        this.C = new nn.Embedding(n_class, m);
        this.H = new nn.Linear(n_step * m, n_hidden);
        this.U = new nn.Linear(n_hidden, n_class);
        this.b = nn.parameter(tf.ones([n_class]));`,
        `
        const x = this.C.forward(X).reshape([X.shape[0], -1]);
        return this.U.forward(this.H.forward(x).tanh()).add(this.b);`,
      ]],
    },
    noD: {
      means: {
        en: "H has no bias: it is the paper's d, inside the tanh",
        es: "H no tiene sesgo: es la d del artículo, dentro de la tanh",
      },
      wrong: [[
        `
        this.C = new nn.Embedding(n_class, m);
        this.H = new nn.Linear(n_step * m, n_hidden, { bias: false });
        this.U = new nn.Linear(n_hidden, n_class, { bias: false });
        this.b = nn.parameter(tf.ones([n_class]));`,
        `
        const x = this.C.forward(X).reshape([X.shape[0], -1]);
        return this.U.forward(this.H.forward(x).tanh()).add(this.b);`,
      ]],
    },
    noTanh: {
      means: {
        en: "the tanh is missing: without it the whole model is linear in the embeddings",
        es: "falta la tanh: sin ella todo el modelo es lineal en los embeddings",
      },
      wrong: [[
        `
        this.C = new nn.Embedding(n_class, m);
        this.H = new nn.Linear(n_step * m, n_hidden);
        this.U = new nn.Linear(n_hidden, n_class, { bias: false });
        this.b = nn.parameter(tf.ones([n_class]));`,
        `
        const x = this.C.forward(X).reshape([X.shape[0], -1]);
        return this.U.forward(this.H.forward(x)).add(this.b);`,
      ]],
    },
    noB: {
      means: {
        en: "b has no effect on the logits",
        es: "b no tiene efecto sobre los logits",
      },
      wrong: [[
        `
        this.C = new nn.Embedding(n_class, m);
        this.H = new nn.Linear(n_step * m, n_hidden);
        this.U = new nn.Linear(n_hidden, n_class, { bias: false });
        this.b = nn.parameter(tf.ones([n_class]));`,
        `
        const x = this.C.forward(X).reshape([X.shape[0], -1]);
        return this.U.forward(this.H.forward(x).tanh());`,
      ]],
    },
  },
  async check(t) {
    type Model = nn.Module & {
      forward(X: Tensor): Tensor;
      C: nn.Embedding;
      H: nn.Linear;
      U: nn.Linear;
      b: nn.Parameter;
    };
    const { NNLMWithoutW } = t.exports<
      { NNLMWithoutW: new (n_class: number, sizes: Sizes) => Model }
    >(
      "NNLMWithoutW",
    );
    for (const [V, n_step, n_hidden, m] of [[7, 2, 2, 2], [5, 3, 4, 2]]) {
      const sizes = { n_step, n_hidden, m };
      const input = `n_class ${V}, ${JSON.stringify(sizes)}`;
      const model = await t.run("new NNLMWithoutW()", () => new NNLMWithoutW(V, sizes), input);
      const count = V * m + (n_step * m + 1) * n_hidden + n_hidden * V + V;
      await t.equal({
        what: "the number of parameters",
        got: () => model.countParameters(),
        want: count,
        input,
        suspects: { biasOfU: count + V, noD: count - n_hidden },
      });
      const C: number[][] = random(1, V, m), H: number[][] = random(2, n_hidden, n_step * m);
      const d: number[] = random(3, n_hidden), U: number[][] = random(4, V, n_hidden);
      const b: number[] = random(5, V);
      await t.run("the parameters C, H, U and b", () => {
        for (
          const [p, value] of [[model.C.weight, C], [model.H.weight, H], [model.H.bias, d], [
            model.U.weight,
            U,
          ], [model.b, b]] as const
        ) {
          p!.assign(tensor(value));
        }
      }, input);
      const X = [[1, 0, 2], [3, 4, 1]].map((row) => row.slice(0, n_step));
      const logits = (activate = Math.tanh, biased = true) =>
        X.map((words) => {
          const x = words.flatMap((word) => C[word]);
          const hidden = H.map((row, k) =>
            activate(d[k] + row.reduce((sum, w, j) => sum + w * x[j], 0))
          );
          return U.map((row, v) =>
            row.reduce((sum, u, k) => sum + u * hidden[k], biased ? b[v] : 0)
          );
        });
      await t.equal({
        what: "forward(X)",
        got: () => model.forward(tensor(X, "int32")),
        want: logits(),
        input: `${input}, seeds 1 to 5 for C, H, its bias, U and b, X = ${JSON.stringify(X)}`,
        suspects: { noTanh: logits((x) => x), noB: logits(Math.tanh, false) },
      });
      tf.dispose(model.parameters());
    }
  },
});
