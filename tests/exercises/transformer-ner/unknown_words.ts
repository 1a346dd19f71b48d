import { append, exercise, todo } from "../framework/exercise.ts";

type Encode = (training: string[][], sentences: string[][], min_count: number) => number[][];

export default exercise({
  level: 1,
  title: { en: "words that nobody has seen", es: "palabras que nadie ha visto" },
  task: {
    en: `
      Write encodeWithUnknown(training, sentences, min_count). The vocabulary is "[PAD]", "[UNK]" and then, sorted, the
      words that the training sentences have min_count times or more. The result has the index of each word of the
      sentences, that of [UNK] for all other words. So rare words of the training sentences train the vector of [UNK].`,
    es: `
      Escribe encodeWithUnknown(training, sentences, min_count). El vocabulario es "[PAD]", "[UNK]" y después, ordenadas,
      las palabras que aparecen min_count veces o más en las frases de entrenamiento. El resultado tiene el índice de
      cada palabra de las frases, el de [UNK] para las demás. Así, las palabras raras entrenan el vector de [UNK].`,
  },
  hints: [
    {
      en:
        "Three steps: count the words of the training sentences, make the vocabulary, look up the sentences.",
      es:
        "Tres pasos: cuenta las palabras de entrenamiento, construye el vocabulario y busca las de las frases.",
    },
    {
      en:
        "indexOf gives -1 for a word that is not there: Math.max would turn that into the wrong index 0.",
      es:
        "indexOf da -1 si la palabra no está: Math.max lo convertiría en el índice 0, que no es el correcto.",
    },
  ],
  look: "encodeWithUnknown(), Vocabulary",
  start: [append(`
    /** Indices of the words of sentences; 1 for words that the training sentences have less than min_count times. */
    export function encodeWithUnknown(training: string[][], sentences: string[][], min_count: number): number[][] {
      ${todo}
    }`)],
  solution: `
    const counts = new Map<string, number>();
    for (const word of training.flat()) counts.set(word, (counts.get(word) ?? 0) + 1);
    const kept = [...counts.keys()].filter((word) => counts.get(word)! >= min_count).sort();
    const vocabulary = ["[PAD]", "[UNK]", ...kept];
    return sentences.map((words) =>
      words.map((word) => vocabulary.includes(word) ? vocabulary.indexOf(word) : 1)
    );`,
  others: [`
    const all = training.flat();
    const often = new Set(all.filter((word) => all.filter((other) => other === word).length >= min_count));
    const index = new Map([...often].sort().map((word, i) => [word, i + 2]));
    return sentences.map((words) => words.map((word) => index.get(word) ?? 1));`],
  diagnoses: {
    asPadding: {
      means: {
        en: "unknown words got the index of padding, so the model does not look at them",
        es:
          "las palabras desconocidas reciben el índice del relleno, así que el modelo no las mira",
      },
      wrong: [`
        const all = training.flat();
        const often = new Set(all.filter((word) => all.filter((other) => other === word).length >= min_count));
        const index = new Map([...often].sort().map((word, i) => [word, i + 2]));
        return sentences.map((words) => words.map((word) => index.get(word) ?? 0));`],
    },
    missing: {
      means: {
        en: "unknown words got an index that is in no vocabulary (-1 or undefined)",
        es:
          "las palabras desconocidas reciben un índice que no está en el vocabulario (-1 o undefined)",
      },
      wrong: [`
        const vocabulary = ["[PAD]", "[UNK]", ...[...new Set(training.flat())].sort()];
        return sentences.map((words) => words.map((word) => vocabulary.indexOf(word)));`],
    },
    allKept: {
      means: {
        en:
          "rare words are in the vocabulary: then [UNK] never occurs in training, and its vector never moves",
        es:
          "las palabras raras están en el vocabulario: [UNK] no aparece al entrenar y su vector no se mueve nunca",
      },
      wrong: [`
        const index = new Map([...new Set(training.flat())].sort().map((word, i) => [word, i + 2]));
        return sentences.map((words) => words.map((word) => index.get(word) ?? 1));`],
    },
    strict: {
      means: {
        en: "words that occur exactly min_count times were left out",
        es: "se han omitido las palabras que aparecen exactamente min_count veces",
      },
      wrong: [`
        const all = training.flat();
        const often = new Set(all.filter((word) => all.filter((other) => other === word).length > min_count));
        const index = new Map([...often].sort().map((word, i) => [word, i + 2]));
        return sentences.map((words) => words.map((word) => index.get(word) ?? 1));`],
    },
    unsorted: {
      means: {
        en: "the words of the vocabulary are not sorted",
        es: "las palabras del vocabulario no están ordenadas",
      },
      wrong: [`
        const all = training.flat();
        const often = new Set(all.filter((word) => all.filter((other) => other === word).length >= min_count));
        const index = new Map([...often].map((word, i) => [word, i + 2]));
        return sentences.map((words) => words.map((word) => index.get(word) ?? 1));`],
    },
  },
  async check(t) {
    const { encodeWithUnknown } = t.exports<{ encodeWithUnknown: Encode }>("encodeWithUnknown");
    const training = [["the", "cat", "sat"], ["the", "dog", "sat"], ["a", "cat", "ran"], [
      "the",
      "end",
    ]];
    const sentences = [["the", "dog", "ran"], ["my", "cat", "sat"]];
    // By hand: the 3, cat and sat 2 times, the others once.
    await t.equal({
      what: "encodeWithUnknown(training, sentences, 2)",
      got: () => encodeWithUnknown(structuredClone(training), structuredClone(sentences), 2),
      want: [[4, 1, 1], [1, 2, 3]],
      input: `training = ${JSON.stringify(training)}, sentences = ${JSON.stringify(sentences)}`,
      suspects: {
        asPadding: [[4, 0, 0], [0, 2, 3]],
        missing: (data) => data.some((x) => x === -1 || x === undefined),
        allKept: [[8, 4, 6], [1, 3, 7]],
        strict: [[2, 1, 1], [1, 1, 1]],
        unsorted: [[2, 1, 1], [1, 3, 4]],
      },
    });
  },
});
