import { append, exercise, todo } from "../framework/exercise.ts";
import { slowSoftmax } from "../framework/tools.ts";

export default exercise({
  level: 2,
  title: { en: "surer or more varied", es: "más seguro o más variado" },
  task: {
    en: `
      Write withTemperature(logits, temperature): the probabilities softmax(logits / temperature), as a list. Below 1 the
      model is surer, above 1 more varied. It must work for a temperature of 0.001 as well, where it is practically greedy.`,
    es: `
      Escribe withTemperature(logits, temperature): las probabilidades softmax(logits / temperature), como lista. Por debajo
      de 1 el modelo es más seguro y por encima, más variado. También debe valer para 0.001, donde es prácticamente voraz.`,
  },
  hints: [
    {
      en:
        "What is exp(5 / 0.001)? And what may be taken from all logits without changing the softmax?",
      es:
        "¿Cuánto es exp(5 / 0.001)? ¿Y qué se puede restar a todos los logits sin cambiar la softmax?",
    },
    {
      en: "Divide first, then take away the maximum, then exp, then divide by the sum.",
      es: "Divide primero, luego resta el máximo, aplica exp y divide por la suma.",
    },
  ],
  look: "withTemperature(), softmax()",
  start: [append(`
    /** softmax(logits / temperature). */
    export function withTemperature(logits: number[], temperature: number): number[] {
      ${todo}
    }`)],
  solution: `
    const most = Math.max(...logits);
    const e = logits.map((x) => Math.exp((x - most) / temperature));
    const sum = e.reduce((a, b) => a + b, 0);
    return e.map((x) => x / sum);`,
  others: [`return [...softmax(tf.tensor1d(logits).div(temperature)).dataSync()];`],
  diagnoses: {
    multiplied: {
      means: {
        en:
          "the logits were multiplied by the temperature: low ones then make the model more varied, not surer",
        es:
          "los logits se han multiplicado por la temperatura: las bajas harían al modelo más variado, no más seguro",
      },
      wrong: [`return [...softmax(tf.tensor1d(logits).mul(temperature)).dataSync()];`],
    },
    overflow: {
      means: {
        en: "exp overflows at low temperatures: take the maximum away first",
        es: "exp se desborda con temperaturas bajas: resta primero el máximo",
      },
      wrong: [`
        const e = logits.map((x) => Math.exp(x / temperature));
        const sum = e.reduce((a, b) => a + b, 0);
        return e.map((x) => x / sum);`],
    },
    afterwards: {
      means: {
        en: "the probabilities were divided, not the logits: then they no longer sum to 1",
        es: "se han dividido las probabilidades, no los logits: entonces ya no suman 1",
      },
      wrong: [`return [...softmax(tf.tensor1d(logits)).div(temperature).dataSync()];`],
    },
    ignored: {
      means: {
        en: "the temperature has no effect",
        es: "la temperatura no tiene efecto",
      },
      wrong: [
        `return [...softmax(tf.tensor1d(logits)).dataSync()];`,
        `const p = softmax(tf.tensor1d(logits)).div(temperature);
         return [...p.div(p.sum()).dataSync()];`,
      ],
    },
  },
  async check(t) {
    type Temper = (logits: number[], temperature: number) => number[];
    const { withTemperature } = t.exports<{ withTemperature: Temper }>("withTemperature");
    const logits = [1, 3, -2, 2.5];
    for (const T of [0.5, 2, 0.001]) {
      await t.equal({
        what: `withTemperature([${logits}], ${T})`,
        got: () => withTemperature([...logits], T),
        want: T === 0.001 ? [0, 1, 0, 0] : slowSoftmax(logits.map((x) => x / T)),
        suspects: {
          multiplied: slowSoftmax(logits.map((x) => x * T)),
          afterwards: slowSoftmax(logits).map((x) => x / T),
          ignored: slowSoftmax(logits),
          overflow: (data) => data.some((x) => !Number.isFinite(x)),
        },
      });
    }
  },
});
