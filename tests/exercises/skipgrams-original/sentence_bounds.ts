import { append, exercise, todo } from "../framework/exercise.ts";

type Pair = [number, number];

export default exercise({
  level: 1,
  title: { en: "windows that end with the sentence", es: "ventanas que acaban con la frase" },
  task: {
    en: `
      In the course's program the last word of a sentence has the first word of the next one as a neighbour.
      Write boundedPairs(sentences): the pairs [target, context] of neighbouring words inside a sentence, each
      in both directions; sentences are lists of word indices. The order of the pairs does not matter.`,
    es: `
      En el programa del curso la última palabra de una frase tiene como vecina la primera de la siguiente.
      Escribe boundedPairs(sentences): los pares [objetivo, contexto] de palabras vecinas dentro de una frase,
      cada uno en los dos sentidos; las frases son listas de índices. El orden de los pares no importa.`,
  },
  hints: [
    {
      en: "Go sentence by sentence: a sentence of n words has n - 1 places where two words meet.",
      es:
        "Ve frase a frase: una frase de n palabras tiene n - 1 lugares en los que dos palabras se tocan.",
    },
    {
      en: "At each of them the left word is a context of the right one, and the other way round.",
      es: "En cada uno, la palabra izquierda es contexto de la derecha, y al revés.",
    },
  ],
  look: "boundedPairs(), skipGrams()",
  start: [append(`
    /** Neighbouring words inside each sentence, in both directions. */
    export function boundedPairs(sentences: number[][]): Pair[] {
      ${todo}
    }`)],
  solution: `
    return sentences.flatMap((words) =>
      words.slice(1).flatMap((right, i): Pair[] => [[words[i], right], [right, words[i]]])
    );`,
  others: [`
    const pairs: Pair[] = [];
    for (const words of sentences) {
      for (let i = 0; i < words.length; i++) {
        for (const j of [i - 1, i + 1]) if (j in words) pairs.push([words[i], words[j]]);
      }
    }
    return pairs;`],
  diagnoses: {
    crossing: {
      means: {
        en: "there are pairs of words of two different sentences",
        es: "hay pares de palabras de dos frases distintas",
      },
      wrong: [`
        const words = sentences.flat();
        return words.slice(1).flatMap((right, i): Pair[] => [[words[i], right], [right, words[i]]]);`],
    },
    middle: {
      means: {
        en: "the first and the last word of a sentence are targets too, with one neighbour each",
        es:
          "la primera y la última palabra de una frase también son objetivos, con una vecina cada una",
      },
      wrong: [`return sentences.flatMap((words) => skipGrams(words));`],
    },
    oneWay: {
      means: {
        en: "each pair is there in one direction only",
        es: "cada par está en un solo sentido",
      },
      wrong: [
        `return sentences.flatMap((words) => words.slice(1).map((right, i): Pair => [words[i], right]));`,
        `return sentences.flatMap((words) => words.slice(1).map((right, i): Pair => [right, words[i]]));`,
      ],
    },
  },
  async check(t) {
    const { boundedPairs } = t.exports<{ boundedPairs(sentences: number[][]): Pair[] }>(
      "boundedPairs",
    );
    const sorted = (pairs: Pair[]) => [...pairs].sort(([a, b], [c, d]) => a - c || b - d);
    const both = (pairs: Pair[]) => sorted(pairs.flatMap(([a, b]): Pair[] => [[a, b], [b, a]]));
    const sentences = [[1, 2, 3], [4, 5], [6], [7, 8, 9, 1]];
    const inside: Pair[] = [[1, 2], [2, 3], [4, 5], [7, 8], [8, 9], [9, 1]]; // by hand
    await t.equal({
      what: "boundedPairs(sentences), sorted",
      got: async () => sorted(await boundedPairs(structuredClone(sentences))),
      want: both(inside),
      input: `sentences = ${JSON.stringify(sentences)}`,
      suspects: {
        crossing: both([...inside, [3, 4], [5, 6], [6, 7]]),
        middle: sorted([[2, 1], [2, 3], [8, 7], [8, 9], [9, 8], [9, 1]]),
        oneWay: (data) => data.length === 2 * inside.length,
      },
    });
  },
});
