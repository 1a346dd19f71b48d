/**
 * The safetensors format of Hugging Face, read and written:
 *
 *   8 bytes   N, the length of the header, little-endian
 *   N bytes   JSON: {"__metadata__": {"format": "pt"},
 *                    "wte.weight": {"dtype": "F32", "shape": [50257, 768],
 *                                   "data_offsets": [0, 154389504]}, ...}
 *   the rest  the tensors' values, row-major, one after another without gaps
 *
 * A file from elsewhere may be damaged or hostile, so each claim of its header
 * is checked before any value is read.
 *
 * Source: https://huggingface.co/docs/safetensors
 */
import { InputError } from "./errors.ts";
import { readError, writeFileAtomic } from "./files.ts";

/** The names of the element types that are read and written. */
export type Dtype =
  | "F32"
  | "F16"
  | "BF16"
  | "F64"
  | "I64"
  | "I32"
  | "U8"
  | "BOOL";

/** The values of a tensor; BF16, which JavaScript lacks, comes as its bits. */
export type TensorData =
  | Float32Array
  | Float16Array
  | Uint16Array
  | Float64Array
  | BigInt64Array
  | Int32Array
  | Uint8Array;

/** What the header tells of a tensor: `begin` and `end` count from the start of the values. */
export interface TensorInfo {
  dtype: Dtype;
  shape: number[];
  begin: number;
  end: number;
}

/** A checked header. `dataStart` is the place in the file where the values start. */
export interface SafetensorsHeader {
  tensors: Map<string, TensorInfo>;
  metadata: Record<string, string>;
  dataStart: number;
}

/** A tensor in a file: `data` is row-major. */
export interface SafetensorsEntry {
  dtype: Dtype;
  shape: number[];
  data: TensorData;
}

/** A file's contents, in the order of the values in the file. */
export interface Safetensors {
  tensors: Map<string, SafetensorsEntry>;
  metadata: Record<string, string>;
}

const arrayTypes = {
  F32: Float32Array,
  F16: Float16Array,
  BF16: Uint16Array,
  F64: Float64Array,
  I64: BigInt64Array,
  I32: Int32Array,
  U8: Uint8Array,
  BOOL: Uint8Array,
};

/** The format's own limit; it keeps a damaged length from filling the memory. */
const maxHeaderLength = 100_000_000;

// ---- values

/**
 * The values of an entry as float32: F16 and BF16 widened (exactly), F64
 * rounded to the nearest. F32 comes as it is, not as a copy.
 *
 * @throws {TypeError} If the entry holds integers or booleans
 */
export function toFloat32({ dtype, data }: SafetensorsEntry): Float32Array {
  if (dtype === "F32") return data as Float32Array;
  if (dtype === "F16" || dtype === "F64") {
    return new Float32Array(data as Float16Array | Float64Array);
  }
  if (dtype !== "BF16") {
    throw new TypeError(
      `Cannot convert to float32: want F32, F16, BF16 or F64, got ${dtype}`,
    );
  }
  // A bfloat16 is the upper half of a float32.
  const bits = data as Uint16Array;
  const words = new Uint32Array(bits.length);
  for (let i = 0; i < bits.length; i++) words[i] = bits[i] << 16;
  return new Float32Array(words.buffer);
}

/**
 * The values of an entry as int32. I32 comes as it is, not as a copy.
 *
 * @throws {RangeError} If an I64 value does not fit
 * @throws {TypeError} If the entry holds floats
 */
export function toInt32({ dtype, data }: SafetensorsEntry): Int32Array {
  if (dtype === "I32") return data as Int32Array;
  if (dtype === "U8" || dtype === "BOOL") {
    return new Int32Array(data as Uint8Array);
  }
  if (dtype !== "I64") {
    throw new TypeError(
      `Cannot convert to int32: want I64, I32, U8 or BOOL, got ${dtype}`,
    );
  }
  return Int32Array.from(data as BigInt64Array, (value, i) => {
    if (BigInt.asIntN(32, value) !== value) {
      throw new RangeError(
        `Cannot convert to int32: element ${i} is ${value}, outside ` +
          "-2147483648 to 2147483647",
      );
    }
    return Number(value);
  });
}

