/** Files from the network, fetched once and kept. */
import { createHash } from "node:crypto";
import { dirname, isAbsolute } from "node:path";
import { fileURLToPath } from "node:url";
import { InputError } from "./errors.ts";
import { readError, writeError } from "./files.ts";
import { progressBar } from "../program/progress.ts";

/** Options of `download`. */
export interface DownloadOptions {
  /** Where to keep the file: a name within data/cache, or an absolute path. */
  to: string;
  /** What the file is, for the progress bar and for messages. */
  label: string;
  /** The SHA-256 of what the address gives, in hexadecimal, where that never changes. */
  sha256?: string;
  /** How long to wait for the next bytes, in milliseconds (default 30,000). */
  timeout?: number;
}

/** How often to go on after a connection that broke without having brought anything. */
const maxTries = 3;

/** What is known of the file in a `.part`; it says whether the rest can be fetched on its own. */
interface Progress {
  url: string;
  /** The server's mark for this version of the file: its ETag or its date. */
  version: string | null;
  /** The file's size in bytes. */
  size: number | null;
}

/**
 * Fetches a file unless it is there already. What was fetched before a break is kept in a `.part`
 * file beside it, and the next try, at once or in a later run, asks for the rest only. The file gets
 * its name when it is whole and its checksum is right. An address that ends in .gz is unpacked,
 * unless `to` ends so too.
 *
 * @param url The address
 * @returns The path of the file
 * @throws {InputError} If there is no network, the server refuses, or the checksum is wrong: the
 * message says what to fetch, from where and where to put it
 */
export async function download(url: string, options: DownloadOptions): Promise<string> {
  const { to, label, sha256 } = options;
  const path = isAbsolute(to)
    ? to
    : fileURLToPath(new URL(`../../data/cache/${to}`, import.meta.url));
  if (await exists(path)) return path;
  const packed = new URL(url).pathname.endsWith(".gz") && !path.endsWith(".gz");
  const part = `${path}.part`;
  const byHand = `fetch ${url} by hand${packed ? ", unpack it" : ""} and save it as ${path}`;

  try {
    await Deno.mkdir(dirname(path), { recursive: true });
    // Of two runs that want the same file one waits here until the other has it.
    using file = await Deno.open(part, { read: true, write: true, create: true });
    await file.lock(true);
    if (await exists(path)) {
      await remove(part);
      return path;
    }
    const found = await Deno.stat(part).catch(() => undefined);
    if (found?.ino !== (await file.stat()).ino) return await download(url, options); // it gave up
    try {
      await fetchAll(url, file, part, options);
    } catch (error) {
      if (!(error instanceof DownloadError)) throw error;
      const { size } = await file.stat();
      if (size === 0) await remove(part, `${part}.json`);
      const goOn = size > 0 ? `run again to go on after ${size} bytes, or ` : "";
      throw new InputError(`Cannot download ${label}: ${error.message}; ${goOn}${byHand}`);
    }

    const got = sha256 === undefined ? undefined : await hash(file);
    if (got !== sha256?.toLowerCase()) {
      await remove(part, `${part}.json`);
      throw new InputError(
        `Cannot use ${label}: what ${new URL(url).host} sent is not the file that was expected: ` +
          `want SHA-256 ${sha256}, got ${got}; try again, or ${byHand}`,
      );
    }
    await file.sync();
    if (packed) await unpack(part, path, url);
    else await Deno.rename(part, path);
    await remove(`${part}.json`);
  } catch (error) {
    throw writeError(path, error);
  }
  return path;
}

/** Why the file did not come; `retry`: another try may bring it. */
class DownloadError extends Error {
  constructor(message: string, readonly retry = false) {
    super(message);
  }
}

/** Brings the whole file into `file`, in as many tries as bring it forward. */
async function fetchAll(
  url: string,
  file: Deno.FsFile,
  part: string,
  options: DownloadOptions,
): Promise<void> {
  let most = 0;
  for (let tries = 1;; tries++) {
    try {
      if (await fetchRest(url, file, part, options)) return;
    } catch (error) {
      if (!(error instanceof DownloadError && error.retry)) throw error;
      const { size } = await file.stat();
      if (size > most) tries = 0;
      else if (tries >= maxTries) throw error;
      most = Math.max(most, size);
      await new Promise((resolve) => setTimeout(resolve, 100 * tries));
    }
  }
}

