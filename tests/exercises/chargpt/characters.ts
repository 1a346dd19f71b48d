import { append, exercise, todo } from "../framework/exercise.ts";

type Encode = (text: string) => { characters: string[]; ids: number[] };

export default exercise({
  level: 1,
  title: { en: "a text as numbers", es: "un texto como números" },
  task: {
    en: `
      Write encodeText(text): characters is the list of all different characters of the text, sorted by their code points, and
      ids the text as indices into it. A character is a whole code point: an emoji is one, not two.`,
    es: `
      Escribe encodeText(text): characters es la lista de los distintos caracteres del texto, ordenados por su código, e ids,
      el texto como índices en ella. Un carácter es un código completo: un emoji es uno, no dos.`,
  },
  hints: [
    {
      en: "[...text] gives whole code points, text.split('') gives halves of some.",
      es: "[...text] da códigos completos; text.split('') da la mitad de algunos.",
    },
    {
      en:
        "[...new Set([...text])].sort(...) are the characters; compare codePointAt(0), as sort() alone compares halves.",
      es:
        "[...new Set([...text])].sort(...) son los caracteres; compara codePointAt(0), pues sort() solo compara mitades.",
    },
  ],
  look: "encodeText(), encodeCharacters()",
  start: [append(`
    /** The characters of a text, sorted by code point, and the text as their indices. */
    export function encodeText(text: string): { characters: string[]; ids: number[] } {
      ${todo}
    }`)],
  solution: `
    const symbols = [...text];
    const characters = [...new Set(symbols)].sort((a, b) => a.codePointAt(0)! - b.codePointAt(0)!);
    return { characters, ids: symbols.map((symbol) => characters.indexOf(symbol)) };`,
  others: [`
    const codes = Array.from(text, (symbol) => symbol.codePointAt(0)!);
    const sorted = Uint32Array.from(new Set(codes)).sort();
    return {
      characters: Array.from(sorted, (code) => String.fromCodePoint(code)),
      ids: codes.map((code) => sorted.indexOf(code)),
    };`],
  diagnoses: {
    halves: {
      means: {
        en: "characters beyond 65535, such as emoji, fell into two halves",
        es: "los caracteres por encima de 65535, como los emojis, se han partido en dos mitades",
      },
      wrong: [`
        const symbols = text.split("");
        const characters = [...new Set(symbols)].sort();
        return { characters, ids: symbols.map((symbol) => characters.indexOf(symbol)) };`],
    },
    unsorted: {
      means: {
        en:
          "the characters stand in the order of the text; sorted, the same characters always give the same ids",
        es:
          "los caracteres están en el orden del texto; ordenados, los mismos caracteres dan siempre los mismos índices",
      },
      wrong: [`
        const symbols = [...text];
        const characters = [...new Set(symbols)];
        return { characters, ids: symbols.map((symbol) => characters.indexOf(symbol)) };`],
    },
    byHalves: {
      means: {
        en:
          "sort() compares the halves of characters: it puts an emoji before some characters of a smaller code",
        es:
          "sort() compara mitades de caracteres: pone un emoji antes que algunos caracteres de código menor",
      },
      wrong: [`
        const symbols = [...text];
        const characters = [...new Set(symbols)].sort();
        return { characters, ids: symbols.map((symbol) => characters.indexOf(symbol)) };`],
    },
    codes: {
      means: {
        en: "the ids are the code points themselves, not indices into the list",
        es: "los índices son los propios códigos, no posiciones en la lista",
      },
      wrong: [`
        const symbols = [...text];
        const characters = [...new Set(symbols)].sort((a, b) => a.codePointAt(0)! - b.codePointAt(0)!);
        return { characters, ids: symbols.map((symbol) => symbol.codePointAt(0)!) };`],
    },
  },
  async check(t) {
    const { encodeText } = t.exports<{ encodeText: Encode }>("encodeText");
    const pair = "\u{1F600}", last = "\uFF5E"; // 128512 and 65374
    const cases: [string, string[], number[]][] = [
      ["banana b", [" ", "a", "b", "n"], [2, 1, 3, 1, 3, 1, 0, 2]],
      [`z${pair}a${pair}${last}`, ["a", "z", last, pair], [1, 3, 0, 3, 2]],
    ];
    for (const [text, characters, ids] of cases) {
      await t.equal({
        what: `encodeText(${JSON.stringify(text)})`,
        got: () => encodeText(text),
        want: { characters, ids },
        suspects: {
          codes: (data) => data.length === characters.length + ids.length && data.at(-1) > 30,
          unsorted: () => {
            const seen = [...new Set([...text])];
            return { characters: seen, ids: [...text].map((c) => seen.indexOf(c)) };
          },
          byHalves: () => {
            const sorted = characters.toSorted();
            return { characters: sorted, ids: [...text].map((c) => sorted.indexOf(c)) };
          },
          halves: (data) => data.length > characters.length + ids.length,
        },
      });
    }
  },
});
