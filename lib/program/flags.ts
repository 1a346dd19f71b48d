/**
 * Command-line flags out of a program's typed defaults.
 *
 *     const defaults = {
 *       learning_rate: 0.01, // size of a step
 *       hidden: [16, 16], // units of each layer
 *       data: "mnist",
 *     };
 *     const options = parseFlags(Deno.args, { defaults, choices: { data: ["mnist", "digits"] } });
 *     options.learning_rate // number; --learning_rate=1e-3, --learning-rate 1e-3
 *     options.hidden        // number[]; --hidden=32,32,8
 *     options.data          // "mnist" | "digits"
 *
 * The default decides what a flag takes: a number any finite number, a boolean nothing or
 * `=true|false` (`--no-NAME` is false too), a list its elements with commas between them, a list of
 * lists rows with semicolons between them, a text or `undefined` any text. Given twice, the last
 * counts.
 */
import { parseArgs } from "@std/cli/parse-args";
import { distance } from "fastest-levenshtein";
import { UsageError } from "../io/errors.ts";

/** What a default may be; it says what the flag takes. */
export type Default =
  | number
  | boolean
  | string
  | undefined
  | readonly number[]
  | readonly string[]
  | readonly (readonly number[])[];

/** The defaults of a program by the names of their flags. */
export type Defaults = { readonly [name: string]: Default };

/** The type of the value that a flag with the default `T` gets. */
export type FlagValue<T> = T extends number ? number
  : T extends boolean ? boolean
  : T extends string ? string
  : T extends undefined ? string | undefined
  : T extends readonly number[] ? number[]
  : T extends readonly string[] ? string[]
  : T extends readonly (readonly number[])[] ? number[][]
  : never;

/** For a flag that takes a text: the only texts that it takes. */
export type Choices<D> = { readonly [K in keyof D]?: readonly string[] };

/** The values of all flags: of the types of their defaults, or one of their choices. */
export type Options<D, C = unknown> = {
  -readonly [K in keyof D]: K extends keyof C
    ? C[K] extends readonly (infer Choice)[] ? Choice : FlagValue<D[K]>
    : FlagValue<D[K]>;
};

/**
 * What a value must be beside its type: a named range, which holds for each element of a list, or a
 * function that returns what is expected ("an even number") if the value is not right.
 */
export type Check<T> = keyof typeof RANGES | ((value: T) => string | undefined);

/** The checks of a program's flags. */
export type Checks<D> = { readonly [K in keyof D]?: Check<FlagValue<D[K]>> };

/** The flags of a program. */
export interface Flags<D extends Defaults, C extends Choices<D> = Choices<D>> {
  defaults: D;
  choices?: C;
  check?: Checks<D>;
}

const RANGES = {
  "positive integer": (x: number) => Number.isSafeInteger(x) && x > 0,
  "nonnegative integer": (x: number) => Number.isSafeInteger(x) && x >= 0,
  "positive": (x: number) => x > 0,
  "nonnegative": (x: number) => x >= 0,
  "probability": (x: number) => x >= 0 && x <= 1,
  "below 1": (x: number) => x >= 0 && x < 1,
};

const EXPECTED: Record<keyof typeof RANGES, string> = {
  "positive integer": "a whole number from 1 on",
  "nonnegative integer": "a whole number from 0 on",
  "positive": "a number above 0",
  "nonnegative": "a number from 0 on",
  "probability": "a number from 0 to 1",
  "below 1": "a number from 0 to below 1",
};

/** The kinds of flags: what help calls the value, and what an error says is expected. */
const KINDS = {
  number: { value: "NUMBER", expected: "a number" },
  boolean: { value: "true|false", expected: "true or false" },
  text: { value: "TEXT", expected: "a text" },
  numbers: { value: "N,N,...", expected: "numbers with commas between them" },
  texts: { value: "TEXT,TEXT,...", expected: "texts with commas between them" },
  rows: {
    value: "N,N;N,N;...",
    expected: "rows of numbers, with commas within a row and semicolons between rows",
  },
};

function kindOf(name: string, value: Default): keyof typeof KINDS {
  if (value === undefined) return "text";
  if (!Array.isArray(value)) {
    return typeof value === "string" ? "text" : typeof value as "number" | "boolean";
  }
  if (value.length === 0) {
    throw new TypeError(`Cannot tell what --${name} takes as its default is an empty list`);
  }
  if (Array.isArray(value[0])) return "rows";
  return typeof value[0] === "number" ? "numbers" : "texts";
}

/**
 * Reads the flags of a command line.
 *
 * @param args The arguments, as in `Deno.args`
 * @param flags The defaults, from which the types follow, and what else is known of the values
 * @returns A value for each default
 * @throws {UsageError} If a flag is unknown (the nearest one is named), has no value or a wrong one,
 * or if there is an argument that is no flag
 */