// ---- reading

/**
 * Reads and checks the header of a safetensors file, not its values.
 *
 * @throws {InputError} If the file cannot be read or is malformed
 */
export async function readSafetensorsHeader(
  path: string,
): Promise<SafetensorsHeader> {
  using reader = await SafetensorsReader.open(path);
  return reader.header;
}

/**
 * Reads a safetensors file whole, into one buffer that the entries share.
 *
 * @throws {InputError} If the file cannot be read or is malformed
 */
export async function readSafetensors(path: string): Promise<Safetensors> {
  using reader = await SafetensorsReader.open(path);
  const { tensors, metadata } = reader.header;
  let size = 0;
  for (const { end } of tensors.values()) size = Math.max(size, end);
  const bytes = await reader.readBytes(0, size);
  return { tensors: entriesOf(tensors, bytes), metadata };
}

/**
 * Reads the bytes of a safetensors file. Entries are views of `bytes` where
 * their place allows it, else copies.
 *
 * @param bytes The file's contents
 * @param name The file's name, for messages
 * @throws {InputError} If the contents are malformed
 */
export function parseSafetensors(bytes: Uint8Array, name: string): Safetensors {
  const dataStart = 8 + headerLength(bytes, bytes.length, name);
  const header = parseHeader(bytes.subarray(8, dataStart), bytes.length, name);
  const { tensors, metadata } = header;
  return { tensors: entriesOf(tensors, bytes.subarray(dataStart)), metadata };
}

/**
 * An open safetensors file, from which single tensors are read. Declare it
 * with `using`, which closes the file at the end of the block.
 */
export class SafetensorsReader {
  private constructor(
    private file: Deno.FsFile,
    private path: string,
    /** The checked header. */
    readonly header: SafetensorsHeader,
  ) {}

  /**
   * Opens a file and checks its header.
   *
   * @throws {InputError} If the file cannot be read or is malformed
   */
  static async open(path: string): Promise<SafetensorsReader> {
    const file = await openFile(path);
    try {
      const { size } = await file.stat();
      const prefix = new Uint8Array(Math.min(8, size));
      await readFull(file, prefix, 0, path);
      const length = headerLength(prefix, size, path);
      const bytes = new Uint8Array(length);
      await readFull(file, bytes, 8, path);
      const header = parseHeader(bytes, size, path);
      return new SafetensorsReader(file, path, header);
    } catch (error) {
      file.close();
      throw error;
    }
  }

  /**
   * Reads one tensor into memory of its own.
   *
   * @throws {InputError} If the file has no tensor of that name or shrinks meanwhile
   */
  async read(name: string): Promise<SafetensorsEntry> {
    const info = this.header.tensors.get(name);
    if (info === undefined) {
      throw new InputError(
        `Cannot read '${this.path}': it has no tensor ${short(name)}`,
      );
    }
    const bytes = await this.readBytes(info.begin, info.end);
    return entry(info, bytes);
  }

  /** Reads the values' bytes from `begin` to `end`, counted as in `data_offsets`, into one new buffer. */
  async readBytes(begin: number, end: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(end - begin);
    await readFull(
      this.file,
      bytes,
      this.header.dataStart + begin,
      this.path,
    );
    return bytes;
  }

  /** Closes the file. */
  [Symbol.dispose](): void {
    this.file.close();
  }
}

async function openFile(path: string): Promise<Deno.FsFile> {
  let file;
  try {
    file = await Deno.open(path);
  } catch (error) {
    throw readError(path, error);
  }
  if ((await file.stat()).isFile) return file;
  file.close();
  throw new InputError(`Cannot read '${path}': it is a folder or a device, not a file`);
}

