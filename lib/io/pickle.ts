/**
 * Python's pickle format, as far as plain data need it: dictionaries, whole numbers and texts, such as the meta.pkl
 * beside nanoGPT's data. Nothing in a file can run code: what is not plain data is refused.
 */

/** What can be read and written. */
export type Plain = number | string | Map<number | string, Plain>;

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

/**
 * Reads a pickle of any protocol from 2 on that holds plain data.
 *
 * @throws {SyntaxError} If it holds something else or ends too early
 */
export function readPickle(bytes: Uint8Array): Plain {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  const stack: Plain[] = [];
  const marks: number[] = [];
  const memo = new Map<number, Plain>();
  let at = 0;
  const unsigned = (size: 1 | 2 | 4 | 8): number => {
    const start = at;
    at += size;
    if (size === 1) return view.getUint8(start);
    if (size === 2) return view.getUint16(start, true);
    return size === 4 ? view.getUint32(start, true) : Number(view.getBigUint64(start, true));
  };
  const text = (length: number): string => {
    if (at + length > bytes.length) throw new RangeError();
    return decoder.decode(bytes.subarray(at, at += length));
  };
  const setItems = (start: number) => {
    const items = stack.splice(start);
    const target = stack.at(-1);
    if (!(target instanceof Map) || items.length % 2 !== 0) throw new RangeError();
    for (let i = 0; i < items.length; i += 2) {
      const key = items[i];
      if (key instanceof Map) throw new RangeError();
      target.set(key, items[i + 1]);
    }
  };
  const recall = (index: number): Plain => {
    if (!memo.has(index)) throw new RangeError();
    return memo.get(index)!;
  };
  const memoize = (index: number) => {
    if (stack.length === 0) throw new RangeError();
    memo.set(index, stack.at(-1)!);
  };
  const operations: Record<number, () => void> = {
    0x80: () => unsigned(1), // PROTO
    0x95: () => unsigned(8), // FRAME
    0x7d: () => stack.push(new Map()), // EMPTY_DICT
    0x28: () => marks.push(stack.length), // MARK
    0x4b: () => stack.push(unsigned(1)), // BININT1
    0x4d: () => stack.push(unsigned(2)), // BININT2
    0x4a: () => stack.push(unsigned(4) | 0), // BININT
    0x8c: () => stack.push(text(unsigned(1))), // SHORT_BINUNICODE
    0x58: () => stack.push(text(unsigned(4))), // BINUNICODE
    0x94: () => memoize(memo.size), // MEMOIZE
    0x71: () => memoize(unsigned(1)), // BINPUT
    0x72: () => memoize(unsigned(4)), // LONG_BINPUT
    0x68: () => stack.push(recall(unsigned(1))), // BINGET
    0x6a: () => stack.push(recall(unsigned(4))), // LONG_BINGET
    0x73: () => setItems(stack.length - 2), // SETITEM
    0x75: () => setItems(marks.pop() ?? -1), // SETITEMS
  };
  const STOP = 0x2e;
  let place = 0;
  try {
    for (;;) {
      place = at;
      const code = unsigned(1);
      if (code === STOP && stack.length === 1) return stack[0];
      operations[code]();
    }
  } catch {
    throw new SyntaxError(
      `Want a pickle of dictionaries, whole numbers and texts: byte ${place} is not of one`,
    );
  }
}
