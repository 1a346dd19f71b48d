import { append, exercise, todo } from "../framework/exercise.ts";
import { random } from "../framework/tools.ts";

export default exercise({
  level: 1,
  title: { en: "only the k best tokens", es: "solo los k mejores elementos" },
  task: {
    en: `
      Write topK(logits, k): the list of logits in which all but the k largest have become -Infinity, so that the
      softmax gives them probability 0. If there are no more than k logits, all stay.`,
    es: `
      Escribe topK(logits, k): la lista de logits en la que todos menos los k mayores han pasado a ser -Infinity, para
      que la softmax les dé probabilidad 0. Si no hay más de k logits, se quedan todos.`,
  },
  hints: [
    {
      en: "Which number separates the logits that stay from the others?",
      es: "¿Qué número separa los logits que se quedan de los demás?",
    },
    {
      en: "Sort a copy from large to small: its element k - 1 is the smallest that stays.",
      es: "Ordena una copia de mayor a menor: su elemento k - 1 es el menor que se queda.",
    },
    {
      en: "Without a function, sort compares texts: write sort((a, b) => b - a).",
      es: "Sin una función, sort compara textos: escribe sort((a, b) => b - a).",
    },
  ],
  look: "topK(); nextToken() of lib/sampling.ts",
  start: [append(`
    /** The logits with all but the k largest at -Infinity. */
    export function topK(logits: number[], k: number): number[] {
      ${todo}
    }`)],
  solution: `
    const least = logits.toSorted((a, b) => b - a)[Math.min(k, logits.length) - 1];
    return logits.map((x) => x < least ? -Infinity : x);`,
  others: [
    `return logits.map((x) => logits.filter((other) => other > x).length < k ? x : -Infinity);`,
    `const { indices } = tf.topk(tf.tensor1d(logits), Math.min(k, logits.length));
     const kept = new Set(indices.dataSync());
     return logits.map((x, i) => kept.has(i) ? x : -Infinity);`,
  ],
  diagnoses: {
    zeros: {
      means: {
        en: "the others became 0, but exp(0) is 1: they still get probability; -Infinity gives 0",
        es:
          "los demás han pasado a ser 0, pero exp(0) es 1: aún reciben probabilidad; -Infinity da 0",
      },
      wrong: [`
        const least = logits.toSorted((a, b) => b - a)[Math.min(k, logits.length) - 1];
        return logits.map((x) => x < least ? 0 : x);`],
    },
    smallest: {
      means: {
        en: "the k smallest have stayed",
        es: "se han quedado los k menores",
      },
      wrong: [`
        const most = logits.toSorted((a, b) => a - b)[Math.min(k, logits.length) - 1];
        return logits.map((x) => x > most ? -Infinity : x);`],
    },
    count: {
      means: {
        en: "one logit too many or too few has stayed",
        es: "se ha quedado un logit de más o de menos",
      },
      wrong: [
        `const least = logits.toSorted((a, b) => b - a)[k] ?? -Infinity;
         return logits.map((x) => x < least ? -Infinity : x);`,
        `const least = logits.toSorted((a, b) => b - a)[Math.min(k, logits.length) - 1];
         return logits.map((x) => x <= least ? -Infinity : x);`,
      ],
    },
    asText: {
      means: {
        en:
          "the numbers were sorted as texts, where -0.5 comes before -2 and 10 before 9: give sort a function",
        es:
          "los números se han ordenado como textos, donde -0.5 va antes que -2 y 10 antes que 9: dale a sort una función",
      },
      wrong: [`
        const least = logits.toSorted().reverse()[Math.min(k, logits.length) - 1];
        return logits.map((x) => x < least ? -Infinity : x);`],
    },
    short: {
      means: {
        en:
          "the result has lost the other tokens: their places must stay, or the indices are no token ids any more",
        es:
          "el resultado ha perdido los demás elementos: deben conservar su lugar, o los índices dejan de ser identificadores",
      },
      wrong: [`return logits.toSorted((a, b) => b - a).slice(0, k);`],
    },
  },
  async check(t) {
    const { topK } = t.exports<{ topK(logits: number[], k: number): number[] }>("topK");
    const byHand = [-0.5, 10, 9, 100, 30, -11];
    const seeded = (random(51, 12) as number[]).map((x) => 10 * x);
    for (
      const [logits, k, name] of [[byHand, 3, ""], [byHand, 4, ""], [seeded, 5, "seed 51"]] as const
    ) {
      const rank = (x: number) => logits.filter((other) => other > x).length;
      const kept = (f: (x: number) => boolean, other = -Infinity) =>
        logits.map((x) => f(x) ? x : other);
      const texts = logits.toSorted().reverse();
      await t.equal({
        what: `topK(logits, ${k})`,
        got: () => topK([...logits], k),
        want: kept((x) => rank(x) < k),
        input: name || `logits = [${logits}]`,
        suspects: {
          zeros: kept((x) => rank(x) < k, 0),
          smallest: kept((x) => rank(x) >= logits.length - k),
          asText: kept((x) => x >= texts[k - 1]),
          count: (data) => Math.abs(data.filter((x) => x > -Infinity).length - k) === 1,
          short: (data) => data.length < logits.length,
        },
      });
    }
    await t.equal({ what: "topK([1, 2, 3], 10)", got: () => topK([1, 2, 3], 10), want: [1, 2, 3] });
  },
});
