/** Reads pickles of plain data: a machine with a stack, whose operations are one byte each. */

/** What can be read. A number is a float or an integer that float64 holds exactly; a tuple becomes a list. */
export type Plain = null | boolean | number | string | Plain[] | Map<number | string, Plain>;

/** The type of a NumPy number, such as "i8", and the order of its bytes. */
class DType {
  littleEndian = true;
  constructor(readonly code: string) {}
}

/** A Python function or class, by its full name. */
class Global {
  constructor(readonly name: string) {}
}

/** What may stand on the stack. */
type Value = Plain | Uint8Array | DType | Global | Value[];

// A list or dictionary takes a byte in the file and hundreds in memory, so that they are counted.
const MOST_CONTAINERS = 100_000, MOST_ON_STACK = 1_000_000;

/** Why the byte that is read cannot be of a pickle of plain data. */
class Refusal extends Error {}

/**
 * Reads a pickle of any protocol, 0 to 5, that holds plain data; the integers, floats and truth
 * values of NumPy count as such. It takes at most some 64 times the memory of `bytes`.
 *
 * @throws {SyntaxError} If it holds something else, ends too early or goes on behind its end
 */
export function readPickle(bytes: Uint8Array): Plain {
  const machine = new Machine(bytes);
  try {
    return machine.run();
  } catch (error) {
    const why = error instanceof Refusal ? ` (${error.message})` : "";
    throw new SyntaxError(
      "Want a pickle of dictionaries, lists, numbers and texts: " +
        `byte ${machine.place} is not of one${why}`,
    );
  }
}

function refuse(reason: string): never {
  throw new Refusal(reason);
}

class Machine {
  /** Where the operation that is being carried out begins. */
  place = 0;
  private at = 0;
  private view: DataView;
  private stack: Value[] = [];
  private marks: number[] = [];
  private memo = new Map<number, Value>();
  private containers = 0;

  constructor(private bytes: Uint8Array) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  run(): Plain {
    for (;;) {
      this.place = this.at;
      const code = this.unsigned(1);
      if (code === STOP) break;
      const operation = OPERATIONS[code] ?? refuse(`unknown operation ${code}`);
      operation(this);
      if (this.stack.length + this.marks.length > MOST_ON_STACK) refuse("too many values");
    }
    if (this.stack.length !== 1) refuse("want one value at the end");
    if (this.at !== this.bytes.length) refuse("there is more behind the end");
    return plain(this.stack[0]);
  }

  unsigned(size: 1 | 2 | 4 | 8): number {
    const start = this.at;
    this.take(size);
    if (size === 1) return this.view.getUint8(start);
    if (size === 2) return this.view.getUint16(start, true);
    if (size === 4) return this.view.getUint32(start, true);
    return Number(this.view.getBigUint64(start, true));
  }

  take(length: number): Uint8Array {
    if (length > this.bytes.length - this.at) refuse("it ends too early");
    return this.bytes.subarray(this.at, this.at += length);
  }

  text(length: number): string {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(this.take(length));
  }

  /** The rest of the line in Latin-1, without its end. */
  line(): string {
    const end = this.bytes.indexOf(0x0a, this.at);
    if (end < 0) refuse("it ends too early");
    const line = this.take(end - this.at);
    this.at++;
    let text = "";
    for (const byte of line) text += String.fromCharCode(byte);
    return text;
  }

  /** The integer in the rest of the line. */
  integer(): number {
    const line = this.line();
    return /^[+-]?\d+L?$/.test(line) ? exact(Number(line.replace("L", ""))) : refuse("no integer");
  }

  push(value: Value): void {
    this.stack.push(value);
  }

  pop(): Value {
    return this.stack.length > 0 ? this.stack.pop()! : refuse("there is no value");
  }

  mark(): void {
    this.marks.push(this.stack.length);
  }

  /** The values above the last mark. */
  popMarked(): Value[] {
    return this.stack.splice(this.marks.pop() ?? refuse("there is no mark"));
  }

  popLast(count: number): Value[] {
    return Array.from({ length: count }, () => this.pop()).reverse();
  }

  container<T extends Value[] | Map<number | string, Plain>>(value: T): void {
    if (++this.containers > MOST_CONTAINERS) refuse("too many lists and dictionaries");
    this.push(value);
  }

  append(items: Value[]): void {
    const list = this.stack.at(-1);
    if (!Array.isArray(list)) refuse("want a list");
    for (const item of items) (list as Value[]).push(item);
  }

