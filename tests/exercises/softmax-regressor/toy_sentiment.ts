import { append, exercise, todo } from "../framework/exercise.ts";

type Example = [sentence: string, label: number];
type Sentiment = (training: Example[], sentences: string[]) => Promise<number[]> | number[];

// Words of two classes; the sentences for the check are other combinations of them.
const good = ["lovely", "great", "happy", "sunny"], bad = ["awful", "sad", "boring", "ugly"];
const neutral = ["the", "film", "was", "day", "a"];
const sentence = (word: string, i: number) =>
  [neutral[i % 5], word, neutral[(i + 2) % 5], neutral[(i * 3 + 1) % 5]].join(" ");
const training = [...good, ...bad].flatMap((word, i): Example[] => {
  const label = i < good.length ? 1 : 0;
  return [[sentence(word, i), label], [sentence(word, i + 3), label]];
});
const heldOut: Example[] = [
  ["a sunny day was great", 1],
  ["ugly sad film", 0],
  ["happy film", 1],
  ["the day was boring boring", 0],
  ["what a lovely lovely place", 1],
  ["nobody expected such an awful film", 0],
];

export default exercise({
  level: 3,
  title: {
    en: "the sentiment of toy sentences",
    es: "el sentimiento de unas frases de juguete",
  },
  task: {
    en: `
      Make a classifier of sentences out of the classifier of images. Write sentiment(training, sentences):
      training is a list of [sentence, label] with label 0 or 1, sentences are other sentences; the result (a
      list or a promise of one) has their predicted labels. Turn a sentence into the counts of the words of the
      training sentences, words parted by blanks, and leave out words that are new. Train a SoftmaxRegressor.`,
    es: `
      Convierte el clasificador de imágenes en uno de frases. Escribe sentiment(training, sentences): training
      es una lista de [frase, etiqueta] con etiqueta 0 o 1 y sentences son otras frases; el resultado (una
      lista o una promesa de una lista) son sus etiquetas predichas. Convierte cada frase en los recuentos de
      las palabras de las frases de entrenamiento, separadas por espacios, y omite las palabras nuevas. Entrena
      un SoftmaxRegressor.`,
  },
  hints: [
    {
      en:
        "A sentence is a row of V numbers, V the number of different words: so what is input_size?",
      es:
        "Una frase es una fila de V números, con V el número de palabras distintas: ¿cuánto es input_size?",
    },
    {
      en:
        "The vocabulary is [...new Set(training.flatMap(([sentence]) => sentence.split(' ')))].sort().",
      es: "El vocabulario es [...new Set(training.flatMap(([frase]) => frase.split(' ')))].sort().",
    },
    {
      en:
        "new SGD(model.parameters(), { lr: 0.5 }), some 200 times optimizer.step(() => F.nllLoss(...)); then argMax(1).",
      es:
        "new SGD(model.parameters(), { lr: 0.5 }), unas 200 veces optimizer.step(() => F.nllLoss(...)); luego argMax(1).",
    },
  ],
  look: "sentiment(), SoftmaxRegressor, '---- train'",
  start: [append(`
    /** Learns from sentences with labels 0 or 1 and predicts the labels of other sentences. */
    export async function sentiment(training: [string, number][], sentences: string[]): Promise<number[]> {
      ${todo}
    }`)],
  solution: `
    const words = [...new Set(training.flatMap(([sentence]) => sentence.split(" ")))].sort();
    const counts = (sentence: string) =>
      words.map((word) => sentence.split(" ").filter((other) => other === word).length); // (V)
    const X = tf.tensor2d(training.map(([sentence]) => counts(sentence))); // (N, V)
    const y = tf.tensor1d(training.map(([_, label]) => label), "int32"); // (N)
    const model = new SoftmaxRegressor(words.length, 2);
    const optimizer = new SGD(model.parameters(), { lr: 0.5 });
    for (let step = 0; step < 200; step++) optimizer.step(() => F.nllLoss(model.forward(X), y));
    const predicted = await values(() => model.forward(tf.tensor2d(sentences.map(counts))).argMax(1));
    return [...predicted];`,
  others: [`
    // A perceptron: each wrong sentence moves the weights of its words.
    const weights = new Map<string, number>();
    const score = (sentence: string) =>
      sentence.split(" ").reduce((sum, word) => sum + (weights.get(word) ?? 0), 0);
    for (let epoch = 0; epoch < 50; epoch++) {
      for (const [sentence, label] of training) {
        const sign = label === 1 ? 1 : -1;
        if (score(sentence) * sign > 1) continue;
        for (const word of sentence.split(" ")) weights.set(word, (weights.get(word) ?? 0) + 0.1 * sign);
      }
    }
    const known = new Set(training.flatMap(([sentence]) => sentence.split(" ")));
    return await Promise.resolve(sentences.map((sentence) =>
      score(sentence.split(" ").filter((word) => known.has(word)).join(" ")) > 0 ? 1 : 0
    ));`],
  diagnoses: {
    memorised: {
      means: {
        en:
          "only sentences that were in the training set are known: the words are to be counted, not sentences",
        es: "solo se conocen las frases de entrenamiento: hay que contar palabras, no frases",
      },
      wrong: [`
        const known = new Map(training);
        return await Promise.resolve(sentences.map((sentence) => known.get(sentence) ?? 0));`],
    },
    constant: {
      means: {
        en: "all sentences get the same label: is the model trained, and does it see the words?",
        es: "todas las frases reciben la misma etiqueta: ¿se entrena el modelo?, ¿ve las palabras?",
      },
      wrong: [
        `const share = training.reduce((sum, [_, label]) => sum + label, 0) / training.length;
         return await Promise.resolve(sentences.map(() => share >= 0.5 ? 1 : 0));`,
        `const lengths = (list: string[]) => tf.tensor2d(list.map((sentence) => [sentence.split(" ").length]));
         const model = new SoftmaxRegressor(1, 2);
         const y = tf.tensor1d(training.map(([_, label]) => label), "int32");
         const optimizer = new SGD(model.parameters(), { lr: 0.5 });
         const X = lengths(training.map(([sentence]) => sentence));
         for (let step = 0; step < 20; step++) optimizer.step(() => F.nllLoss(model.forward(X), y));
         return await Promise.resolve(sentences.map(() => 0));`,
      ],
    },
    exchanged: {
      means: {
        en: "the two labels are exchanged",
        es: "las dos etiquetas están intercambiadas",
      },
      wrong: [`
        const words = [...new Set(training.flatMap(([sentence]) => sentence.split(" ")))].sort();
        const counts = (sentence: string) =>
          words.map((word) => sentence.split(" ").filter((other) => other === word).length);
        const X = tf.tensor2d(training.map(([sentence]) => counts(sentence)));
        const y = tf.tensor1d(training.map(([_, label]) => label), "int32");
        const model = new SoftmaxRegressor(words.length, 2);
        const optimizer = new SGD(model.parameters(), { lr: 0.5 });
        for (let step = 0; step < 200; step++) optimizer.step(() => F.nllLoss(model.forward(X), y));
        return [...await values(() => model.forward(tf.tensor2d(sentences.map(counts))).argMin(1))];`],
    },
    ascent: {
      means: {
        en: "not even the training sentences are right: does the loss fall from step to step?",
        es: "ni siquiera acierta las frases de entrenamiento: ¿baja la pérdida de un paso a otro?",
      },
      wrong: [`
        const first = (sentence: string) => sentence.charCodeAt(0) % 2;
        return await Promise.resolve(sentences.map(first));`],
    },
  },
  async check(t) {
    const { sentiment } = t.exports<{ sentiment: Sentiment }>("sentiment");
    const own = training.map(([sentence]) => sentence);
    const what = "sentiment(training, sentences)";
    const ask = async (
      sentences: string[],
    ) => [...await t.run(what, () => sentiment(structuredClone(training), [...sentences])) ?? []];
    const seen = await ask(own);
    const right = (got: unknown[], of: Example[]) =>
      of.filter(([_, label], i) => got[i] === label).length;
    const unseen = await ask(heldOut.map(([sentence]) => sentence));
    const share = right(seen, training) / training.length;
    const input = `${training.length} training sentences such as "${own[0]}" (1), "${
      own.at(-1)
    }" (0)`;
    await t.equal({
      what: `${what} for six new sentences`,
      got: () => unseen,
      want: heldOut.map(([_, label]) => label),
      input: `${input}; sentences: ${heldOut.map(([s]) => `"${s}"`).join(", ")}`,
      suspects: {
        exchanged: heldOut.map(([_, label]) => 1 - label),
        memorised: () => share === 1 ? unseen : [],
        constant: () => new Set([...seen, ...unseen]).size === 1 ? unseen : [],
        ascent: () => share < 0.9 ? unseen : [],
      },
    });
  },
});