/** Fills `bytes` from the file; one buffer for all is several times as fast as a whole-file read, which grows its own. */
async function readFull(
  file: Deno.FsFile,
  bytes: Uint8Array,
  position: number,
  path: string,
): Promise<void> {
  await file.seek(position, Deno.SeekMode.Start);
  let n = 0;
  while (n < bytes.length) {
    const count = await file.read(bytes.subarray(n));
    if (count === null) {
      throw new InputError(
        `Cannot read '${path}': it became shorter while it was read: ` +
          `want ${position + bytes.length} bytes, got ${position + n}`,
      );
    }
    n += count;
  }
}

function entriesOf(
  tensors: Map<string, TensorInfo>,
  bytes: Uint8Array,
): Map<string, SafetensorsEntry> {
  const entries = new Map<string, SafetensorsEntry>();
  for (const [name, info] of tensors) {
    entries.set(name, entry(info, bytes.subarray(info.begin, info.end)));
  }
  return entries;
}

function entry({ dtype, shape }: TensorInfo, bytes: Uint8Array) {
  const type = arrayTypes[dtype];
  // A typed array cannot start at an odd place; the format allows it.
  if (bytes.byteOffset % type.BYTES_PER_ELEMENT !== 0) bytes = bytes.slice();
  const length = bytes.length / type.BYTES_PER_ELEMENT;
  const data = new type(bytes.buffer as ArrayBuffer, bytes.byteOffset, length);
  return { dtype, shape, data };
}

// ---- the header

/** Reads the header's length out of the first 8 bytes, and checks it against the file's size. */
function headerLength(start: Uint8Array, size: number, name: string): number {
  const fail = failure(name);
  if (size < 8) {
    fail(`it is no safetensors file: want at least 8 bytes, got ${size}`);
  }
  const view = new DataView(start.buffer, start.byteOffset, 8);
  const length = view.getBigUint64(0, true);
  if (length > maxHeaderLength) {
    fail(
      `it is no safetensors file${resembles(start)}: the first 8 bytes, the ` +
        `header's length, say ${length}, above the limit of ${maxHeaderLength}`,
    );
  }
  if (length > size - 8) {
    fail(
      "it is cut short in its header: want " +
        `${length} bytes of header, got ${size - 8}`,
    );
  }
  return Number(length);
}

/** Says what a file that is often taken for a safetensors file really is. */
function resembles(start: Uint8Array): string {
  const text = String.fromCharCode(...start.subarray(0, 8));
  if (text.startsWith("PK\x03\x04") || text.startsWith("\x80\x02")) {
    return " but PyTorch's own format (convert it in Python with " +
      "safetensors.torch.save_file)";
  }
  if (text.startsWith("version ")) {
    return " but a Git LFS pointer (fetch the file itself)";
  }
  if (/^\s*<(!doc|html)/i.test(text)) return " but a web page";
  return "";
}

/**
 * Checks the JSON text of a header and all that it claims.
 *
 * @param bytes The header without its length
 * @param size The size of the whole file
 */
function parseHeader(
  bytes: Uint8Array,
  size: number,
  name: string,
): SafetensorsHeader {
  const fail = failure(name);
  const header = parseObject(bytes, fail);
  const dataStart = 8 + bytes.length;
  const metadata: Record<string, string> = Object.create(null);
  const infos: [string, TensorInfo][] = [];
  for (const [key, value] of Object.entries(header)) {
    if (!key.isWellFormed()) {
      fail(`the header's name ${short(key)} is no valid Unicode`);
    }
    if (key === "__metadata__") {
      if (!isObject(value)) return fail("__metadata__ must be an object");
      for (const [field, text] of Object.entries(value)) {
        if (typeof text !== "string") {
          return fail(`__metadata__ must hold texts: ${short(field)} is none`);
        }
        metadata[field] = text;
      }
    } else {
      infos.push([key, tensorInfo(value, `tensor ${short(key)}`, fail)]);
    }
  }

  // The tensors must cover the rest of the file: no gaps, no overlaps.
  infos.sort(([, a], [, b]) => a.begin - b.begin || a.end - b.end);
  let end = 0;
  for (const [key, info] of infos) {
    if (info.begin !== end) {
      fail(
        `tensor ${short(key)} ` +
          (info.begin < end ? "overlaps another" : "leaves a gap before it") +
          `: its values start at ${info.begin}, those before it end at ${end}`,
      );
    }
    end = info.end;
  }
  const got = size - dataStart;
  if (got < end) {
    fail(`it is cut short: want ${end} bytes of values, got ${got}`);
  }
  if (got > end) {
    fail(
      `it is too long: ${got - end} bytes follow the ${end} bytes of values`,
    );
  }
  return { tensors: new Map(infos), metadata, dataStart };
}