export function parseFlags<D extends Defaults, const C extends Choices<D> = Choices<D>>(
  args: readonly string[],
  flags: Flags<D, C>,
): Options<D, C> {
  const { defaults, choices = {} as C, check = {} as Checks<D> } = flags;
  const names = Object.keys(defaults);
  const isSwitch = (name: string) => kindOf(name, defaults[name]) === "boolean";
  const spelled = spell(args, names, isSwitch);

  const given = parseArgs(spelled, {
    string: names.filter((name) => !isSwitch(name)),
    boolean: names.filter(isSwitch),
    negatable: names.filter(isSwitch),
    unknown: (arg: string) => {
      throw unknownArgument(arg, names);
    },
  }) as Record<string, unknown> & { _: unknown[] };
  if (given._.length > 0) throw unknownArgument(String(given._[0]), names);

  const isGiven = (name: string) =>
    spelled.some((arg) => RegExp(`^--(no-)?${name}(=|$)`).test(arg));
  const values = names.map((name): [string, unknown] => {
    if (!isGiven(name)) return [name, structuredClone(defaults[name])];
    if (isSwitch(name)) return [name, given[name]];
    const text = given[name] as string;
    const expected = (what: string) =>
      new UsageError(`Flag --${name} expects ${what}: given '${text}'`);

    const allowed = choices[name];
    if (allowed && !allowed.includes(text)) throw expected(`one of ${allowed.join(", ")}`);
    const kind = kindOf(name, defaults[name]);
    const value = parseValue(kind, text);
    if (value === undefined) {
      throw expected(`${KINDS[kind].expected}, such as ${show(defaults[name])}`);
    }
    const problem = findProblem(check[name] as Check<unknown> | undefined, value);
    if (problem !== undefined) throw expected(problem);
    return [name, value];
  });
  return Object.fromEntries(values) as Options<D, C>;
}

/**
 * The arguments as `parseArgs` takes them: names with underscores as in the defaults, a negative
 * number joined to its flag; what it would take silently is refused.
 */
function spell(
  args: readonly string[],
  names: readonly string[],
  isSwitch: (name: string) => boolean,
): string[] {
  const result: string[] = [];
  for (let i = 0; i < args.length; i++) {
    const [, typed, value] = /^--([^=]+)(=.*)?$/s.exec(args[i]) ?? [];
    if (args[i] === "--") { // parseArgs would take what follows for arguments
      throw new UsageError("Unexpected argument '--': leave it out (--help lists all flags)");
    } else if (typed === undefined) {
      result.push(args[i]);
      continue;
    }
    const name = typed.replaceAll("-", "_");
    const negated = /^no_(.+)$/.exec(name)?.[1];
    if (negated && names.includes(negated) && isSwitch(negated) && !names.includes(name)) {
      if (value) throw new UsageError(`Flag --no-${negated} takes no value: given '${args[i]}'`);
      result.push(`--no-${negated}`);
    } else if (!names.includes(name)) {
      result.push(args[i]); // as it was typed, for the error
    } else if (isSwitch(name)) {
      if (value && value !== "=true" && value !== "=false") {
        throw new UsageError(`Flag --${name} expects true or false: given '${value.slice(1)}'`);
      }
      result.push(`--${name}${value ?? ""}`);
    } else if (value === undefined) {
      const next = args[i + 1];
      if (next === undefined || (next.startsWith("-") && !/^-[.\d]/.test(next))) {
        throw new UsageError(`Flag --${name} needs a value: write --${name}=VALUE`);
      }
      result.push(`--${name}=${next}`);
      i++;
    } else {
      result.push(`--${name}${value}`);
    }
  }
  return result;
}

const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

/** The value that a text stands for; undefined if it is none of its kind. */
function parseValue(kind: keyof typeof KINDS, text: string): unknown {
  const number = (text: string) => {
    const value = NUMBER.test(text.trim()) ? Number(text) : NaN;
    return Number.isFinite(value) ? value : undefined;
  };
  const all = <T>(values: (T | undefined)[]) => values.includes(undefined) ? undefined : values;
  const numbers = (text: string) => all(text.split(",").map(number));
  if (text === "" && ["numbers", "rows", "texts"].includes(kind)) return [];
  switch (kind) {
    case "number":
      return number(text);
    case "numbers":
      return numbers(text);
    case "rows":
      return all(text.split(";").map(numbers));
    case "texts":
      return text.split(",");
    default:
      return text;
  }
}

/** What a check expects that the value is not. */
function findProblem(check: Check<unknown> | undefined, value: unknown): string | undefined {
  if (check === undefined) return undefined;
  if (typeof check === "function") return check(value);
  const numbers = [value].flat(2) as number[];
  return numbers.every(RANGES[check]) ? undefined : EXPECTED[check];
}

