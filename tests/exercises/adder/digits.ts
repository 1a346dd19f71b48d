import { append, exercise, todo } from "../framework/exercise.ts";

export default exercise({
  level: 1,
  title: { en: "a sum as a sequence of digits", es: "una suma como secuencia de cifras" },
  task: {
    en: `
      Write encodeSum(a, b, ndigit): the ndigit digits of a, those of b, and the ndigit + 1 digits of a + b from the last to
      the first; all numbers are filled up with zeros in front. For example 85 + 50 = 135 with ndigit 2 is 8 5 5 0 5 3 1.
      Why backwards?`,
    es: `
      Escribe encodeSum(a, b, ndigit): las ndigit cifras de a, las de b y las ndigit + 1 cifras de a + b de la última a la
      primera; los números se completan con ceros por delante. Por ejemplo, 85 + 50 = 135 con ndigit 2 es 8 5 5 0 5 3 1.
      ¿Por qué al revés?`,
  },
  hints: [
    {
      en:
        "String(7).padStart(2, '0') is '07'; spread it into characters, and Number makes digits of them.",
      es:
        "String(7).padStart(2, '0') es '07'; sepáralo en caracteres y Number los convierte en cifras.",
    },
    {
      en: "The sum has one digit more than its parts, as 99 + 99 = 198; reverse only the sum.",
      es:
        "La suma tiene una cifra más que sus sumandos, como en 99 + 99 = 198; invierte solo la suma.",
    },
  ],
  look: "encodeSum(), AdditionDataset.digits()",
  start: [append(`
    /** The digits of a, of b, and of a + b backwards. */
    export function encodeSum(a: number, b: number, ndigit: number): number[] {
      ${todo}
    }`)],
  solution: `
    const write = (x: number, length: number) => [...String(x).padStart(length, "0")].map(Number);
    return [...write(a, ndigit), ...write(b, ndigit), ...write(a + b, ndigit + 1).reverse()];`,
  others: [`
    const backwards = (x: number, length: number) =>
      Array.from({ length }, (_, i) => Math.floor(x / 10 ** i) % 10);
    return [
      ...backwards(a, ndigit).reverse(),
      ...backwards(b, ndigit).reverse(),
      ...backwards(a + b, ndigit + 1),
    ];`],
  diagnoses: {
    forwards: {
      means: {
        en: "the sum is written forwards: then the first digit already needs all carries",
        es: "la suma está escrita hacia delante: la primera cifra ya necesita todos los acarreos",
      },
      wrong: [`
        const write = (x: number, length: number) => [...String(x).padStart(length, "0")].map(Number);
        return [...write(a, ndigit), ...write(b, ndigit), ...write(a + b, ndigit + 1)];`],
    },
    unpadded: {
      means: {
        en: "zeros in front are missing: all sequences are to have the same length",
        es: "faltan ceros por delante: todas las secuencias deben tener la misma longitud",
      },
      wrong: [
        `const write = (x: number) => [...String(x)].map(Number);
         return [...write(a), ...write(b), ...write(a + b).reverse()];`,
        `const write = (x: number, length: number) => [...String(x).padStart(length, "0")].map(Number);
         return [...write(a, ndigit), ...write(b, ndigit), ...write(a + b, ndigit).reverse()];`,
      ],
    },
    allBackwards: {
      means: {
        en: "a and b are written backwards too",
        es: "también a y b están escritos al revés",
      },
      wrong: [`
        const write = (x: number, length: number) => [...String(x).padStart(length, "0")].map(Number).reverse();
        return [...write(a, ndigit), ...write(b, ndigit), ...write(a + b, ndigit + 1)];`],
    },
  },
  async check(t) {
    type Encode = (a: number, b: number, ndigit: number) => number[];
    const { encodeSum } = t.exports<{ encodeSum: Encode }>("encodeSum");
    // Written down by hand.
    const cases: [number, number, number, number[], number[], number[]][] = [
      [85, 50, 2, [8, 5, 5, 0, 5, 3, 1], [8, 5, 5, 0, 1, 3, 5], [5, 8, 0, 5, 5, 3, 1]],
      [7, 36, 2, [0, 7, 3, 6, 3, 4, 0], [0, 7, 3, 6, 0, 4, 3], [7, 0, 6, 3, 3, 4, 0]],
      [999, 2, 3, [9, 9, 9, 0, 0, 2, 1, 0, 0, 1], [], [9, 9, 9, 2, 0, 0, 1, 0, 0, 1]],
    ];
    for (const [a, b, n, want, forwards, allBackwards] of cases) {
      await t.equal({
        what: `encodeSum(${a}, ${b}, ${n})`,
        got: () => encodeSum(a, b, n),
        want,
        suspects: { forwards, allBackwards, unpadded: (data) => data.length < want.length },
      });
    }
  },
});