/** Parses the header's JSON, which must be an object; numbers that are not written as plain integers become NaN. */
function parseObject(bytes: Uint8Array, fail: Fail): Record<string, unknown> {
  let text;
  try {
    // With ignoreBOM the mark stays in the text, and JSON refuses it.
    const options = { fatal: true, ignoreBOM: true };
    text = new TextDecoder("utf-8", options).decode(bytes);
  } catch {
    return fail("the header is no valid UTF-8");
  }
  let value: unknown;
  try {
    value = JSON.parse(text, integersOnly);
  } catch (error) {
    if (error instanceof RangeError) {
      fail("the header is nested too deeply");
    }
    // deno-lint-ignore no-control-regex
    const reason = (error as Error).message.replace(/[\x00-\x1f]+/g, " ");
    fail(`the header is no valid JSON (${bytes.length} bytes): ${reason}`);
  }
  if (!isObject(value)) return fail("the header must be a JSON object");
  const duplicate = duplicateName(text);
  if (duplicate !== undefined) {
    fail(`the header has the name ${short(duplicate)} twice`);
  }
  return value;
}

/** A reviver for JSON.parse, which would read 1e3, 1.0 and -0 as integers. */
function integersOnly(
  _key: string,
  value: unknown,
  context?: { source?: string },
): unknown {
  if (typeof value !== "number") return value;
  return /^(0|[1-9]\d*)$/.test(context?.source ?? "") ? value : NaN;
}

/** Finds a name that is twice in one object of a valid JSON text; JSON.parse keeps the last and says nothing. */
function duplicateName(text: string): string | undefined {
  const open: Set<string>[] = []; // the names of each object that is open
  for (let i = 0; i < text.length; i++) {
    const c = text[i];
    if (c === "{" || c === "[") open.push(new Set());
    else if (c === "}" || c === "]") open.pop();
    else if (c === '"') {
      const start = i++;
      for (; text[i] !== '"'; i++) if (text[i] === "\\") i++;
      let next = i + 1;
      while (" \t\n\r".includes(text[next])) next++;
      if (text[next] !== ":") continue; // a value, not a name
      const name = JSON.parse(text.slice(start, i + 1));
      const names = open[open.length - 1];
      if (names.has(name)) return name;
      names.add(name);
    }
  }
}

/** Checks what the header says of one tensor, `what`. */
function tensorInfo(value: unknown, what: string, fail: Fail): TensorInfo {
  if (!isObject(value)) return fail(`${what} must be an object`);
  for (const field of ["dtype", "shape", "data_offsets"]) {
    if (!Object.hasOwn(value, field)) fail(`${what} has no ${field}`);
  }
  const { dtype, shape, data_offsets } = value;
  if (typeof dtype !== "string" || !Object.hasOwn(arrayTypes, dtype)) {
    return fail(
      `${what} has dtype ${short(dtype)}: want one of ` +
        Object.keys(arrayTypes).join(", "),
    );
  }
  if (!isIntegers(shape)) {
    return fail(
      `${what} has shape ${short(shape)}: want a list of integers from 0 to ` +
        "2^53 - 1",
    );
  }
  if (!isIntegers(data_offsets) || data_offsets.length !== 2) {
    return fail(
      `${what} has data_offsets ${short(data_offsets)}: want two integers ` +
        "from 0 to 2^53 - 1",
    );
  }
  const [begin, end] = data_offsets;
  if (begin > end) {
    fail(`${what} has data_offsets ${short(data_offsets)}: want begin <= end`);
  }
  let size = arrayTypes[dtype as Dtype].BYTES_PER_ELEMENT;
  for (const n of shape) {
    size *= n;
    if (!Number.isSafeInteger(size)) {
      fail(`${what} has shape ${short(shape)}, too large for any file`);
    }
  }
  if (size !== end - begin) {
    fail(
      `${what} has ${end - begin} bytes, but ${dtype} of shape ` +
        `${short(shape)} takes ${size}`,
    );
  }
  return { dtype: dtype as Dtype, shape, begin, end };
}

