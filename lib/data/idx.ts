/**
 * The IDX format of the MNIST files: two zero bytes, a byte for the type, a byte for the rank, the
 * size of each dimension (32 bits, big-endian), then the values in row-major order (big-endian).
 */
import { InputError } from "../io/errors.ts";
import { readBytes } from "../io/files.ts";
import type { HostTensor } from "./dataset.ts";

/** Per type's byte: its size, the array that holds it, and the read of one value. */
const types = {
  0x08: { size: 1, array: Uint8Array, read: (v: DataView, at: number) => v.getUint8(at) },
  0x09: { size: 1, array: Int32Array, read: (v: DataView, at: number) => v.getInt8(at) },
  0x0b: { size: 2, array: Int32Array, read: (v: DataView, at: number) => v.getInt16(at) },
  0x0c: { size: 4, array: Int32Array, read: (v: DataView, at: number) => v.getInt32(at) },
  0x0d: { size: 4, array: Float32Array, read: (v: DataView, at: number) => v.getFloat32(at) },
  0x0e: { size: 8, array: Float32Array, read: (v: DataView, at: number) => v.getFloat64(at) },
};

/**
 * Reads an IDX file; one that gzip compressed, whatever its name, is unpacked.
 *
 * @param path The file
 * @param rank The number of dimensions that it must have: 3 for MNIST's images, 1 for its labels
 * @returns Its values and shape; bytes stay bytes, doubles are rounded to float32
 * @throws {InputError} If the file cannot be read, is no IDX file, is cut short or too long
 */
export async function readIDX(path: string, rank?: number): Promise<HostTensor> {
  let bytes = await readBytes(path);
  if (bytes[0] === 0x1f && bytes[1] === 0x8b) bytes = await gunzip(bytes, path);
  return parseIDX(bytes, path, rank);
}

/**
 * Reads the bytes of an IDX file, as `readIDX` does.
 *
 * @param name The file's name, for messages
 * @throws {InputError} If the bytes are no IDX file, or too few or too many
 */
export function parseIDX(bytes: Uint8Array, name: string, rank?: number): HostTensor {
  const fail = (reason: string): never => {
    throw new InputError(`Cannot read '${name}': ${reason}`);
  };
  const hex = Array.from(bytes.subarray(0, 4), (b) => b.toString(16).padStart(2, "0")).join(" ");
  const type = types[bytes[2] as keyof typeof types];
  if (bytes.length < 4) fail(`it is no IDX file: want at least 4 bytes, got ${bytes.length}`);
  if (bytes[0] !== 0 || bytes[1] !== 0 || type === undefined) {
    fail(`it is no IDX file: want 00 00, a type from 08 to 0e and a rank first, got ${hex}`);
  }
  const dims = bytes[3];
  if (dims === 0 || (rank !== undefined && dims !== rank)) {
    fail(`want an IDX file of ${rank ?? "1 or more"} dimensions, got ${dims} (it starts ${hex})`);
  }
  const start = 4 + 4 * dims;
  if (bytes.length < start) {
    fail(`it is cut short in its header: want ${start} bytes, got ${bytes.length}`);
  }

  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const shape = Array.from({ length: dims }, (_, i) => view.getUint32(4 + 4 * i));
  const length = shape.reduce((product, n) => product * n, 1);
  const want = start + length * type.size;
  if (bytes.length !== want) {
    fail(
      `it is ${bytes.length < want ? "cut short" : "too long"}: shape (${shape.join(", ")}) ` +
        `takes ${want} bytes, got ${bytes.length}`,
    );
  }
  if (type.array === Uint8Array) return { data: bytes.subarray(start), shape };
  const data = new type.array(length);
  for (let i = 0; i < length; i++) data[i] = type.read(view, start + i * type.size);
  return { data, shape };
}

/** What gzip unpacks may be so many times as large as the file: real data stay far below. */
const MOST_TIMES = 100;

/**
 * Unpacks what gzip compressed. It takes up to 200 times the memory of `bytes`: the parts of the
 * result, and the whole.
 *
 * @param name The file's name, for messages
 * @throws {InputError} If the bytes are damaged or cut short, or unpack to more than 100 times as many
 */
export async function gunzip(
  bytes: Uint8Array<ArrayBuffer>,
  name: string,
): Promise<Uint8Array<ArrayBuffer>> {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  const parts: Uint8Array<ArrayBuffer>[] = [];
  let size = 0;
  try {
    for await (const part of stream) {
      size += part.length;
      if (size > MOST_TIMES * bytes.length) {
        throw new InputError(
          `Cannot unpack '${name}': its ${bytes.length} bytes become more than ${MOST_TIMES} times as many`,
        );
      }
      parts.push(part);
    }
    return await new Blob(parts).bytes();
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw new InputError(`Cannot unpack '${name}': it is damaged or cut short (${error.message})`);
  }
}
