/** Tokens that were added to a vocabulary, such as <|endoftext|> and [MASK]: they are found in a text before it is encoded. */
import { InputError } from "../io/errors.ts";
import { isObject, short } from "../io/json.ts";

/** A token that was added. The switches are those of tokenizer.json; each is false if it is missing. */
export interface AddedToken {
  content: string;
  id: number;
  /** Whether it takes the white space before it, and the one behind it. */
  lstrip?: boolean;
  rstrip?: boolean;
  /** Whether it is found only where no letter, digit or _ touches it. */
  single_word?: boolean;
}

/** Finds added tokens in texts. */
export class AddedTokens {
  /** Token -> id. */
  readonly ids = new Map<string, number>();
  #separators?: RegExp;

  constructor(tokens: Iterable<AddedToken>) {
    const all = [...tokens];
    for (const { content, id } of all) this.ids.set(content, id);
    if (all.length === 0) return;
    // Longest first, so that of two tokens that begin alike the longer one is found.
    const longestFirst = all.sort((a, b) => b.content.length - a.content.length);
    const patterns = longestFirst.map(({ content, lstrip, rstrip, single_word }) => {
      const name = RegExp.escape(content);
      const word = single_word ? `(?<![\\p{L}\\p{N}_])${name}(?![\\p{L}\\p{N}_])` : name;
      return `${lstrip ? "\\s*" : ""}${word}${rstrip ? "\\s*" : ""}`;
    });
    this.#separators = new RegExp(`(${patterns.join("|")})`, "u");
  }

  /** The ids of a text: those of its added tokens, and what `encode` makes of the parts between them. */
  encode(text: string, encode: (part: string) => number[]): number[] {
    if (this.#separators === undefined) return encode(text);
    return text.split(this.#separators).flatMap((part, i) => {
      if (i % 2 === 1) return [this.ids.get(part) ?? this.ids.get(part.trim())!]; // a separator
      return part === "" ? [] : encode(part);
    });
  }
}

/** The largest id that a vocabulary may have. */
export const LARGEST_ID = 2 ** 24;

/**
 * Checks one added token out of a file.
 *
 * @param value An object with `content` and `id`, as in tokenizer.json
 * @throws {InputError} If it is none
 */
export function checkAdded(value: unknown, path: string): AddedToken {
  const { content, id, ...rest } = isObject(value) ? value : {};
  if (typeof content !== "string" || content === "" || !isId(id)) {
    throw new InputError(
      `Cannot use the vocabulary '${path}': an added token should be a text with an id, it is ${
        short(value)
      }`,
    );
  }
  const is = (name: string) => rest[name] === true;
  return {
    content,
    id,
    lstrip: is("lstrip"),
    rstrip: is("rstrip"),
    single_word: is("single_word"),
  };
}

/** Whether a value can be an id. */
export function isId(value: unknown): value is number {
  return Number.isInteger(value) && value as number >= 0 && value as number <= LARGEST_ID;
}
