/** The header of a safetensors file: reading its JSON and checking each of its claims. */
import { InputError } from "../io/errors.ts";

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

/** The typed array that holds the values of each element type. */
export const arrayTypes = {
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

/** Reads the header's length out of the first 8 bytes, and checks it against the file's size. */
export function headerLength(start: Uint8Array, size: number, name: string): number {
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
export function parseHeader(
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
export function short(value: unknown): string {
  const text = JSON.stringify(value);
  return text.length > 100 ? text.slice(0, 97) + "..." : text;
}
