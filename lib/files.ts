/** Files that are there whole or not at all. */
import { basename, dirname, join } from "node:path";
import process from "node:process";
import { InputError } from "./errors.ts";

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
    await Deno.rename(temporary, path);
  } catch (error) {
    await Deno.remove(temporary).catch(() => {});
    throw writeError(path, error);
  }
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
