/** Files: read with errors that say what is wrong, written whole or not at all. */
import { basename, dirname, join } from "node:path";
import process from "node:process";
import { InputError } from "./errors.ts";
import { fileKind } from "./kinds.ts";

let count = 0; // two writes of one file at a time do not share a temporary file

/**
 * Writes a file so that a kill at any moment leaves the old file or the new
 * one, never half of one: the data go to a temporary file beside it, to the
 * disk, and then take the file's name. Temporary files that a killed run left
 * beside it are removed.
 *
 * @param path The file; its folder must exist
 * @param data A text, bytes, or parts to be written one after another
 * @throws {InputError} If the file cannot be written
 */
export async function writeFileAtomic(
  path: string,
  data: string | Uint8Array | Iterable<Uint8Array>,
): Promise<void> {
  (await stageFile(path, data)).publish();
}

/** What `stageFile` has written: `publish` gives it the file's name, `discard` removes it. */
export interface StagedFile {
  publish(): void;
  discard(): void;
}

/**
 * The first half of `writeFileAtomic`: the data are on the disk, the file is still the old one.
 *
 * @throws {InputError} If the file cannot be written
 */
export async function stageFile(
  path: string,
  data: string | Uint8Array | Iterable<Uint8Array>,
): Promise<StagedFile> {
  if (typeof data === "string") data = new TextEncoder().encode(data);
  const parts = data instanceof Uint8Array ? [data] : data;
  const temporary = `${path}.${process.pid}.${++count}.tmp`;
  try {
    await removeLeftovers(path);
    using file = await Deno.open(temporary, {
      write: true,
      create: true,
      truncate: true,
    });
    for (let part of parts) {
      while (part.length > 0) part = part.subarray(await file.write(part));
    }
    await file.sync();
  } catch (error) {
    await Deno.remove(temporary).catch(() => {});
    throw writeError(path, error);
  }
  const discard = () => {
    try {
      Deno.removeSync(temporary);
    } catch {
      // It is not there any more, or removed as a leftover at the next write.
    }
  };
  const publish = () => {
    try {
      Deno.renameSync(temporary, path);
    } catch (error) {
      discard();
      throw writeError(path, error);
    }
  };
  return { publish, discard };
}

/** Removes the temporary files beside `path` whose processes are gone. */
async function removeLeftovers(path: string): Promise<void> {
  const folder = dirname(path);
  const name = basename(path);
  for await (const entry of Deno.readDir(folder)) {
    if (!entry.name.startsWith(`${name}.`)) continue;
    const pid = /^\.(\d+)\.\d+\.tmp$/.exec(entry.name.slice(name.length))?.[1];
    if (pid !== undefined && !isAlive(Number(pid))) {
      await Deno.remove(join(folder, entry.name)).catch(() => {});
    }
  }
}

function isAlive(pid: number): boolean {
  if (pid === process.pid) return true;
  try {
    process.kill(pid, 0); // sends nothing, only asks
    return true;
  } catch (error) {
    return (error as { code?: string }).code === "EPERM";
  }
}

/** An error of the file system as one line that says what to do; other errors as they are. */
export function writeError(path: string, error: unknown): unknown {
  if (error instanceof InputError) return error;
  if (error instanceof Deno.errors.NotFound) {
    return new InputError(
      `Cannot write '${path}': its folder does not exist; make it first`,
    );
  }
  const isFileSystem = error instanceof Deno.errors.PermissionDenied ||
    (error instanceof Error && /\(os error \d+\)/.test(error.message));
  if (!isFileSystem) return error;
  return new InputError(`Cannot write '${path}': ${(error as Error).message}`);
}

/** Whether there is such a file or folder. */
export async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}

/** The most bytes that are read at once, and the most of a text: V8's strings hold no more characters. */
const MOST_BYTES = 2 ** 32, MOST_OF_A_TEXT = 2 ** 29 - 24;

/**
 * Reads a file whole. A pipe or a device is refused: it may never end.
 *
 * @param most The most bytes that it may have
 * @throws {InputError} If it cannot be read, is no file or too large
 */
export async function readBytes(
  path: string,
  most = MOST_BYTES,
): Promise<Uint8Array<ArrayBuffer>> {
  try {
    const info = await Deno.stat(path);
    const kind = info.isFifo ? "a pipe" : info.isSocket ? "a socket" : "a device";
    if (!info.isFile && !info.isDirectory) {
      throw new InputError(`Cannot read '${path}': it is ${kind}; save what it gives to a file`);
    }
    if (info.size > most) {
      throw new InputError(
        `Cannot read '${path}': it has ${info.size} bytes, and at most ${most} can be read at once`,
      );
    }
    return await Deno.readFile(path);
  } catch (error) {
    throw readError(path, error);
  }
}

/**
 * Reads a text file in UTF-8 as it is; a byte-order mark at its start stays. It takes up to three
 * times the file's size: its bytes, and a string of one or two bytes a character.
 *
 * @throws {InputError} If it cannot be read, or is no valid UTF-8: the message says what it is
 * instead, or names the line
 */
export async function readText(path: string): Promise<string> {
  const bytes = await readBytes(path, MOST_OF_A_TEXT);
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  try {
    return decoder.decode(bytes);
  } catch {
    const kind = fileKind(bytes);
    const reason = kind
      ? `it is ${kind}, not a text`
      : `line ${badLine(bytes, decoder)} is no valid UTF-8; convert the file`;
    throw new InputError(`Cannot read '${path}': ${reason}`);
  }
}

/** The line, counted from 1, that the decoder refuses. */
function badLine(bytes: Uint8Array, decoder: TextDecoder): number {
  for (let line = 1, start = 0;; line++) {
    const end = bytes.indexOf(0x0a, start) + 1 || bytes.length;
    try {
      decoder.decode(bytes.subarray(start, end));
    } catch {
      return line;
    }
    start = end;
  }
}

/** An error of the file system as one line that says what is wrong. */
export function readError(path: string, error: unknown): unknown {
  if (error instanceof InputError) return error;
  if (!(error instanceof Error)) return error;
  const reason = error instanceof Deno.errors.NotFound
    ? "no such file"
    : error instanceof Deno.errors.IsADirectory
    ? "it is a folder"
    : error.message;
  return new InputError(`Cannot read '${path}': ${reason}`);
}
