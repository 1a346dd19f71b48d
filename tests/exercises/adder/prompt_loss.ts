import { append, exercise, todo } from "../framework/exercise.ts";

type Split = (digits: number[], ndigit: number) => { x: number[]; y: number[] };

export default exercise({
  level: 2,
  title: { en: "no loss for the problem", es: "sin pérdida por el enunciado" },
  task: {
    en: `
      Write inputAndTarget(digits, ndigit) for a sequence of 3 ndigit + 1 digits (a, b, the sum backwards): x is all digits
      but the last; y is the digit that follows each of x, but -1 (it does not count) where that digit belongs to the
      problem a, b: it cannot be guessed.`,
    es: `
      Escribe inputAndTarget(digits, ndigit) para una secuencia de 3 ndigit + 1 cifras (a, b y la suma al revés): x son todas
      las cifras menos la última; y es la cifra que sigue a cada una de x, pero -1 (no cuenta) donde esa cifra pertenece al
      enunciado a, b: no se puede adivinar.`,
  },
  hints: [
    {
      en:
        "Write x and y for 8 5 5 0 5 3 1 below each other: behind which digit does the sum begin?",
      es: "Escribe x e y para 8 5 5 0 5 3 1 una debajo de otra: ¿tras qué cifra empieza la suma?",
    },
    {
      en: "y is digits.slice(1); its first 2 ndigit - 1 entries are digits of the problem.",
      es: "y es digits.slice(1); sus primeras 2 ndigit - 1 cifras son del enunciado.",
    },
  ],
  look: "inputAndTarget(), AdditionDataset.batch()",
  start: [append(`
    /** The digits that go in, and the digit after each, -1 where it belongs to the problem. */
    export function inputAndTarget(digits: number[], ndigit: number): { x: number[]; y: number[] } {
      ${todo}
    }`)],
  solution: `
    const y = digits.slice(1).map((digit, i) => i < 2 * ndigit - 1 ? -1 : digit);
    return { x: digits.slice(0, -1), y };`,
  others: [`
    const x = digits.filter((_, i) => i < digits.length - 1);
    const y = new Array(2 * ndigit - 1).fill(-1).concat(digits.slice(2 * ndigit));
    return { x, y };`],
  diagnoses: {
    oneTooMany: {
      means: {
        en:
          "the first digit of the sum does not count: it is the target of the problem's last digit",
        es:
          "la primera cifra de la suma no cuenta: es el objetivo de la última cifra del enunciado",
      },
      wrong: [`
        const y = digits.slice(1).map((digit, i) => i < 2 * ndigit ? -1 : digit);
        return { x: digits.slice(0, -1), y };`],
    },
    notShifted: {
      means: {
        en: "the targets are the digits of x themselves, not those that follow",
        es: "los objetivos son las propias cifras de x, no las que las siguen",
      },
      wrong: [`
        const x = digits.slice(0, -1);
        return { x, y: x.map((digit, i) => i < 2 * ndigit - 1 ? -1 : digit) };`],
    },
    noMask: {
      means: {
        en: "the digits of the problem count in the loss, though they are drawn at random",
        es: "las cifras del enunciado cuentan en la pérdida, aunque son aleatorias",
      },
      wrong: [`return { x: digits.slice(0, -1), y: digits.slice(1) };`],
    },
    onlyA: {
      means: {
        en: "only the first number is masked; the problem has two",
        es: "solo se oculta el primer número; el enunciado tiene dos",
      },
      wrong: [
        `const y = digits.slice(1).map((digit, i) => i < ndigit - 1 ? -1 : digit);
         return { x: digits.slice(0, -1), y };`,
        `const y = digits.slice(1).map((digit, i) => i < ndigit ? -1 : digit);
         return { x: digits.slice(0, -1), y };`,
      ],
    },
  },
  async check(t) {
    const { inputAndTarget } = t.exports<{ inputAndTarget: Split }>("inputAndTarget");
    for (
      const [digits, n] of [[[8, 5, 5, 0, 5, 3, 1], 2], [[9, 9, 9, 0, 0, 2, 1, 0, 0, 1], 3]] as [
        number[],
        number,
      ][]
    ) {
      const x = digits.slice(0, -1);
      /** y with the first digits hidden. */
      const hide = (y: number[], count: number) => ({
        x,
        y: y.map((digit, i) => i < count ? -1 : digit),
      });
      await t.equal({
        what: `inputAndTarget([${digits}], ${n})`,
        got: () => inputAndTarget([...digits], n),
        want: { x, y: n === 2 ? [-1, -1, -1, 5, 3, 1] : [-1, -1, -1, -1, -1, 1, 0, 0, 1] },
        suspects: {
          oneTooMany: hide(digits.slice(1), 2 * n),
          notShifted: hide(x, 2 * n - 1),
          noMask: hide(digits.slice(1), 0),
          onlyA: (data) =>
            [n - 1, n].some((count) =>
              String([...data]) === String([...x, ...hide(digits.slice(1), count).y])
            ),
        },
      });
    }
  },
});