  setItems(items: Value[]): void {
    const target = this.stack.at(-1);
    if (!(target instanceof Map) || items.length % 2 !== 0) refuse("want a dictionary");
    for (let i = 0; i < items.length; i += 2) {
      const key = items[i];
      if (typeof key !== "string" && typeof key !== "number") {
        refuse("want texts or numbers as keys");
      }
      target.set(key, items[i + 1] as Plain); // checked at the end
    }
  }

  dictionary(): void {
    const items = this.popMarked();
    this.container(new Map());
    this.setItems(items);
  }

  /** Remembers the uppermost value, by default under the next number. */
  memoize(index = this.memo.size): void {
    this.memo.set(index, this.stack.at(-1) ?? refuse("there is no value"));
  }

  recall(index: number): void {
    if (!this.memo.has(index)) refuse("there is no such value");
    this.push(this.memo.get(index)!);
  }

  /** Calls one of the few functions that NumPy's numbers need. */
  reduce(): void {
    const [f, args] = this.popLast(2);
    if (!(f instanceof Global && Array.isArray(args))) refuse("no function of plain data");
    const [first, second] = args;
    if (f.name === "numpy.dtype" && typeof first === "string") {
      this.push(new DType(first));
    } else if (f.name === "_codecs.encode" && typeof first === "string" && second === "latin1") {
      this.push(Uint8Array.from(first, (char) => char.charCodeAt(0)));
    } else if (/^numpy\._?core\.multiarray\.scalar$/.test(f.name)) {
      if (!(first instanceof DType && second instanceof Uint8Array)) refuse("no number of NumPy");
      this.push(number(first, second));
    } else refuse(`it calls for ${f.name.slice(0, 60)}`);
  }

  /** Says the order of a NumPy number's bytes. */
  build(): void {
    const [target, state] = this.popLast(2);
    if (!(target instanceof DType && Array.isArray(state))) refuse("no plain data");
    target.littleEndian = state[1] !== ">";
    this.push(target);
  }
}

const STOP = 0x2e;

/** The operations by their bytes (Python's Lib/pickletools.py lists them). */
const OPERATIONS: Record<number, (m: Machine) => void> = {
  0x80: (m) => m.unsigned(1) > 5 && refuse("it is of a protocol above 5"), // PROTO
  0x95: (m) => m.unsigned(8), // FRAME
  0x28: (m) => m.mark(), // MARK
  0x4e: (m) => m.push(null), // NONE
  0x88: (m) => m.push(true), // NEWTRUE
  0x89: (m) => m.push(false), // NEWFALSE
  0x49: (m) => { // INT, which protocol 0 and 1 write for truth values, too
    const line = m.line();
    if (line === "00" || line === "01") m.push(line === "01");
    else m.push(/^[+-]?\d+$/.test(line) ? exact(Number(line)) : refuse("no integer"));
  },
  0x4c: (m) => m.push(m.integer()), // LONG
  0x4a: (m) => m.push(m.unsigned(4) | 0), // BININT
  0x4b: (m) => m.push(m.unsigned(1)), // BININT1
  0x4d: (m) => m.push(m.unsigned(2)), // BININT2
  0x8a: (m) => m.push(long(m.take(m.unsigned(1)))), // LONG1
  0x8b: (m) => m.push(long(m.take(m.unsigned(4)))), // LONG4
  0x46: (m) => m.push(float(m.line())), // FLOAT
  0x47: (m) => m.push(number(BIG_FLOAT64, m.take(8))), // BINFLOAT
  0x56: (m) => m.push(unescape(m.line())), // UNICODE
  0x8c: (m) => m.push(m.text(m.unsigned(1))), // SHORT_BINUNICODE
  0x58: (m) => m.push(m.text(m.unsigned(4))), // BINUNICODE
  0x8d: (m) => m.push(m.text(m.unsigned(8))), // BINUNICODE8
  0x43: (m) => m.push(m.take(m.unsigned(1))), // SHORT_BINBYTES
  0x42: (m) => m.push(m.take(m.unsigned(4))), // BINBYTES
  0x5d: (m) => m.container([]), // EMPTY_LIST
  0x6c: (m) => m.container(m.popMarked()), // LIST
  0x61: (m) => m.append(m.popLast(1)), // APPEND
  0x65: (m) => m.append(m.popMarked()), // APPENDS
  0x29: (m) => m.container([]), // EMPTY_TUPLE
  0x74: (m) => m.container(m.popMarked()), // TUPLE
  0x85: (m) => m.container(m.popLast(1)), // TUPLE1
  0x86: (m) => m.container(m.popLast(2)), // TUPLE2
  0x87: (m) => m.container(m.popLast(3)), // TUPLE3
  0x7d: (m) => m.container(new Map()), // EMPTY_DICT
  0x64: (m) => m.dictionary(), // DICT
  0x73: (m) => m.setItems(m.popLast(2)), // SETITEM
  0x75: (m) => m.setItems(m.popMarked()), // SETITEMS
  0x70: (m) => m.memoize(m.integer()), // PUT
  0x71: (m) => m.memoize(m.unsigned(1)), // BINPUT
  0x72: (m) => m.memoize(m.unsigned(4)), // LONG_BINPUT
  0x94: (m) => m.memoize(), // MEMOIZE
  0x67: (m) => m.recall(m.integer()), // GET
  0x68: (m) => m.recall(m.unsigned(1)), // BINGET
  0x6a: (m) => m.recall(m.unsigned(4)), // LONG_BINGET
  0x63: (m) => m.push(new Global(`${m.line()}.${m.line()}`)), // GLOBAL
  0x93: (m) => m.push(new Global(m.popLast(2).join("."))), // STACK_GLOBAL
  0x52: (m) => m.reduce(), // REDUCE
  0x62: (m) => m.build(), // BUILD
};

