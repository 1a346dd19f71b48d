/**
 * Python's literals with the arithmetic that settings files do with them: `5 * 8`, `10 ** -5`,
 * `2**16 // 3`, `'shakespeare'`, `True`, `None`. Nothing is called and no name is looked up.
 * Source: the Python Language Reference, sections 2.4 to 2.6 (literals) and 6.5 to 6.7 (arithmetic).
 */
import { excerpt } from "../io/errors.ts";

/** A value of Python; `int` tells 2 from 2.0, which divide and print differently there. */
export type Literal =
  | { kind: "int" | "float"; value: number }
  | { kind: "str"; value: string }
  | { kind: "bool"; value: boolean }
  | { kind: "None"; value: undefined };

/** An expression that is not one, with the column (from 1) where that shows. */
export class LiteralError extends Error {
  override name = "LiteralError";

  constructor(message: string, readonly column: number) {
    super(message);
  }
}

type Token = { kind: "number" | "string" | "name" | "operator" | "end"; text: string; at: number };

const DIGITS = "\\d(?:_?\\d)*";
const FLOAT =
  `(?:${DIGITS})?\\.${DIGITS}(?:e[+-]?${DIGITS})?|${DIGITS}\\.(?:e[+-]?${DIGITS})?|${DIGITS}e[+-]?${DIGITS}`;
const INTEGER = `0x(?:_?[\\da-f])+|0o(?:_?[0-7])+|0b(?:_?[01])+|${DIGITS}`;
const TOKEN = RegExp(
  `(?<space>[ \\t]+)|(?<number>(?:${FLOAT}|${INTEGER})(?![\\w.]))|(?<name>[a-z_]\\w*)|` +
    `(?<string>"(?:[^"\\\\]|\\\\.)*"|'(?:[^'\\\\]|\\\\.)*')|(?<operator>\\*\\*|//|[-+*/%()])|(?<comment>#.*)`,
  "iy",
);

/** A line as tokens; blanks and the comment at its end are left out. */
function tokensOf(line: string): Token[] {
  const tokens: Token[] = [];
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < line.length) {
    const at = TOKEN.lastIndex;
    const groups = TOKEN.exec(line)?.groups;
    if (!groups) {
      const rest = excerpt(line.slice(at), 20);
      throw new LiteralError(
        /^['"]/.test(rest) ? `the text ${rest} has no end` : `cannot read '${rest}'`,
        at + 1,
      );
    }
    if (groups.space || groups.comment) continue;
    const [kind, text] = Object.entries(groups).find(([, text]) => text !== undefined)!;
    tokens.push({ kind: kind as Token["kind"], text, at });
  }
  return [...tokens, { kind: "end", text: "the end of the line", at: line.length }];
}

/**
 * The value of an expression.
 *
 * @param line The expression; a comment may stand behind it
 * @param start Where it begins in the line
 * @throws {LiteralError} If it is no arithmetic of literals, or has no value that a number holds
 */
