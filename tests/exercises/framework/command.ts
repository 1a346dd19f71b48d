/** What the commands `deno task exercise`, `check`, `hint`, `solution` and `grade` have in common. */
import { fileURLToPath } from "node:url";
import { join, relative, resolve } from "node:path";
import { type Defaults, describeFlags, parseFlags } from "lib/program/flags.ts";
import { InputError, UsageError } from "lib/io/errors.ts";
import { root } from "./catalog.ts";
import { dedent } from "./edits.ts";
import { environmentLanguage, type Language, type Text } from "./language.ts";
import type { StudentFile } from "./report.ts";

/** A command: `deno task NAME [ARGUMENT] [FLAGS]`. */
export interface Command<D extends Defaults> {
  name: string;
  /** What it does, for --help. */
  about: string;
  /** What its argument is called, if it takes one. */
  argument?: string;
  defaults: D;
  /** What each flag is for. */
  comments: Record<keyof D, string>;
}

const common = { lang: "", my: "my", help: false };
const commonComments = {
  lang: "es or en; by default that of the environment (LANG)",
  my: "folder of your files",
  help: "print this",
};

/** The flags of a command with those of all commands. */
export type Given<D extends Defaults> =
  & { argument?: string; language: Language; folder: string }
  & { [K in keyof D]: D[K] extends number ? number : D[K] extends boolean ? boolean : string };

/**
 * Runs a command: reads its arguments, prints help or an error in one line, and ends the process with its exit code.
 *
 * @param run Returns the exit code, 0 if nothing.
 */
export async function runCommand<D extends Defaults>(
  command: Command<D>,
  run: (given: Given<D>) => Promise<number | void>,
): Promise<void> {
  const { name, about, argument, defaults, comments } = command;
  try {
    const all = { ...defaults, ...common };
    if (Deno.args.includes("--help") || Deno.args.includes("-h")) {
      console.log([
        `Usage: deno task ${name}${argument ? ` [${argument}]` : ""} [--FLAG=VALUE ...]`,
        "",
        dedent(about),
        "",
        ...describeFlags({ defaults: all }, { ...comments, ...commonComments }),
      ].join("\n"));
      return;
    }
    const takesValue = (arg?: string) =>
      arg !== undefined && /^--[^=]+$/.test(arg) && typeof all[arg.slice(2)] !== "boolean";
    const at = Deno.args.findIndex((arg, i) =>
      !arg.startsWith("-") && !takesValue(Deno.args[i - 1])
    );
    const word = argument && at >= 0 ? Deno.args[at] : undefined;
    const flags = parseFlags(word ? Deno.args.filter((_, i) => i !== at) : Deno.args, {
      defaults: all as Defaults,
    });
    const lang = String(flags.lang) || environmentLanguage();
    if (lang !== "en" && lang !== "es") {
      throw new UsageError(`Flag --lang expects es or en: given '${lang}'`);
    }
    const folder = String(flags.my);
    const given = { ...flags, argument: word, language: lang, folder } as unknown as Given<D>;
    const code = await run(given);
    if (code) Deno.exit(code);
  } catch (error) {
    if (!(error instanceof InputError) && !/\(os error \d+\)/.test(String(error))) throw error;
    console.error(`error: ${(error as Error).message}`);
    Deno.exit(error instanceof InputError ? error.exitCode : 1);
  }
}

const workspace = fileURLToPath(root);

/** A student's file of an exercise; a folder other than the workspace's `my` counts from the current one. */
export function studentFile(name: string, folder = "my"): StudentFile {
  const path = join(folder === "my" ? join(workspace, "my") : fromHere(folder), `${name}.ts`);
  const short = relative(workspace, path).replaceAll("\\", "/");
  return { path, shown: short.startsWith("..") ? path : short };
}

/** A path that counts from the folder in which the command was typed: `deno task` itself moves to the workspace. */
export function fromHere(path: string): string {
  return resolve(Deno.env.get("INIT_CWD") ?? Deno.cwd(), path);
}

/** Whether there is such a file. */
export function exists(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

/** A text in one language, its lines joined and broken anew at 88 characters. */
export function paragraph(text: Text, language: Language, indent = ""): string {
  const lines = [""];
  for (const word of text[language].trim().split(/\s+/)) {
    const line = lines.at(-1)!;
    if (line && line.length + word.length >= 88) lines.push(word);
    else lines[lines.length - 1] = line ? `${line} ${word}` : word;
  }
  return lines.map((line) => indent + line).join("\n");
}
