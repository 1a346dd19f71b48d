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
import { InputError } from "../io/errors.ts";
import { readError, writeFileAtomic } from "../io/files.ts";
import {
  arrayTypes,
  type Dtype,
  headerLength,
  parseHeader,
  type SafetensorsHeader,
  short,
  type TensorInfo,
} from "./header.ts";

export type { Dtype, SafetensorsHeader, TensorInfo } from "./header.ts";

/** The values of a tensor; BF16, which JavaScript lacks, comes as its bits. */
export type TensorData =
  | Float32Array
  | Float16Array
  | Uint16Array
  | Float64Array
  | BigInt64Array
  | Int32Array
  | Uint8Array;

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