export function readLiteral(line: string, start = 0): Literal {
  const tokens = tokensOf(" ".repeat(start) + line.slice(start));
  let next = 0;
  let depth = 0;
  const fail = (message: string, at = tokens[next].at): never => {
    throw new LiteralError(message, at + 1);
  };
  const takes = (...operators: string[]) =>
    tokens[next].kind === "operator" && operators.includes(tokens[next].text);
  /** Goes down a level, but not as deep as a line of a million brackets would. */
  const nested = (read: () => Literal) => {
    if (++depth > 100) fail("this is nested more than 100 deep", tokens[next - 1].at);
    const value = read();
    depth--;
    return value;
  };

  const sum = (): Literal => chain(product, "+", "-");
  const product = (): Literal => chain(signed, "*", "/", "//", "%");
  function chain(operand: () => Literal, ...operators: string[]): Literal {
    let left = operand();
    while (takes(...operators)) {
      const { text, at } = tokens[next++];
      left = combine(left, text, operand(), at, fail);
    }
    return left;
  }
  function signed(): Literal {
    if (!takes("+", "-")) return power();
    const { text, at } = tokens[next++];
    const operand = nested(signed);
    if (operand.kind !== "int" && operand.kind !== "float") {
      return fail(`'${text}' needs a number, not ${operand.kind}`, at);
    }
    return text === "-" ? { ...operand, value: -operand.value } : operand;
  }
  function power(): Literal {
    const base = atom();
    if (!takes("**")) return base;
    const { text, at } = tokens[next++];
    return combine(base, text, nested(signed), at, fail); // from the right: 2**3**2 is 2**9
  }
  function atom(): Literal {
    const { kind, text, at } = tokens[next++];
    if (kind === "number") return numberOf(text, at, fail);
    if (kind === "string") return { kind: "str", value: unescape(text.slice(1, -1)) };
    if (text === "True" || text === "False") return { kind: "bool", value: text === "True" };
    if (text === "None") return { kind: "None", value: undefined };
    if (kind === "operator" && text === "(") {
      const value = nested(sum);
      if (!takes(")")) fail("a ')' is missing here");
      next++;
      return value;
    }
    return fail(
      kind === "end"
        ? "a value is missing here"
        : `want a number or a text, not '${excerpt(text)}'`,
      at,
    );
  }

  const value = sum();
  if (tokens[next].kind !== "end") fail(`'${excerpt(tokens[next].text)}' is too much here`);
  return value;
}

type Fail = (message: string, at: number) => never;

function numberOf(text: string, at: number, fail: Fail): Literal {
  const plain = text.replaceAll("_", "");
  const kind = /^0[xob]/i.test(plain) || !/[.e]/i.test(plain) ? "int" : "float";
  if (kind === "int" && /^0+[1-9]/.test(plain)) fail(`${excerpt(text)} begins with a 0`, at);
  return checked(kind, Number(plain), at, fail);
}

/** A number, if float64 holds it as Python does. */
function checked(kind: "int" | "float", value: number, at: number, fail: Fail): Literal {
  if (!Number.isFinite(value) || (kind === "int" && !Number.isSafeInteger(value))) {
    return fail("this number is too large", at);
  }
  return { kind, value };
}

function combine(a: Literal, operator: string, b: Literal, at: number, fail: Fail): Literal {
  if (a.kind === "str" && b.kind === "str" && operator === "+") {
    return { kind: "str", value: a.value + b.value };
  }
  const isNumber = ({ kind }: Literal) => kind === "int" || kind === "float";
  if (!isNumber(a) || !isNumber(b)) {
    return fail(`'${operator}' needs numbers, not ${a.kind} and ${b.kind}`, at);
  }
  const [x, y] = [a.value as number, b.value as number];
  if (y === 0 && ["/", "//", "%"].includes(operator)) fail("this divides by 0", at);
  if (operator === "**" && x === 0 && y < 0) fail("0 has no negative power", at);
  if (operator === "**" && x < 0 && !Number.isInteger(y)) {
    fail("a negative number has no such power", at);
  }
  const isFloat = a.kind === "float" || b.kind === "float" || operator === "/" ||
    (operator === "**" && y < 0);
  // The remainder has the divisor's sign, and the quotient fits it.
  const remainder = (x % y !== 0 && (x < 0) !== (y < 0)) ? x % y + y : x % y;
  const results: Record<string, number> = {
    "+": x + y,
    "-": x - y,
    "*": x * y,
    "/": x / y,
    "//": Math.round((x - remainder) / y),
    "%": remainder,
    "**": x ** y,
  };
  return checked(isFloat ? "float" : "int", results[operator] + 0, at, fail);
}

/** What backslashes stand for. */
function unescape(text: string): string {
  const meanings: Record<string, string> = {
    n: "\n",
    t: "\t",
    r: "\r",
    "\\": "\\",
    "'": "'",
    '"': '"',
  };
  return text.replace(/\\(.)/g, (all, letter) => meanings[letter] ?? all);
}
