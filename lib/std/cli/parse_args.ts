/**
 * Stand-in for `@std/cli/parse-args` 1.0.32, for networks that reach only npm:
 * `parseArgs` over minimist, from which the published one descends.
 *
 * The part that is here: the options below. Repaired is what minimist does
 * differently: a repeated flag keeps its last value unless it is in `collect`,
 * and `--no-x` is a flag of its own unless x is in `negatable`. Not here: the
 * types that follow from the options (values are `any`), the second and third
 * argument of `unknown`, flags both in `collect` and in `boolean`.
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
  alias?: Record<string, string | readonly string[]>;
  /** Flags without a value; `true`: all that are given without `=`. */
  boolean?: boolean | string | readonly string[];
  /** Values of the flags that are not given. */
  default?: Record<string, unknown>;
  /** Leave everything after the first positional argument in `_`. */
  stopEarly?: boolean;
  /** Flags whose value is never turned into a number. */
  string?: string | readonly string[];
  /** Flags that may be repeated: the value is the array of all. */
  collect?: string | readonly string[];
  /** Flags that `--no-NAME` sets to false. */
  negatable?: string | readonly string[];
  /** Called for what is no option; if it returns false, that is left out. */
  unknown?: (arg: string) => unknown;
}

/** In front of a name that starts with "no-", so that minimist keeps it. */
const KEPT = "\0";

const list = (names: string | readonly string[] | undefined): string[] =>
  names === undefined ? [] : [names].flat().filter(Boolean) as string[];
const keep = (name: string) => name.startsWith("no-") ? KEPT + name : name;
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
    if (others === undefined) {
      throw new TypeError("Alias value must be defined");
    }
    alias[keep(name)] = list(others).map(keep);
  }
  const families = Object.entries(alias).map(([name, others]) => [
    name,
    ...others,
  ]);
  /** The names and all that are the same flag by `alias`. */
  const withAliases = (names: string[]) =>
    new Set(names.flatMap((name) => [
      name,
      ...families.filter((family) => family.includes(name)).flat(),
    ]));

  const collect = withAliases(list(options.collect).map(keep));
  const negatable = withAliases(list(options.negatable));
  const strings = withAliases(list(options.string).map(keep));
  const allBooleans = options.boolean === true;
  const booleans = typeof options.boolean === "boolean"
    ? new Set<string>()
    : withAliases(list(options.boolean).map(keep));
  const { unknown } = options;

  const end = args.includes("--") ? args.indexOf("--") : args.length;
  const given = args.map((arg, i) =>
    i < end && arg.startsWith("--no-") && !negatable.has(arg.slice(5))
      ? `--${KEPT}${arg.slice(2)}`
      : arg
  );
  const parsed = minimist(given, {
    "--": options["--"],
    alias,
    boolean: allBooleans ? true : [...booleans],
    stopEarly: options.stopEarly,
    string: [...strings],
    unknown: unknown &&
      ((arg) =>
        collect.has(arg.replace(/^-+|=.*$/gs, "")) ||
        unknown(restore(arg)) !== false),
  });

  // minimist made an array of each repeated flag and nothing of the others.
  const tidy = (from: Record<string, unknown>, path: string) => {
    for (const [key, value] of Object.entries(from)) {
      if (path === "" && (key === "_" || key === "--")) continue;
      const name = path + key;
      if (Array.isArray(value)) {
        if (!collect.has(name)) from[key] = value.at(-1);
      } else if (typeof value === "object" && value !== null) {
        tidy(value as Record<string, unknown>, `${name}.`);
      } else if (collect.has(name)) from[key] = [value];
      if (key.startsWith(KEPT)) {
        from[restore(key)] = from[key];
        delete from[key];
      }
    }
  };
  const result = parsed as Args;
  tidy(result, "");

  // A default replaces the `false` that minimist sets for a missing boolean.
  const isGiven = (names: Iterable<string>) =>
    [...names].some((name) =>
      given.some((arg, i) =>
        i < end && (
          arg === `--${name}` || arg === `--no-${name}` ||
          arg.startsWith(`--${name}=`) || arg === `-${name}`
        )
      )
    );
  for (const [name, value] of Object.entries(options.default ?? {})) {
    const names = withAliases([keep(name)]);
    if (booleans.has(keep(name)) ? isGiven(names) : has(result, name)) continue;
    for (const each of names) set(result, restore(each), value);
  }
  for (const name of collect) {
    const missing = !has(result, restore(name));
    if (missing && strings.has(name)) set(result, restore(name), []);
  }
  return result;
}

/** Whether the dotted name leads to a value. */
function has(object: unknown, name: string): boolean {
  return name.split(".").every((key) => {
    const there = typeof object === "object" && object !== null &&
      Object.hasOwn(object, key);
    if (there) object = (object as Record<string, unknown>)[key];
    return there;
  });
}

/** Set the value that a dotted name leads to. */
function set(object: Record<string, unknown>, name: string, value: unknown) {
  const keys = name.split(".");
  if (keys.includes("__proto__") || keys.includes("constructor")) return;
  for (const key of keys.slice(0, -1)) {
    object = (object[key] ??= {}) as Record<string, unknown>;
  }
  object[keys.at(-1)!] = value;
}
