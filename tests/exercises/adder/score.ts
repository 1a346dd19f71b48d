import { append, exercise, todo } from "../framework/exercise.ts";

type Right = (written: number[], ndigit: number) => boolean;

export default exercise({
  level: 1,
  title: { en: "is the answer right?", es: "¿es correcta la respuesta?" },
  task: {
    en: `
      Write isRight(written, ndigit): whether a sequence of 3 ndigit + 1 digits, as the model has written it, is a right
      sum: the digits of a, of b, and the sum backwards. All digits must be right.`,
    es: `
      Escribe isRight(written, ndigit): si una secuencia de 3 ndigit + 1 cifras, tal como la ha escrito el modelo, es una
      suma correcta: las cifras de a, las de b y la suma al revés. Todas las cifras deben ser correctas.`,
  },
  hints: [
    {
      en: "Cut the sequence into three parts and make a number of each.",
      es: "Corta la secuencia en tres partes y haz un número de cada una.",
    },
    {
      en:
        "Number(part.join('')) makes a number; turn the last part around first, with toReversed().",
      es:
        "Number(parte.join('')) da un número; dale antes la vuelta a la última parte con toReversed().",
    },
  ],
  look: "isRight(), evalSplit()",
  start: [append(`
    /** Whether the digits are those of a, b and a + b backwards. */
    export function isRight(written: number[], ndigit: number): boolean {
      ${todo}
    }`)],
  solution: `
    const number = (digits: number[]) => Number(digits.join(""));
    const a = number(written.slice(0, ndigit)), b = number(written.slice(ndigit, 2 * ndigit));
    return number(written.slice(2 * ndigit).toReversed()) === a + b;`,
  others: [`
    let carry = 0;
    for (let i = 0; i < ndigit; i++) {
      const sum = written[ndigit - 1 - i] + written[2 * ndigit - 1 - i] + carry;
      if (written[2 * ndigit + i] !== sum % 10) return false;
      carry = sum >= 10 ? 1 : 0;
    }
    return written[3 * ndigit] === carry;`],
  diagnoses: {
    forwards: {
      means: {
        en: "the sum was read forwards; its first digit is the ones",
        es: "la suma se ha leído hacia delante; su primera cifra son las unidades",
      },
      wrong: [`
        const number = (digits: number[]) => Number(digits.join(""));
        const a = number(written.slice(0, ndigit)), b = number(written.slice(ndigit, 2 * ndigit));
        return number(written.slice(2 * ndigit)) === a + b;`],
    },
    lastDigit: {
      means: {
        en: "not all digits of the sum are compared: it has ndigit + 1",
        es: "no se comparan todas las cifras de la suma: tiene ndigit + 1",
      },
      wrong: [`
        const number = (digits: number[]) => Number(digits.join(""));
        const a = number(written.slice(0, ndigit)), b = number(written.slice(ndigit, 2 * ndigit));
        return number(written.slice(2 * ndigit, 3 * ndigit).toReversed()) === (a + b) % 10 ** ndigit;`],
    },
    anyDigit: {
      means: {
        en: "an answer with a wrong digit passes",
        es: "se acepta una respuesta con una cifra incorrecta",
      },
      wrong: [`
        const number = (digits: number[]) => Number(digits.join(""));
        const a = number(written.slice(0, ndigit)), b = number(written.slice(ndigit, 2 * ndigit));
        return written[2 * ndigit] === (a + b) % 10;`],
    },
  },
  async check(t) {
    const { isRight } = t.exports<{ isRight: Right }>("isRight");
    const write = (a: number, b: number, sum: number) =>
      [
        ...`${a}`.padStart(2, "0"),
        ...`${b}`.padStart(2, "0"),
        ...[...`${sum}`.padStart(3, "0")].reverse(),
      ].map(Number);
    const problems = [[85, 50], [7, 36], [99, 99], [10, 20], [0, 0], [50, 50]];
    // Right sums; sums with one wrong digit at each place; right sums that are written forwards.
    const cases = problems.flatMap(([a, b]) => {
      const sum = a + b;
      const forwards = Number([...`${sum}`.padStart(3, "0")].reverse().join(""));
      return [
        sum,
        forwards,
        sum < 100 ? sum + 100 : sum - 100,
        (sum + 10) % 200,
        sum % 10 ? sum - 1 : sum + 1,
      ]
        .map((claimed) => ({ a, b, claimed, digits: write(a, b, claimed) }));
    });
    const all = (f: (c: typeof cases[0]) => boolean) => cases.map(f);
    const backwards = (claimed: number) =>
      Number([...`${claimed}`.padStart(3, "0")].reverse().join(""));
    await t.equal({
      what: `isRight(written, 2) for ${cases.length} sequences`,
      got: async () => {
        const results: unknown[] = [];
        for (const { digits } of cases) results.push(await isRight([...digits], 2));
        return results;
      },
      want: all(({ a, b, claimed }) => a + b === claimed),
      input: cases.map(({ digits }) => digits.join("")).join(" "),
      suspects: {
        forwards: all(({ a, b, claimed }) => a + b === backwards(claimed)),
        lastDigit: all(({ a, b, claimed }) => (a + b) % 100 === claimed % 100),
        anyDigit: all(({ a, b, claimed }) => (a + b) % 10 === claimed % 10),
      },
    });
  },
});
