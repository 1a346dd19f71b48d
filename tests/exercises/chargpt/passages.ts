import { append, exercise, todo } from "../framework/exercise.ts";

type Passage = (ids: number[], start: number, block_size: number) => { x: number[]; y: number[] };

export default exercise({
  level: 1,
  title: { en: "every place is an example", es: "cada lugar es un ejemplo" },
  task: {
    en: `
      Write passage(ids, start, block_size): x is the block_size ids from start on, y the id that follows each of them. So a
      passage trains block_size predictions at once. And write passageCount(length, block_size): how many starts a text of
      length ids has.`,
    es: `
      Escribe passage(ids, start, block_size): x son los block_size índices desde start e y, el índice que sigue a cada uno. Así,
      un pasaje entrena block_size predicciones a la vez. Y escribe passageCount(length, block_size): cuántos comienzos tiene
      un texto de length índices.`,
  },
  hints: [
    {
      en: "y is x moved by one place: where does it begin?",
      es: "y es x desplazada un lugar: ¿dónde empieza?",
    },
    {
      en:
        "The last passage needs an id behind x. With length 5 and block_size 4 there is one start.",
      es:
        "El último pasaje necesita un índice tras x. Con length 5 y block_size 4 hay un comienzo.",
    },
  ],
  look: "passage(), passageCount(), CharDataset",
  start: [append(`
    /** block_size ids from start on, and the id after each. */
    export function passage(ids: number[], start: number, block_size: number): { x: number[]; y: number[] } {
      ${todo}
    }

    /** How many passages a text of length ids has. */
    export function passageCount(length: number, block_size: number): number {
      ${todo}
    }`)],
  solution: [
    `return { x: ids.slice(start, start + block_size), y: ids.slice(start + 1, start + 1 + block_size) };`,
    `return length - block_size;`,
  ],
  others: [[
    `const places = Array.from({ length: block_size }, (_, i) => start + i);
     return { x: places.map((i) => ids[i]), y: places.map((i) => ids[i + 1]) };`,
    `let count = 0;
     while (count + block_size + 1 <= length) count++;
     return count;`,
  ]],
  diagnoses: {
    copy: {
      means: {
        en: "y is the same as x: the model would learn to copy",
        es: "y es igual que x: el modelo aprendería a copiar",
      },
      wrong: [[
        `const x = ids.slice(start, start + block_size);
        return { x, y: x };`,
        `return length - block_size;`,
      ]],
    },
    previous: {
      means: {
        en: "y has the id before each of x, not the one after it",
        es: "y tiene el índice anterior a cada uno de x, no el siguiente",
      },
      wrong: [[
        `return { x: ids.slice(start + 1, start + 1 + block_size), y: ids.slice(start, start + block_size) };`,
        `return length - block_size;`,
      ]],
    },
    next: {
      means: {
        en: "y is the passage behind x: it is to be moved by one place only",
        es: "y es el pasaje que sigue a x: solo debe desplazarse un lugar",
      },
      wrong: [[
        `return { x: ids.slice(start, start + block_size), y: ids.slice(start + block_size, start + 2 * block_size) };`,
        `return length - block_size;`,
      ]],
    },
    count: {
      means: {
        en: "the number of starts is not right: the last x still needs an id behind it",
        es: "el número de comienzos no es correcto: la última x aún necesita un índice detrás",
      },
      wrong: [
        [
          `return { x: ids.slice(start, start + block_size), y: ids.slice(start + 1, start + 1 + block_size) };`,
          `return length - block_size + 1;`,
        ],
        [
          `return { x: ids.slice(start, start + block_size), y: ids.slice(start + 1, start + 1 + block_size) };`,
          `return Math.floor(length / block_size);`,
        ],
      ],
    },
  },
  async check(t) {
    type Script = { passage: Passage; passageCount(length: number, block_size: number): number };
    const { passage, passageCount } = t.exports<Script>("passage", "passageCount");
    const ids = [7, 3, 9, 4, 1, 8, 2, 6, 5];
    // By hand.
    const cases: [number, number, number[], number[]][] = [
      [2, 3, [9, 4, 1], [4, 1, 8]],
      [0, 4, [7, 3, 9, 4], [3, 9, 4, 1]],
    ];
    for (const [start, T, x, y] of cases) {
      await t.equal({
        what: `passage([${ids}], ${start}, ${T})`,
        got: () => passage([...ids], start, T),
        want: { x, y },
        suspects: {
          copy: { x, y: x },
          previous: { x: y, y: x },
          next: { x, y: ids.slice(start + T, start + 2 * T) },
        },
      });
    }
    for (const [length, T, count] of [[5, 4, 1], [9, 3, 6], [100, 1, 99]]) {
      await t.equal({
        what: `passageCount(${length}, ${T})`,
        got: () => passageCount(length, T),
        want: count,
        otherwise: "count",
      });
    }
  },
});
