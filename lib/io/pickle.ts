/**
 * Python's pickle format, as far as plain data need it: dictionaries, lists, numbers, texts, truth
 * values and None, such as the meta.pkl beside nanoGPT's data. Nothing in a file can run code: what
 * is not plain data is refused. unpickle.ts reads; this file is the door and writes.
 */

import type { Plain } from "./unpickle.ts";

export { type Plain, readPickle } from "./unpickle.ts";

const ENCODER = new TextEncoder();

/**
 * Writes a value as a pickle of protocol 2, which every Python 3 reads.
 *
 * @throws {RangeError} If a number is not a whole one of 32 bits
 */
export function writePickle(value: Plain): Uint8Array<ArrayBuffer> {
  const bytes: number[] = [0x80, 2]; // PROTO 2
  const int32 = (x: number) => [x & 255, x >> 8 & 255, x >> 16 & 255, x >> 24 & 255];
  const write = (value: Plain) => {
    if (typeof value === "number") {
      if (value !== (value | 0)) {
        throw new RangeError(`Cannot pickle ${value}: it must be a whole number of 32 bits`);
      }
      bytes.push(0x4a, ...int32(value)); // BININT
    } else if (typeof value === "string") {
      const text = ENCODER.encode(value);
      bytes.push(0x58, ...int32(text.length)); // BINUNICODE
      for (const byte of text) bytes.push(byte);
    } else if (value === null || typeof value === "boolean") {
      bytes.push(value === null ? 0x4e : value ? 0x88 : 0x89); // NONE, NEWTRUE, NEWFALSE
    } else if (Array.isArray(value)) {
      bytes.push(0x5d, 0x28); // EMPTY_LIST, MARK
      value.forEach(write);
      bytes.push(0x65); // APPENDS
    } else {
      bytes.push(0x7d, 0x28); // EMPTY_DICT, MARK
      for (const [key, item] of value) {
        write(key);
        write(item);
      }
      bytes.push(0x75); // SETITEMS
    }
  };
  write(value);
  bytes.push(0x2e); // STOP
  return Uint8Array.from(bytes);
}
