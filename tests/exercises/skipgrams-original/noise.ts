import { body, exercise } from "../framework/exercise.ts";

export default exercise({
  level: 1,
  title: { en: "which words are noise?", es: "¿qué palabras son ruido?" },
  task: {
    en: `
      Negative sampling draws its noise words with probabilities proportional to the count of each word to the
      power of 3/4. Write noiseDistribution(words, voc_size): the probability of each word of the vocabulary,
      given the corpus as word indices.`,
    es: `
      El muestreo negativo extrae las palabras de ruido con probabilidades proporcionales al recuento de cada
      palabra elevado a 3/4. Escribe noiseDistribution(words, voc_size): la probabilidad de cada palabra del
      vocabulario, dado el corpus como índices de palabras.`,
  },
  hints: [
    {
      en: "Three steps: count, raise to a power, divide so that the sum is 1.",
      es: "Tres pasos: contar, elevar y dividir para que la suma sea 1.",
    },
    {
      en:
        "Divide by the sum of the powers, not by the number of words; a word that never occurs gets 0.",
      es:
        "Divide por la suma de las potencias, no por el número de palabras; una palabra ausente recibe 0.",
    },
  ],
  look: "noiseDistribution()",
  start: [body("noiseDistribution")],
  solution: `
    const counts = new Array(voc_size).fill(0);
    for (const word of words) counts[word]++;
    const powers = counts.map((count) => count ** 0.75);
    const total = powers.reduce((a, b) => a + b, 0);
    return powers.map((power) => power / total);`,
  others: [`
    const share = (word: number) => words.filter((other) => other === word).length / words.length;
    const powers = Array.from({ length: voc_size }, (_, word) => Math.sqrt(share(word)) * share(word) ** 0.25);
    return powers.map((power) => power / powers.reduce((a, b) => a + b, 0));`],
  diagnoses: {
    unigram: {
      means: {
        en:
          "these are the plain frequencies: the power of 3/4 makes rare words more likely as noise",
        es:
          "estas son las frecuencias sin más: la potencia 3/4 hace más probables como ruido las palabras raras",
      },
      wrong: [`
        const counts = new Array(voc_size).fill(0);
        for (const word of words) counts[word]++;
        return counts.map((count) => count / words.length);`],
    },
    unnormalised: {
      means: {
        en: "the probabilities do not sum to 1: divide by the sum of the powers",
        es: "las probabilidades no suman 1: divide por la suma de las potencias",
      },
      wrong: [
        `const counts = new Array(voc_size).fill(0);
         for (const word of words) counts[word]++;
         return counts.map((count) => count ** 0.75);`,
        `const counts = new Array(voc_size).fill(0);
         for (const word of words) counts[word]++;
         return counts.map((count) => (count / words.length) ** 0.75);`,
        `const counts = new Array(voc_size).fill(0);
         for (const word of words) counts[word]++;
         return counts.map((count) => count ** 0.75 / words.length);`,
      ],
    },
    uniform: {
      means: {
        en: "all words have the same probability, whether they are frequent or not",
        es: "todas las palabras tienen la misma probabilidad, sean frecuentes o no",
      },
      wrong: [`return new Array(voc_size).fill(1 / voc_size);`],
    },
  },
  async check(t) {
    const { noiseDistribution } = t.exports<typeof import("scripts/skipgrams-original.ts")>(
      "noiseDistribution",
    );
    const words = [0, 2, 2, 3, 3, 3, 3, 3, 0, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2];
    const counts = [2, 0, 16, 5]; // by hand
    const powers = [2 ** 0.75, 0, 8, 5 ** 0.75];
    const sum = powers.reduce((a, b) => a + b);
    await t.equal({
      what: "noiseDistribution(words, 4)",
      got: () => noiseDistribution([...words], 4),
      want: powers.map((x) => x / sum),
      input: `a corpus in which the four words occur ${counts} times`,
      suspects: {
        unigram: counts.map((x) => x / words.length),
        uniform: [0.25, 0.25, 0.25, 0.25],
        unnormalised: (data) => Math.abs(data.reduce((a, b) => a + b, 0) - 1) > 1e-3,
      },
    });
  },
});
