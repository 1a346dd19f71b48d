import { append, exercise, todo } from "../framework/exercise.ts";

type Pair = [number, number];

export default exercise({
  level: 1,
  title: { en: "a window of any size", es: "una ventana de cualquier tamaño" },
  task: {
    en: `
      Write windowPairs(words, L): all pairs [target, context] of a sequence of word indices, with each word as
      target and the up to L words before it and the up to L words after it as contexts. At the ends of the
      sequence the window is smaller. The order of the pairs does not matter.`,
    es: `
      Escribe windowPairs(words, L): todos los pares [objetivo, contexto] de una secuencia de índices de
      palabras, con cada palabra como objetivo y, como contextos, hasta L palabras anteriores y hasta L
      posteriores. En los extremos de la secuencia la ventana es menor. El orden de los pares no importa.`,
  },
  hints: [
    {
      en: "Two loops: over the places i of the targets, and over the places j from i - L to i + L.",
      es:
        "Dos bucles: sobre las posiciones i de los objetivos y sobre las posiciones j de i - L a i + L.",
    },
    {
      en: "Leave out j = i and the places that do not exist: j < 0 and j >= words.length.",
      es: "Omite j = i y las posiciones que no existen: j < 0 y j >= words.length.",
    },
  ],
  look: "windowPairs(), positivePairs()",
  start: [append(`
    /** Each word with the up to L words on either side of it. */
    export function windowPairs(words: number[], L: number): Pair[] {
      ${todo}
    }`)],
  solution: `
    const pairs: Pair[] = [];
    for (let i = 0; i < words.length; i++) {
      for (let j = Math.max(0, i - L); j <= Math.min(words.length - 1, i + L); j++) {
        if (j !== i) pairs.push([words[i], words[j]]);
      }
    }
    return pairs;`,
  others: [
    `return positivePairs(words, L, true);`,
    `return words.flatMap((a, i) =>
      words.slice(i + 1, i + 1 + L).flatMap((b): Pair[] => [[a, b], [b, a]])
    );`,
  ],
  diagnoses: {
    oneSided: {
      means: {
        en: "only one side of the window is there: contexts stand before and after the target",
        es: "solo está un lado de la ventana: hay contextos antes y después del objetivo",
      },
      wrong: [
        `return words.flatMap((a, i) => words.slice(i + 1, i + 1 + L).map((b): Pair => [a, b]));`,
        `return words.flatMap((a, i) => words.slice(Math.max(0, i - L), i).map((b): Pair => [a, b]));`,
      ],
    },
    itself: {
      means: {
        en: "the target is among its own contexts",
        es: "el objetivo está entre sus propios contextos",
      },
      wrong: [`
        return words.flatMap((a, i) => words.slice(Math.max(0, i - L), i + L + 1).map((b): Pair => [a, b]));`],
    },
    ends: {
      means: {
        en: "words near the ends of the sequence are left out; there the window is smaller",
        es: "se omiten palabras cercanas a los extremos; ahí la ventana es menor",
      },
      wrong: [`return positivePairs(words, L);`],
    },
    narrow: {
      means: {
        en: "the window ends a word too early: it has L words on each side",
        es: "la ventana acaba una palabra antes: tiene L palabras a cada lado",
      },
      wrong: [`return positivePairs(words, L - 1, true);`],
    },
    onlyEdge: {
      means: {
        en: "only the words at distance L are contexts: those that are nearer are contexts too",
        es: "solo son contextos las palabras a distancia L: también lo son las más cercanas",
      },
      wrong: [`
        return words.flatMap((a, i) =>
          [i - L, i + L].filter((j) => j >= 0 && j < words.length).map((j): Pair => [a, words[j]])
        );`],
    },
  },
  async check(t) {
    const { windowPairs } = t.exports<{ windowPairs(words: number[], L: number): Pair[] }>(
      "windowPairs",
    );
    // All pairs of places, and a condition on their distance.
    const places = (words: number[], fits: (distance: number, i: number) => boolean) =>
      sorted(
        words.flatMap((a, i) => words.flatMap((b, j): Pair[] => fits(j - i, i) ? [[a, b]] : [])),
      );
    const sorted = (pairs: Pair[]) => [...pairs].sort(([a, b], [c, d]) => a - c || b - d);
    const cases: [number[], number][] = [[[5, 8, 2, 9], 1], [[0, 1, 2, 3, 4, 5, 6], 2], [[
      3,
      1,
      3,
      1,
      4,
    ], 3]];
    for (const [words, L] of cases) {
      const near = (d: number) => d !== 0 && Math.abs(d) <= L;
      const whole = (i: number) => i >= L && i < words.length - L;
      await t.equal({
        what: `windowPairs([${words}], ${L}), sorted`,
        got: async () => sorted(await windowPairs([...words], L)),
        want: places(words, near),
        suspects: {
          oneSided: (data) =>
            [1, -1].some((side) =>
              String(data) === String(places(words, (d) => near(d) && d * side > 0).flat())
            ),
          itself: places(words, (d) => Math.abs(d) <= L),
          ends: places(words, (d, i) => near(d) && whole(i)),
          narrow: places(words, (d) => near(d) && Math.abs(d) < L),
          onlyEdge: places(words, (d) => Math.abs(d) === L),
        },
      });
    }
  },
});
