/** JSON files from outside: read with errors that say what is wrong, and quoted in messages in part. */
import { InputError } from "./errors.ts";
import { readText } from "./files.ts";

/** How deep lists and objects may stand in each other. No file that we read needs a tenth of it. */
const DEEPEST = 1000;

/**
 * Reads a JSON file. A byte-order mark at its start is skipped.
 *
 * @throws {InputError} If it cannot be read, is no JSON, or is nested too deeply
 */
export async function readJSON(path: string): Promise<unknown> {
  const text = (await readText(path)).replace(/^\ufeff/, "");
  try {
    const value = JSON.parse(text);
    if (depth(text) > DEEPEST) throw new SyntaxError("it is nested too deeply");
    return value;
  } catch (error) {
    const reason = error instanceof RangeError ? "it is nested too deeply" : reasonOf(error);
    const damaged = `the file, of ${text.length} characters, is damaged or was cut short`;
    throw new InputError(`Cannot read '${path}': it is no JSON: ${reason}; ${damaged}`);
  }
}

/**
 * Reads a JSON file that holds an object.
 *
 * @throws {InputError} If it cannot be read or holds something else
 */
export async function readObject(path: string): Promise<Record<string, unknown>> {
  const value = await readJSON(path);
  if (!isObject(value)) throw new InputError(`Cannot read '${path}': want a JSON object, {...}`);
  return value;
}

/** Whether a value of a JSON text is an object, {...}. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A name or a value for a message: as JSON, so on one line, and not endless. */
export function short(value: unknown): string {
  let text;
  try {
    text = JSON.stringify(value) ?? "none";
  } catch {
    return "something that is nested too deeply";
  }
  return text.length > 100 ? text.slice(0, 97) + "..." : text;
}

/** The message of JSON.parse on one line; it quotes a little of the text. */
export function reasonOf(error: unknown): string {
  // deno-lint-ignore no-control-regex
  return (error as Error).message.replace(/[\x00-\x1f]+/g, " ").slice(0, 150);
}

/** How deep the lists and objects of a valid JSON text stand in each other. */
function depth(text: string): number {
  let now = 0, most = 0;
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c === 0x22) i = endOfString(text, i);
    else if (c === 0x7b || c === 0x5b) most = Math.max(most, ++now); // { [
    else if (c === 0x7d || c === 0x5d) now--; // } ]
  }
  return most;
}

/** Where the string that begins with the quotation mark at `start` ends: the place of the other mark. */
export function endOfString(text: string, start: number): number {
  let i = start + 1;
  for (; text.charCodeAt(i) !== 0x22; i++) if (text.charCodeAt(i) === 0x5c) i++; // " and \
  return i;
}
