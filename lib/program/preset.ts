/** Presets: settings for a purpose, by name or in a file, as flags that lie over a program's defaults. */
import type { Default, Defaults } from "./flags.ts";
import { excerpt, InputError, UsageError } from "../io/errors.ts";
import { readText } from "../io/files.ts";
import { type Literal, LiteralError, readLiteral } from "./literals.ts";

/** Settings as flags. */
export function toFlags(settings: Record<string, unknown>): string[] {
  return Object.entries(settings).map(([name, value]) => `--${name}=${value}`);
}

/**
 * The flags of a preset.
 *
 * @param config A name of `presets`, or a file with lines such as `n_layer = 4 # blocks`, as nanoGPT's are
 * @param defaults The settings that there are
 * @throws {UsageError} If there is no such preset, or the file has a setting that there is not
 * @throws {InputError} If the file cannot be read
 */
export async function presetFlags(
  config: string,
  presets: Record<string, Record<string, Default>>,
  defaults: Defaults,
): Promise<string[]> {
  if (Object.hasOwn(presets, config)) return toFlags(presets[config]);
  if (!/[./\\]/.test(config)) {
    const names = Object.keys(presets).join(", ");
    throw new UsageError(`There is no preset '${config}': want ${names}, or a file's path`);
  }
  // What nanoGPT's files say of PyTorch, of its processes and of what wandb shows is of no use here.
  const foreign = /^(device|dtype|compile|backend|out_dir|wandb_\w+)$/;
  return (await readText(config)).replace(/^\ufeff/, "").split(/\r?\n/).flatMap((line, i) => {
    if (/^\s*(#|import\s|$)/.test(line)) return [];
    const place = `Cannot read '${config}', line ${i + 1}`;
    const [assignment, name] = /^(\w+)[ \t]*=(?!=)/.exec(line) ?? [];
    if (name === undefined || assignment === undefined) {
      throw new InputError(`${place}: want 'name = value', got '${excerpt(line.trim())}'`);
    }
    if (foreign.test(name)) return [];
    if (!Object.hasOwn(defaults, name) || name === "config") {
      throw new UsageError(`${place}: there is no setting '${excerpt(name)}' (--help lists all)`);
    }
    const { kind, value } = valueIn(line, assignment.length, place);
    const wanted = defaults[name] === undefined ? "string" : typeof defaults[name];
    if (kind === "None" && defaults[name] === undefined) return [];
    const given: string = typeof value;
    if (given !== wanted) {
      const written = excerpt(line.slice(assignment.length).replace(/#[^'"]*$/, "").trim());
      throw new UsageError(`${place}: ${name} expects a ${wanted}, got ${written}`);
    }
    return [`--${name}=${value}`];
  });
}

function valueIn(line: string, start: number, place: string): Literal {
  try {
    return readLiteral(line, start);
  } catch (error) {
    if (!(error instanceof LiteralError)) throw error;
    throw new InputError(`${place}, column ${error.column}: ${error.message}`);
  }
}
