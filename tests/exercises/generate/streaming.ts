import { append, exercise, todo } from "../framework/exercise.ts";

export default exercise({
  level: 3,
  title: { en: "half a character", es: "medio carácter" },
  task: {
    en: `
      The bytes of a character in UTF-8 may be spread over several tokens. Write streamText(chunks) for the bytes of the tokens as
      they come: a list with the text that can be shown after each, whole characters only; the bytes of a character that
      is not complete wait for the next token.`,
    es: `
      Los bytes de un carácter en UTF-8 pueden repartirse entre varios elementos. Escribe streamText(chunks) para los bytes de los
      elementos según llegan: una lista con el texto que se puede mostrar tras cada uno, solo con caracteres completos; los bytes de
      un carácter incompleto esperan al siguiente elemento.`,
  },
  hints: [
    {
      en: "A TextDecoder can be told that more is to come.",
      es: "A un TextDecoder se le puede decir que vendrá más.",
    },
    {
      en:
        "Make one decoder and call decode(chunk, { stream: true }) for each: it keeps the bytes that are left over.",
      es:
        "Crea un solo decodificador y llama a decode(chunk, { stream: true }) con cada uno: guarda los bytes que sobran.",
    },
  ],
  look: "streamText(), decodeBytes",
  start: [append(`
    /** The text that can be shown after each chunk of bytes. */
    export function streamText(chunks: Uint8Array[]): string[] {
      ${todo}
    }`)],
  solution: `
    const decoder = new TextDecoder();
    return chunks.map((chunk) => decoder.decode(chunk, { stream: true }));`,
  others: [`
    let waiting: number[] = [];
    return chunks.map((chunk) => {
      const bytes = [...waiting, ...chunk];
      // The first byte of the last character says how long it is.
      let start = bytes.length - 1;
      while (start > 0 && (bytes[start] & 0xc0) === 0x80) start--;
      const first = bytes[start] ?? 0;
      const length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc0 ? 2 : 1;
      const end = start + length <= bytes.length ? bytes.length : start;
      waiting = bytes.slice(end);
      return new TextDecoder().decode(Uint8Array.from(bytes.slice(0, end)));
    });`],
  diagnoses: {
    replaced: {
      means: {
        en: "incomplete characters became U+FFFD: each chunk was decoded by itself",
        es:
          "los caracteres incompletos se han convertido en U+FFFD: cada trozo se ha decodificado por separado",
      },
      wrong: [`return chunks.map((chunk) => new TextDecoder().decode(chunk));`],
    },
    bytes: {
      means: {
        en: "each byte became a character: bytes above 127 are only a part of one",
        es:
          "cada byte se ha convertido en un carácter: los mayores que 127 son solo una parte de uno",
      },
      wrong: [`return chunks.map((chunk) => String.fromCharCode(...chunk));`],
    },
    whole: {
      means: {
        en: "the text so far comes again with each chunk; only what is new is asked for",
        es: "el texto anterior se repite con cada trozo; solo se pide lo nuevo",
      },
      wrong: [`
        const decoder = new TextDecoder();
        let text = "";
        return chunks.map((chunk) => text += decoder.decode(chunk, { stream: true }));`],
    },
    lost: {
      means: {
        en: "characters that are spread over several chunks are lost",
        es: "se pierden los caracteres repartidos entre varios trozos",
      },
      wrong: [
        `return chunks.map((chunk) => new TextDecoder().decode(chunk).replaceAll("\\uFFFD", ""));`,
      ],
    },
  },
  async check(t) {
    const { streamText } = t.exports<{ streamText(chunks: Uint8Array[]): string[] }>("streamText");
    // "n", n with tilde (c3 b1), "o", an emoji (f0 9f 98 80), "!"; cut in the middle of characters.
    const chunks = [[0x6e, 0xc3], [0xb1], [0x6f, 0xf0, 0x9f], [0x98], [0x80, 0x21]];
    const want = ["n", "\u00F1", "o", "", "\u{1F600}!"];
    await t.equal({
      what: "streamText(chunks)",
      got: () => streamText(chunks.map((chunk) => Uint8Array.from(chunk))),
      want,
      input: chunks.map((chunk) => chunk.map((byte) => byte.toString(16)).join(" ")).join(" | "),
      suspects: {
        replaced: (data) => data.some((text) => `${text}`.includes("\uFFFD")),
        bytes: chunks.map((chunk) => String.fromCharCode(...chunk)),
        whole: want.map((_, i) => want.slice(0, i + 1).join("")),
        lost: ["n", "", "o", "", "!"],
      },
    });
  },
});