type Fail = (reason: string) => never;

function failure(name: string): Fail {
  return (reason) => {
    throw new InputError(`Cannot read '${name}': ${reason}`);
  };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isIntegers(value: unknown): value is number[] {
  return Array.isArray(value) && value.every(Number.isSafeInteger);
}

/** A name or a value for a message: as JSON, so on one line, and not endless. */
function short(value: unknown): string {
  const text = JSON.stringify(value);
  return text.length > 100 ? text.slice(0, 97) + "..." : text;
}

// ---- writing

/**
 * Writes a safetensors file, atomically. Tensors with wider elements come
 * first, otherwise in the order given, so that each starts at a multiple of
 * its element's size; the header is padded to a multiple of 8 bytes.
 *
 * @param path The file
 * @param tensors Entries by name
 * @param metadata Texts by name
 * @throws {TypeError} If an entry's data do not fit its dtype and shape, or a name is no valid Unicode or "__metadata__"
 */
export async function writeSafetensors(
  path: string,
  tensors: Map<string, SafetensorsEntry> | Record<string, SafetensorsEntry>,
  metadata: Record<string, string> = {},
): Promise<void> {
  const width = ({ dtype }: SafetensorsEntry) => arrayTypes[dtype].BYTES_PER_ELEMENT;
  const entries = tensors instanceof Map ? [...tensors] : Object.entries(tensors);
  for (const [name, entry] of entries) checkEntry(name, entry);
  entries.sort(([, a], [, b]) => width(b) - width(a));

  // fromEntries, since assignment would lose a tensor named "__proto__".
  let end = 0;
  const fields = entries.map(([name, { dtype, shape, data }]) => {
    const begin = end;
    end += data.byteLength;
    return [name, { dtype, shape, data_offsets: [begin, end] }] as const;
  });
  const header = Object.fromEntries<unknown>(fields);
  const all = Object.keys(metadata).length === 0 ? header : { __metadata__: metadata, ...header };
  let json = new TextEncoder().encode(JSON.stringify(all));
  if (json.length % 8 !== 0) {
    const padded = new Uint8Array(Math.ceil(json.length / 8) * 8).fill(0x20);
    padded.set(json);
    json = padded;
  }
  const length = new Uint8Array(8);
  new DataView(length.buffer).setBigUint64(0, BigInt(json.length), true);
  const values = entries.map(([, { data }]) =>
    new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
  );
  await writeFileAtomic(path, [length, json, ...values]);
}

function checkEntry(name: string, { dtype, shape, data }: SafetensorsEntry) {
  if (name === "__metadata__" || !name.isWellFormed()) {
    throw new TypeError(
      `Cannot write a tensor of the name ${short(name)}: choose another name`,
    );
  }
  const size = shape.reduce((product, n) => product * n, 1);
  if (!(data instanceof arrayTypes[dtype]) || data.length !== size) {
    throw new TypeError(
      `Cannot write tensor ${short(name)}: ${dtype} of shape ` +
        `${short(shape)} takes ${arrayTypes[dtype].name} of length ${size}, ` +
        `got ${data.constructor.name} of length ${data.length}`,
    );
  }
}