/** One request. Returns whether the file is whole; false: what was there is of no use, begin anew. */
async function fetchRest(
  url: string,
  file: Deno.FsFile,
  part: string,
  { label, sha256, timeout = 30_000 }: DownloadOptions,
): Promise<boolean> {
  const known = await readProgress(`${part}.json`);
  let { size: start } = await file.stat();
  // Without a mark for the version, only a checksum can tell whether two halves fit together.
  const isSame = known?.url === url && (known.version !== null || sha256 !== undefined);
  if (!isSame && start > 0) {
    await restart(file);
    start = 0;
  }
  if (start > 0 && start === known?.size) return true;

  const headers: Record<string, string> = { "accept-encoding": "identity" };
  if (start > 0) {
    headers.range = `bytes=${start}-`;
    if (known?.version) headers["if-range"] = known.version;
  }
  const host = new URL(url).host;
  const controller = new AbortController();
  let timer = setTimeout(() => controller.abort(), timeout);
  let isConnected = false;
  let bar: ReturnType<typeof progressBar> | undefined;
  try {
    const response = await fetch(url, { headers, signal: controller.signal });
    if (response.status !== 200 && response.status !== 206) {
      await response.body?.cancel();
      if (response.status === 416 && start > 0) return await restart(file);
      const answer = `${response.status} ${response.statusText}`.trim();
      throw new DownloadError(`${host} answers ${answer}`, response.status >= 500);
    }

    let size: number | null;
    if (response.status === 206 && start > 0) {
      const range = /^bytes (\d+)-\d+\/(\d+)$/.exec(response.headers.get("content-range") ?? "");
      size = Number(range?.[2]);
      if (Number(range?.[1]) !== start || (known?.size && size !== known.size)) {
        await response.body?.cancel();
        return await restart(file);
      }
    } else {
      const length = response.headers.get("content-length");
      const encoded = response.headers.has("content-encoding");
      size = length === null || encoded ? null : Number(length);
      await restart(file);
      start = 0;
    }
    isConnected = true;
    const etag = response.headers.get("etag");
    const version = etag?.startsWith('"') ? etag : response.headers.get("last-modified");
    await Deno.writeTextFile(`${part}.json`, JSON.stringify({ url, version, size }));

    const unit = { name: "MB", size: 1e6 };
    bar = progressBar(size ?? start, start, { label, unit });
    await file.seek(start, Deno.SeekMode.Start);
    let position = start;
    for await (let chunk of response.body ?? []) {
      clearTimeout(timer);
      timer = setTimeout(() => controller.abort(), timeout);
      position += chunk.length;
      while (chunk.length > 0) chunk = chunk.subarray(await file.write(chunk));
      bar?.update(position);
    }
    if (size !== null && position !== size) {
      throw new DownloadError(`${host} sent ${position} of ${size} bytes`, true);
    }
    return true;
  } catch (error) {
    if (controller.signal.aborted) {
      throw new DownloadError(`${host} sent nothing for ${timeout / 1000} seconds`, true);
    }
    // fetch has one kind of error for all that goes wrong underneath.
    if (!(error instanceof TypeError)) throw error;
    const what = isConnected ? `the connection to ${host} broke` : `no connection to ${host}`;
    throw new DownloadError(`${what} (${cause(error)})`, true);
  } finally {
    clearTimeout(timer);
    bar?.stop();
  }
}

/** Throws away what was fetched. */
async function restart(file: Deno.FsFile): Promise<false> {
  await file.truncate(0);
  return false;
}

/** The last, most telling part of the message of a failed fetch. */
function cause(error: Error): string {
  const { message } = error.cause instanceof Error ? error.cause : error;
  return message.split(": ").at(-1)!.replace(/\s+/g, " ");
}

async function hash(file: Deno.FsFile): Promise<string> {
  const hash = createHash("sha256");
  await file.seek(0, Deno.SeekMode.Start);
  const buffer = new Uint8Array(1 << 20);
  for (let n; (n = await file.read(buffer)) !== null;) hash.update(buffer.subarray(0, n));
  return hash.digest("hex");
}

/** Unpacks `part` to `path`; whether it succeeds or not, `part` is of no more use. */
async function unpack(part: string, path: string, url: string): Promise<void> {
  const temporary = `${part}.unpacked`;
  const source = await Deno.open(part);
  try {
    const stream = source.readable.pipeThrough(new DecompressionStream("gzip"));
    await Deno.writeFile(temporary, stream);
    await Deno.rename(temporary, path);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw new InputError(`Cannot unpack ${url}: it is damaged or cut short (${error.message})`);
  } finally {
    await remove(temporary, part, `${part}.json`);
  }
}

async function readProgress(path: string): Promise<Progress | undefined> {
  try {
    return JSON.parse(await Deno.readTextFile(path));
  } catch {
    return undefined; // there is none, or a kill cut it short
  }
}

async function remove(...paths: string[]): Promise<void> {
  for (const path of paths) await Deno.remove(path).catch(() => {});
}

async function exists(path: string): Promise<boolean> {
  try {
    await Deno.stat(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw readError(path, error);
  }
}
