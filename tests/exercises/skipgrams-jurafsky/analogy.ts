import { append, exercise, todo } from "../framework/exercise.ts";
import { random } from "../framework/tools.ts";

export default exercise({
  level: 2,
  title: { en: "a is to b as c is to ?", es: "a es a b como c es a ?" },
  task: {
    en: `
      Write analogy(a, b, c, vectors): a is to b as c is to which word? It is the word whose vector has the
      largest cosine with the vector of b minus that of a plus that of c; a, b and c themselves do not count.
      Words are indices into the rows of vectors (V, E).`,
    es: `
      Escribe analogy(a, b, c, vectors): a es a b como c es ¿a qué palabra? Es la palabra cuyo vector tiene el
      mayor coseno con el vector de b menos el de a más el de c; a, b y c no cuentan. Las palabras son índices de
      las filas de vectors (V, E).`,
  },
  hints: [
    {
      en: "Work out the point b - a + c first; then it is a search for the nearest vector.",
      es: "Calcula primero el punto b - a + c; después es una búsqueda del vector más cercano.",
    },
    {
      en:
        "The cosine is the dot product divided by both lengths. b or c itself is often the nearest: leave it out.",
      es:
        "El coseno es el producto escalar dividido por ambas longitudes. b o c suelen ser los más cercanos: omítelos.",
    },
    {
      en:
        "nearest(word, rows) works for a row of its own: put b - a + c behind the vectors as row V, and filter.",
      es:
        "nearest(word, rows) sirve para una fila propia: añade b - a + c como fila V tras los vectores y filtra.",
    },
  ],
  look: "analogy(), nearest()",
  start: [append(`
    /** The word that is to c as b is to a: indices of rows of vectors (V, E). */
    export function analogy(a: number, b: number, c: number, vectors: number[][]): number {
      ${todo}
    }`)],
  solution: `
    const point = vectors[b].map((x, j) => x - vectors[a][j] + vectors[c][j]);
    const ranked = nearest(vectors.length, [...vectors, point]);
    return ranked.find(({ word }) => ![a, b, c].includes(word))!.word;`,
  others: [`
    const unit = tf.tensor2d(vectors).div(tf.norm(tf.tensor2d(vectors), 2, 1, true)); // (V, E)
    const rows = tf.tensor2d(vectors);
    const [va, vb, vc] = [a, b, c].map((i) => rows.slice([i, 0], [1, -1]).squeeze([0]));
    const cosines = [...tf.dot(unit, vb.sub(va).add(vc)).dataSync()]; // (V), up to a common factor
    for (const i of [a, b, c]) cosines[i] = -Infinity;
    return cosines.indexOf(Math.max(...cosines));`],
  diagnoses: {
    given: {
      means: {
        en: "the answer is one of the three words that were given; they do not count",
        es: "la respuesta es una de las tres palabras dadas; no cuentan",
      },
      wrong: [`
        const point = vectors[b].map((x, j) => x - vectors[a][j] + vectors[c][j]);
        return nearest(vectors.length, [...vectors, point])[0].word;`],
    },
    direction: {
      means: {
        en: "the difference goes the wrong way: from a to b is b - a",
        es: "la diferencia va al revés: de a a b es b - a",
      },
      wrong: [`
        const point = vectors[a].map((x, j) => x - vectors[b][j] + vectors[c][j]);
        return nearest(vectors.length, [...vectors, point]).find(({ word }) => ![a, b, c].includes(word))!.word;`],
    },
    dot: {
      means: {
        en:
          "the largest dot product was taken: long vectors win it; the cosine divides by the lengths",
        es:
          "se ha tomado el mayor producto escalar: lo ganan los vectores largos; el coseno divide por las longitudes",
      },
      wrong: [`
        const point = vectors[b].map((x, j) => x - vectors[a][j] + vectors[c][j]);
        const scores = vectors.map((v, i) =>
          [a, b, c].includes(i) ? -Infinity : v.reduce((sum, x, j) => sum + x * point[j], 0));
        return scores.indexOf(Math.max(...scores));`],
    },
    distance: {
      means: {
        en: "the smallest distance was taken: the cosine compares directions, whatever the lengths",
        es:
          "se ha tomado la menor distancia: el coseno compara direcciones, sin importar las longitudes",
      },
      wrong: [`
        const point = vectors[b].map((x, j) => x - vectors[a][j] + vectors[c][j]);
        const far = vectors.map((v, i) => [a, b, c].includes(i) ? Infinity : Math.hypot(...v.map((x, j) => x - point[j])));
        return far.indexOf(Math.min(...far));`],
    },
  },
  async check(t) {
    type Analogy = (a: number, b: number, c: number, vectors: number[][]) => number;
    const { analogy } = t.exports<{ analogy: Analogy }>("analogy");
    const dot = (x: number[], y: number[]) => x.reduce((sum, value, j) => sum + value * y[j], 0);
    const length = (x: number[]) => Math.sqrt(dot(x, x));
    // By hand: the right answer 3 has the direction of the point (2, 0.2), 4 is long, 5 is near, 6 is opposite.
    const byHand = [[0, 1], [1, 1], [1, 0.2], [1, -0.05], [6, 4], [1.9, 0.9], [-0.2, 1]];
    const cases: [string, number[][], number[]][] = [
      [`vectors = ${JSON.stringify(byHand)}`, byHand, [0, 1, 2]],
      ...[1, 2, 3, 4].map((seed): [string, number[][], number[]] => [
        `seed ${seed}, vectors (9, 3)`,
        (random(seed, 9, 3) as number[][]).map((v, i) => v.map((x) => x * (1 + i % 3))),
        [[0, 1, 2], [3, 1, 5], [8, 6, 7]][seed % 3],
      ]),
    ];
    for (const [input, vectors, [a, b, c]] of cases) {
      const best = (score: (v: number[]) => number) => {
        const scores = vectors.map((v, i) => [a, b, c].includes(i) ? -Infinity : score(v));
        return scores.indexOf(Math.max(...scores));
      };
      const to = (from: number, to: number) =>
        vectors[c].map((x, j) => x + vectors[to][j] - vectors[from][j]);
      const cosine = (point: number[]) => (v: number[]) =>
        dot(v, point) / length(v) / length(point);
      const point = to(a, b);
      await t.equal({
        what: `analogy(${a}, ${b}, ${c}, vectors)`,
        got: () => analogy(a, b, c, structuredClone(vectors)),
        want: best(cosine(point)),
        input,
        suspects: {
          given: ([got]) => [a, b, c].includes(got),
          direction: best(cosine(to(b, a))),
          dot: best((v) => dot(v, point)),
          distance: best((v) => -length(v.map((x, j) => x - point[j]))),
        },
      });
    }
  },
});
