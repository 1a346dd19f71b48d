import { append, exercise, todo } from "../framework/exercise.ts";

export default exercise({
  level: 1,
  title: { en: "which digits are taken for which?", es: "¿qué dígitos se confunden con cuáles?" },
  task: {
    en: `
      Write confusionMatrix(truths, predictions, classes): a list of lists whose row i and column j count the
      images of class i that are taken for class j. Then print it for the test images in main.`,
    es: `
      Escribe confusionMatrix(truths, predictions, classes): una lista de listas cuya fila i y columna j cuenta
      las imágenes de la clase i que se toman por la clase j. Después imprímela en main para las de prueba.`,
  },
  hints: [
    {
      en: "Begin with classes x classes zeros. What has to grow for each image?",
      es: "Empieza con classes x classes ceros. ¿Qué tiene que crecer por cada imagen?",
    },
    {
      en: "For image n: matrix[truths[n]][predictions[n]]++.",
      es: "Para la imagen n: matrix[truths[n]][predictions[n]]++.",
    },
    {
      en:
        "Each row must be a list of its own: Array.from({ length: classes }, () => new Array(classes).fill(0)).",
      es:
        "Cada fila debe ser una lista distinta: Array.from({ length: classes }, () => new Array(classes).fill(0)).",
    },
  ],
  look: "confusionMatrix()",
  start: [append(`
    /** Row i, column j: how many of class i are taken for class j. */
    export function confusionMatrix(truths: number[], predictions: number[], classes: number): number[][] {
      ${todo}
    }`)],
  solution: `
    const matrix = Array.from({ length: classes }, () => new Array(classes).fill(0));
    truths.forEach((truth, n) => matrix[truth][predictions[n]]++);
    return matrix;`,
  others: [
    `const all = [...Array(classes).keys()];
     return all.map((i) => all.map((j) => truths.filter((truth, n) => truth === i && predictions[n] === j).length));`,
    `return tf.math.confusionMatrix(truths, predictions, classes).arraySync();`,
  ],
  diagnoses: {
    transposed: {
      means: {
        en: "rows and columns are exchanged: the row is the true class",
        es: "las filas y las columnas están intercambiadas: la fila es la clase verdadera",
      },
      wrong: [`
        const matrix = Array.from({ length: classes }, () => new Array(classes).fill(0));
        truths.forEach((truth, n) => matrix[predictions[n]][truth]++);
        return matrix;`],
    },
    shared: {
      means: {
        en: "all rows are one and the same list: fill(list) puts the same list everywhere",
        es: "todas las filas son la misma lista: fill(lista) pone la misma lista en todas partes",
      },
      wrong: [`
        const matrix = new Array(classes).fill(new Array(classes).fill(0));
        truths.forEach((truth, n) => matrix[truth][predictions[n]]++);
        return matrix;`],
    },
    onlyRight: {
      means: {
        en: "only the right predictions are counted; the others belong beside the diagonal",
        es: "solo se cuentan los aciertos; los errores van fuera de la diagonal",
      },
      wrong: [`
        const matrix = Array.from({ length: classes }, () => new Array(classes).fill(0));
        truths.forEach((truth, n) => truth === predictions[n] && matrix[truth][truth]++);
        return matrix;`],
    },
    shares: {
      means: {
        en: "these are shares of each row; the task asks for counts",
        es: "esto son proporciones de cada fila; se piden recuentos",
      },
      wrong: [`
        const matrix = Array.from({ length: classes }, () => new Array(classes).fill(0));
        truths.forEach((truth, n) => matrix[truth][predictions[n]]++);
        return matrix.map((row) => {
          const sum = row.reduce((a, b) => a + b, 0);
          return row.map((x) => x / (sum || 1));
        });`],
    },
  },
  async check(t) {
    type Confusion = (truths: number[], predictions: number[], classes: number) => number[][];
    const { confusionMatrix } = t.exports<{ confusionMatrix: Confusion }>("confusionMatrix");
    const truths = [0, 0, 0, 1, 1, 2, 2, 2, 2], predictions = [0, 1, 1, 1, 0, 2, 0, 0, 1];
    // Class 3 does not occur. Counted by hand:
    const want = [[1, 2, 0, 0], [1, 1, 0, 0], [2, 1, 1, 0], [0, 0, 0, 0]];
    const columns = want.map((_, j) => want.map((row) => row[j]));
    const total = want.reduce((sums, row) => sums.map((sum, j) => sum + row[j]), [0, 0, 0, 0]);
    await t.equal({
      what: "confusionMatrix(truths, predictions, 4)",
      got: () => confusionMatrix([...truths], [...predictions], 4),
      want,
      input: `truths = [${truths}], predictions = [${predictions}]`,
      suspects: {
        transposed: columns,
        shared: want.map(() => total),
        onlyRight: want.map((row, i) => row.map((x, j) => i === j ? x : 0)),
        shares: want.map((row) => row.map((x) => x / (row.reduce((a, b) => a + b) || 1))),
      },
    });
  },
});