/** Refuses an integer that float64 cannot hold. */
function exact(value: number): number {
  return Number.isSafeInteger(value) ? value : refuse("an integer beyond 2^53");
}

/** An integer in two's complement, lowest byte first. */
function long(bytes: Uint8Array): number {
  if (bytes.length > 8) refuse("an integer beyond 2^53");
  let value = 0n;
  bytes.forEach((byte, i) => value |= BigInt(byte) << BigInt(8 * i));
  return exact(Number(BigInt.asIntN(8 * bytes.length, value)));
}

function float(text: string): number {
  if (/^[+-]?\d+(\.\d*)?(e[+-]?\d+)?$/i.test(text)) return Number(text);
  const special: Record<string, number> = { inf: Infinity, "-inf": -Infinity, nan: NaN };
  return special[text] ?? refuse("no float");
}

/** A text of protocol 0: Latin-1, with \uXXXX and \UXXXXXXXX for other characters. */
function unescape(text: string): string {
  return text.replace(
    /\\u([0-9a-f]{4})|\\U([0-9a-f]{8})/gi,
    (_, short, long) => String.fromCodePoint(parseInt(short ?? long, 16)),
  );
}

const BIG_FLOAT64 = Object.assign(new DType("f8"), { littleEndian: false });

/** A number from its bytes. */
function number({ code, littleEndian }: DType, bytes: Uint8Array): number | boolean {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const readers: Record<string, () => number | bigint | boolean> = {
    b1: () => view.getUint8(0) !== 0,
    i1: () => view.getInt8(0),
    u1: () => view.getUint8(0),
    i2: () => view.getInt16(0, littleEndian),
    u2: () => view.getUint16(0, littleEndian),
    i4: () => view.getInt32(0, littleEndian),
    u4: () => view.getUint32(0, littleEndian),
    i8: () => view.getBigInt64(0, littleEndian),
    u8: () => view.getBigUint64(0, littleEndian),
    f4: () => view.getFloat32(0, littleEndian),
    f8: () => view.getFloat64(0, littleEndian),
  };
  if (!Object.hasOwn(readers, code) || bytes.length !== Number(code[1])) {
    refuse("no number of NumPy");
  }
  const value = readers[code]();
  return typeof value === "bigint" ? exact(Number(value)) : value;
}

/** Demands that a value is plain, and that no list or dictionary holds itself. */
function plain(value: Value, above = new Set<unknown>(), done = new Set<unknown>()): Plain {
  if (value === null || typeof value !== "object") return value;
  if (!Array.isArray(value) && !(value instanceof Map)) refuse("it holds what is no plain data");
  if (above.has(value)) refuse("a list or dictionary holds itself");
  if (done.has(value)) return value as Plain;
  above.add(value);
  for (const item of value.values()) plain(item as Value, above, done);
  above.delete(value);
  done.add(value);
  return value as Plain;
}