function unknownArgument(arg: string, names: readonly string[]): UsageError {
  const nearest = nearestName(arg, names);
  if (arg.startsWith("-")) {
    const typed = arg.replace(/=.*$/s, "");
    return new UsageError(
      `Unknown flag ${typed}: did you mean --${nearest}? (--help lists all flags)`,
    );
  }
  const hint = arg.includes("=") ? `did you mean --${nearest}=...?` : "flags are --NAME=VALUE";
  return new UsageError(`Unexpected argument '${arg}': ${hint} (--help lists all flags)`);
}

/** The name that is most like what was typed; `lr` is short for `learning_rate`. */
function nearestName(arg: string, names: readonly string[]): string {
  const typed = arg.replace(/^-+|=.*$/gs, "").replaceAll("-", "_").toLowerCase();
  const initials = (name: string) => name.split("_").map((part) => part[0]).join("");
  const cost = (name: string) => initials(name) === typed ? 0 : distance(typed, name.toLowerCase());
  return names.reduce((best, name) => cost(name) < cost(best) ? name : best);
}

/** A value as it is written behind its flag. */
function show(value: Default): string {
  if (value === undefined) return "none";
  if (value === "") return '""';
  if (!Array.isArray(value)) return String(value);
  return value.map((row) => [row].flat().join(",")).join(Array.isArray(value[0]) ? ";" : ",");
}

/**
 * Lines for `--help`: each flag with the value that it takes, its default, and what it is for.
 *
 * @param flags The flags as for `parseFlags`
 * @param comments What each flag is for, by name; see `defaultComments`
 */
export function describeFlags<D extends Defaults>(
  { defaults, choices = {} as Choices<D> }: Flags<D>,
  comments: Record<string, string> = {},
): string[] {
  const rows = Object.entries(defaults).map(([name, value]) => {
    const takes = choices[name]?.join("|") ?? KINDS[kindOf(name, value)].value;
    return [`--${name}=${takes}`, show(value), Object.hasOwn(comments, name) ? comments[name] : ""];
  });
  const width = (column: number) => Math.max(...rows.map((row) => row[column].length));
  const [first, second] = [width(0), Math.min(width(1), 24)];
  return rows.map(([flag, value, comment]) =>
    `  ${flag.padEnd(first)}  ${value.padEnd(second)}  ${comment}`.trimEnd()
  );
}

/**
 * Reads the comments in the source of a program that stand behind the entries of its `defaults`;
 * lines of comment below that are indented deeper than the entry belong to it, others in front of an
 * entry are its comment if there is none behind. Lines that start with `--` are headings.
 *
 * @param source The text of a TypeScript file with `const defaults = {...}`
 * @param name Another name of that constant, if there is one of that name
 * @returns The comments by the names of the entries
 */
export function defaultComments(source: string, name = "defaults"): Record<string, string> {
  const comments: Record<string, string> = {};
  const startOf = (name: string) => RegExp(`\\b${name}\\b[^={]*=\\s*\\{`).exec(source);
  const start = startOf(name) ?? startOf("defaults");
  if (!start) return comments;
  const tokens =
    /(?<comment>\/\/[^\n]*|\/\*[\s\S]*?\*\/)|(?<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|`(?:[^`\\]|\\.)*`)|(?<bracket>[()[\]{}])|(?<key>[\w$]+)(?=\s*:)/g;
  tokens.lastIndex = start.index + start[0].length;

  let depth = 1;
  let entry = { name: "", column: 0 };
  let before = ""; // comment lines in front of the next entry
  for (let token; depth > 0 && (token = tokens.exec(source));) {
    const { comment, bracket, key, text } = token.groups!;
    const line = source.slice(source.lastIndexOf("\n", token.index) + 1, token.index);
    const column = line.length;
    if (bracket) depth += "([{".includes(bracket) ? 1 : -1;
    const name = key ?? (text && /^\s*:/.test(source.slice(tokens.lastIndex)) && text.slice(1, -1));
    if (name && depth === 1) {
      entry = { name, column };
      comments[name] = before;
      before = "";
    } else if (comment && depth === 1) {
      const words = comment.replace(/^\/\/|^\/\*+|\*\/$|^\s*\* ?/gm, "").replace(/\s+/g, " ")
        .trim();
      const alone = line.trim() === "";
      if (alone && words.startsWith("--")) before = ""; // a heading
      else if (alone && (entry.name === "" || column <= entry.column)) before += ` ${words}`;
      else if (alone) comments[entry.name] += ` ${words}`;
      else comments[entry.name] = words;
    }
  }
  return Object.fromEntries(Object.entries(comments).map(([name, text]) => [name, text.trim()]));
}
