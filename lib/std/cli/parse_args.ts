/**
 * Stand-in for `@std/cli/parse-args` 1.0.32, for networks that reach only npm:
 * `parseArgs` over minimist, from which the published one descends.
 *
 * The part that is here: the options below. Repaired is what minimist does
 * differently: a repeated flag keeps its last value, `--no-x` is a flag of its
 * own unless x is in `negatable`, and flags may be called like `toString`.
 * Not here: the option `collect`, the types that follow from the options
 * (values are `any`), the second and third argument of `unknown`; and an empty
 * argument behind a flag is its value, where the published one lets it stand.
 * @module
 */
// @ts-types="npm:@types/minimist@1.2.5"
import minimist from "minimist";

/** What `parseArgs` returns: the flags by name, in `_` all other arguments. */
// deno-lint-ignore no-explicit-any
export type Args = Record<string, any> & {
  _: (string | number)[];
  "--"?: string[];
};

/** Options of `parseArgs`. */
export interface ParseOptions {
  /** Put what follows `--` into the result's `"--"` instead of `_`. */
  "--"?: boolean;
  /** Other names of a flag. */
  alias?: Partial<Record<string, string | readonly string[]>>;
  /** Flags without a value; `true`: all that are given without `=`. */
  boolean?: boolean | string | readonly string[];
  /** Values of the flags that are not given. */
  default?: Record<string, unknown>;
  /** Leave everything after the first positional argument in `_`. */
  stopEarly?: boolean;
  /** Flags whose value is never turned into a number. */
  string?: string | readonly string[];
  /** Flags that `--no-NAME` sets to false. */
  negatable?: string | readonly string[];
  /** Called for what is no option; if it returns false, that is left out. */
  unknown?: (arg: string) => unknown;
}

/** In front of names that minimist would take for something else. */
const KEPT = "\0";

const list = (names: string | readonly string[] | undefined): string[] =>
  names === undefined ? [] : [names].flat().filter(Boolean) as string[];
const keep = (name: string) =>
  name.startsWith("no-") || name in Object.prototype ? KEPT + name : name;
const restore = (text: string) => text.replace(KEPT, "");

/**
 * Parse command-line arguments: `--name value`, `--name=value`, `--flag`,
 * `--no-flag`, `-abc`; all after `--` is positional.
 *
 * @param args The arguments, as in `Deno.args`.
 * @param options What is known of the flags.
 * @returns The values by name; `_` holds the positional arguments.
 */
export function parseArgs(
  args: readonly string[],
  options: ParseOptions = {},
): Args {
  const alias: Record<string, string[]> = {};
  for (const [name, others] of Object.entries(options.alias ?? {})) {
    if (others === undefined) throw new TypeError("Alias value must be defined");
    alias[keep(name)] = list(others).map(keep);
  }
  /** The names and all that are the same flag by `alias`. */
  const withAliases = (names: string[]) =>
    names.flatMap((name) => [
      name,
      ...Object.entries(alias).map((entry) => entry.flat())
        .filter((family) => family.includes(name)).flat(),
    ]);
  const { boolean, unknown } = options;
  const negatable = withAliases(list(options.negatable));
  const defaults = Object.fromEntries(
    Object.entries(options.default ?? {}).map(([name, value]) => [
      keep(name),
      value,
    ]),
  );

  const end = args.includes("--") ? args.indexOf("--") : args.length;
  const given = args.map((arg, i) => {
    const name = /^--([^=]+)/.exec(arg)?.[1];
    if (i >= end || name === undefined) return arg;
    const negates = name.startsWith("no-") && negatable.includes(name.slice(3));
    return negates ? arg : `--${keep(name)}${arg.slice(2 + name.length)}`;
  });
  const result: Args = minimist(given, {
    "--": options["--"],
    alias,
    boolean: typeof boolean === "boolean" ? boolean : withAliases(list(boolean).map(keep)),
    default: defaults,
    stopEarly: options.stopEarly,
    string: list(options.string).map(keep),
    unknown: unknown && ((arg) => unknown(restore(arg)) !== false),
  });
  tidy(result, Object.values(defaults));
  result._ = result._.map((x) => typeof x === "string" ? restore(x) : x);
  return result;
}

/** Make last values of the arrays that minimist made of repeated flags. */
function tidy(flags: Record<string, unknown>, defaults: unknown[], top = true) {
  for (const [name, value] of Object.entries(flags)) {
    if (top && (name === "_" || name === "--")) continue;
    if (name.startsWith(KEPT)) delete flags[name];
    const isDefault = defaults.includes(value);
    flags[restore(name)] = Array.isArray(value) && !isDefault ? value.at(-1) : value;
    if (typeof value === "object" && value && !isDefault) {
      tidy(value as Record<string, unknown>, defaults, false);
    }
  }
}
