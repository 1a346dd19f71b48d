import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import * as tf from "@tensorflow/tfjs";
import {
  type Dtype,
  loadCheckpoint,
  parseSafetensors,
  readSafetensors,
  readSafetensorsHeader,
  type SafetensorsEntry,
  saveCheckpoint,
  toFloat32,
  toInt32,
  writeSafetensors,
} from "lib/weights/checkpoint.ts";
import { startDevice } from "lib/device.ts";
import { InputError } from "lib/io/errors.ts";

const encoder = new TextEncoder();

/** Bytes of a safetensors file: the header's text, the values (or how many zeros), and the length to claim. */
function file(
  header: string | Uint8Array,
  values: Uint8Array | number = 0,
  length?: bigint,
): Uint8Array {
  const text = typeof header === "string" ? encoder.encode(header) : header;
  const data = typeof values === "number" ? new Uint8Array(values) : values;
  const bytes = new Uint8Array(8 + text.length + data.length);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, length ?? BigInt(text.length), true);
  bytes.set(text, 8);
  bytes.set(data, 8 + text.length);
  return bytes;
}

/** One tensor "a" with these fields over those of a good F32 of shape [2]. */
function one(fields: Record<string, unknown>, values = 8): Uint8Array {
  const good = { dtype: "F32", shape: [2], data_offsets: [0, 8] };
  return file(JSON.stringify({ a: { ...good, ...fields } }), values);
}

/** Several U8 tensors with these offsets. */
function spans(offsets: number[][], values: number): Uint8Array {
  const infos = offsets.map((data_offsets, i) => [
    `t${i}`,
    { dtype: "U8", shape: [data_offsets[1] - data_offsets[0]], data_offsets },
  ]);
  return file(JSON.stringify(Object.fromEntries(infos)), values);
}

const a = '"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}';
const info = '{"dtype":"F32","shape":[2],"data_offsets":[0,8]}';
const raw = (fields: string) => file(`{"a":{${fields}}}`, 8);
const latin = (text: string) => Uint8Array.from(text, (c) => c.codePointAt(0)! & 255);

/** Each malformed file with a part of the message that must name its fault. */
const malformed: [string, Uint8Array, string][] = [
  // ---- the length of the header
  ["an empty file", new Uint8Array(0), "want at least 8 bytes, got 0"],
  ["one byte", new Uint8Array(1), "want at least 8 bytes, got 1"],
  ["seven bytes", new Uint8Array(7), "want at least 8 bytes, got 7"],
  ["a length alone", file("", 0, 2n), "want 2 bytes of header, got 0"],
  ["a header of no bytes", file("", 0), "no valid JSON (0 bytes)"],
  ["values after no header", file("", 5, 0n), "no valid JSON (0 bytes)"],
  [
    "a length one too long",
    file("{}", 0, 3n),
    "want 3 bytes of header, got 2",
  ],
  [
    "a length of the whole file",
    file("{}", 0, 10n),
    "want 10 bytes of header, got 2",
  ],
  [
    "a length at the limit",
    file("{}", 0, 100_000_000n),
    "want 100000000 bytes of header, got 2",
  ],
  [
    "a length above the limit",
    file("{}", 0, 100_000_001n),
    "100000001, above the limit of 100000000",
  ],
  ["a length of 2^32", file("{}", 0, 2n ** 32n), "4294967296, above"],
  [
    "a length that a double rounds to 2^53",
    file("{}", 0, 2n ** 53n + 1n),
    "9007199254740993, above",
  ],
  [
    "a length that is -1 when signed",
    file("{}", 0, 2n ** 64n - 1n),
    "18446744073709551615, above",
  ],
  ["a length in big-endian", file("{}", 0, 2n << 56n), "144115188075855872"],
  // ---- files of another kind
  [
    "a PyTorch file",
    latin("PK\x03\x04\x00\x00\x08\x08\x00\x00archive/data.pkl"),
    "safetensors.torch.save_file",
  ],
  ["an older PyTorch file", latin("\x80\x02\x8a\nl\xfc\x9cF\xf9"), "PyTorch's"],
  [
    "a Git LFS pointer",
    latin("version https://git-lfs.github.com/spec/v1\n"),
    "Git LFS pointer",
  ],
  ["a web page", latin("<!DOCTYPE html><html></html>"), "a web page"],
  // ---- JSON
  ["no JSON", file("hello"), "no valid JSON (5 bytes)"],
  ["JSON cut short", file(`{${a}`, 8), "no valid JSON"],
  ["text after the JSON", file("{}x"), "no valid JSON (3 bytes)"],
  ["two JSON texts", file("{}{}"), "no valid JSON (4 bytes)"],
  ["a NUL after the JSON", file("{}\0\0\0"), "no valid JSON (5 bytes)"],
  ["a comma too many", file(`{${a},}`, 8), "no valid JSON"],
  ["single quotes", file("{'a':1}"), "no valid JSON (7 bytes)"],
  ["a comment", file("{/* none */}"), "no valid JSON (12 bytes)"],
  ["a byte-order mark", file("\ufeff{}   "), "no valid JSON (8 bytes)"],
  ["a line break in a name", file('{"a\nb":1}'), "no valid JSON (9 bytes)"],
  ["a bad escape", file('{"\\x41":1}'), "no valid JSON (10 bytes)"],
  ["a list", file("[]"), "must be a JSON object"],
  ["null", file("null"), "must be a JSON object"],
  ["a number", file("1"), "must be a JSON object"],
  ["a text", file('"{}"'), "must be a JSON object"],
  [
    "lists in lists in lists",
    file('{"a":' + "[".repeat(200_000) + "]".repeat(200_000) + "}"),
    "nested too deeply",
  ],
  [
    "bytes that are no UTF-8",
    file(latin(`{"\xff":${info}}`), 8),
    "no valid UTF-8",
  ],
  ["UTF-8 cut short", file(latin('{"\xe2\x82":1}')), "no valid UTF-8"],
  [
    "UTF-8 of a surrogate",
    file(latin('{"\xed\xa0\x80":1}')),
    "no valid UTF-8",
  ],
  [
    "an escape of half a character",
    file(`{"\\ud800":${info}}`, 8),
    "no valid Unicode",
  ],
  // ---- names
  ["a name twice", file(`{${a},${a}}`, 8), 'the name "a" twice'],
  [
    "a name twice, once in escapes",
    file(`{"b":${info},"\\u0062":${info}}`, 8),
    'the name "b" twice',
  ],
  [
    "__metadata__ twice",
    file('{"__metadata__":{},"__metadata__":{}}'),
    'the name "__metadata__" twice',
  ],
  [
    "a metadata name twice",
    file('{"__metadata__":{"k":"1","k":"2"}}'),
    'the name "k" twice',
  ],
  [
    "a field twice",
    raw('"dtype":"F32","dtype":"I32","shape":[2],"data_offsets":[0,8]'),
    'the name "dtype" twice',
  ],
  [
    "__proto__ twice",
    file(`{"__proto__":${info},"__proto__":${info}}`, 8),
    'the name "__proto__" twice',
  ],
  // ---- metadata
  ["metadata that is a list", file('{"__metadata__":[]}'), "be an object"],
  ["metadata that is null", file('{"__metadata__":null} '), "be an object"],
  [
    "metadata with a number",
    file('{"__metadata__":{"n":1}}'),
    'must hold texts: "n" is none',
  ],
  [
    "metadata with an object",
    file('{"__metadata__":{"o":{}}}'),
    'must hold texts: "o" is none',
  ],
  // ---- fields
  ["a tensor that is a number", file('{"a":1}'), 'tensor "a" must be an obj'],
  ["a tensor that is null", file('{"b":null}'), 'tensor "b" must be an obj'],
  ["a tensor that is a list", file('{"c":[1]}'), 'tensor "c" must be an obj'],
  ["an empty tensor object", file('{"a":{}}'), 'tensor "a" has no dtype'],
  ["no dtype", one({ dtype: undefined }), "no dtype"],
  ["no shape", one({ shape: undefined }), "no shape"],
  ["no data_offsets", one({ data_offsets: undefined }), "no data_offsets"],
  [
    "fields in __proto__",
    raw(`"__proto__":${info}`),
    "has no dtype",
  ],
  ["an unknown dtype", one({ dtype: "F8_E4M3" }), 'has dtype "F8_E4M3": want'],
  ["a dtype in lower case", one({ dtype: "f32" }), 'has dtype "f32"'],
  ["a dtype of Object", one({ dtype: "toString" }), 'has dtype "toString"'],
  ["a dtype that is a number", one({ dtype: 32 }), "has dtype 32"],
  ["a dtype that is null", one({ dtype: null }), "has dtype null"],
  ["a shape that is a number", one({ shape: 2 }), "has shape 2: want"],
  ["a shape that is a text", one({ shape: "2" }), 'has shape "2": want'],
  ["a negative size", one({ shape: [-2] }), "has shape [null]: want"],
  ["a size with a fraction", one({ shape: [2.5, 1] }), "has shape [null,1]"],
  [
    "a size that is written 2.0",
    raw('"dtype":"F32","shape":[2.0,2],"data_offsets":[0,8]'),
    "has shape [null,2]: want",
  ],
  [
    "a size that is written 2e0",
    raw('"dtype":"F32","shape":[1,2e0],"data_offsets":[0,8]'),
    "has shape [1,null]: want",
  ],
  ["a size that is a text", one({ shape: ["2"] }), 'has shape ["2"]: want'],
  [
    "a size above 2^53",
    raw('"dtype":"F32","shape":[9007199254740993],"data_offsets":[0,8]'),
    "has shape [9007199254740992]: want",
  ],
  [
    "a shape whose product overflows",
    one({ shape: [4294967296, 4294967296, 0] }),
    "too large for any file",
  ],
  [
    "a shape whose product is 2^53",
    one({ shape: [2251799813685248] }),
    "shape [2251799813685248], too large",
  ],
  ["one offset", one({ data_offsets: [8] }), "has data_offsets [8]: want two"],
  [
    "three offsets",
    one({ data_offsets: [0, 8, 8] }),
    "has data_offsets [0,8,8]: want two",
  ],
  [
    "offsets that are an object",
    one({ data_offsets: {} }),
    "has data_offsets {}: want two",
  ],
  [
    "a negative offset",
    one({ data_offsets: [-8, 0] }),
    "has data_offsets [null,0]: want two",
  ],
  [
    "an offset of -0",
    raw('"dtype":"F32","shape":[2],"data_offsets":[-0,8]'),
    "has data_offsets [null,8]: want two",
  ],
  [
    "offsets that a double rounds",
    raw(
      '"dtype":"F32","shape":[2],' +
        '"data_offsets":[9007199254740993,9007199254741001]',
    ),
    "has data_offsets [9007199254740992,9007199254741000]: want two",
  ],
  [
    "offsets the wrong way round",
    one({ data_offsets: [8, 0] }),
    "want begin <= end",
  ],
  [
    "fewer bytes than the shape takes",
    one({ shape: [3] }),
    "has 8 bytes, but F32 of shape [3] takes 12",
  ],
  [
    "more bytes than the shape takes",
    one({ shape: [1] }),
    "has 8 bytes, but F32 of shape [1] takes 4",
  ],
  [
    "bytes for a shape with a zero",
    one({ shape: [0, 2] }),
    "has 8 bytes, but F32 of shape [0,2] takes 0",
  ],
  [
    "a scalar of two elements",
    one({ shape: [] }),
    "has 8 bytes, but F32 of shape [] takes 4",
  ],
  [
    "I64 of the size of I32",
    one({ dtype: "I64" }),
    "has 8 bytes, but I64 of shape [2] takes 16",
  ],
  // ---- the layout of the values
  [
    "values that start late",
    one({ data_offsets: [4, 12] }, 12),
    'tensor "a" leaves a gap before it: its values start at 4',
  ],
  ["a gap", spans([[0, 4], [5, 8]], 8), 'tensor "t1" leaves a gap'],
  ["an overlap", spans([[0, 4], [3, 8]], 8), 'tensor "t1" overlaps'],
  ["the same place twice", spans([[0, 4], [0, 4]], 4), 'tensor "t1" overlaps'],
  [
    "a tensor within another",
    spans([[0, 9], [2, 4]], 9),
    "start at 2, those before it end at 9",
  ],
  [
    "an empty tensor beyond the values",
    spans([[0, 4], [6, 6]], 4),
    'tensor "t1" leaves a gap before it: its values start at 6',
  ],
  ["no values", one({}, 0), "want 8 bytes of values, got 0"],
  ["values cut short by one", one({}, 7), "want 8 bytes of values, got 7"],
  ["a byte too many", one({}, 9), "1 bytes follow the 8 bytes of values"],
  ["values without a tensor", file("{}", 3), "3 bytes follow the 0 bytes"],
  [
    "offsets far beyond the file",
    one({ shape: [250_000_000], data_offsets: [0, 1_000_000_000] }),
    "want 1000000000 bytes of values, got 8",
  ],
];

function refuse(bytes: Uint8Array, what: string): string {
  const name = `${what}.safetensors`;
  const error = assertThrows(() => parseSafetensors(bytes, name), InputError);
  assert(error.message.startsWith(`Cannot read '${name}': `), error.message);
  assert(!error.message.includes("\n"), `more than one line: ${error.message}`);
  assert(error.message.length < 500, `long: ${error.message}`);
  return error.message.slice(error.message.indexOf("': ") + 3);
}

Deno.test("parseSafetensors() refuses each malformed file with its own message", () => {
  assert(malformed.length >= 60);
  for (const [what, bytes, expected] of malformed) {
    assertStringIncludes(refuse(bytes, what), expected, what);
  }
});

/** A file with three tensors of different types and metadata. */
const three = file(
  '{"__metadata__":{"format":"pt"},"x":{"dtype":"F32","shape":[2,1],' +
    '"data_offsets":[0,8]},"y":{"dtype":"I64","shape":[],"data_offsets":[8,16]' +
    '},"z":{"dtype":"BOOL","shape":[3],"data_offsets":[16,19]}}',
  latin("\0\0\xc0\x3f\0\0\0\xc0\xff\xff\xff\xff\xff\xff\xff\xff\x01\x00\x01"),
);

Deno.test("parseSafetensors() refuses a file cut at any place", () => {
  assertEquals(toFloat32(get(three, "x")), new Float32Array([1.5, -2]));
  const messages = new Set<string>();
  for (let length = 0; length < three.length; length++) {
    messages.add(refuse(three.slice(0, length), "three"));
  }
  assertEquals(messages.size, three.length);
  // The header cut, with a length that fits again: no JSON any more.
  const header = three.slice(8, -19);
  for (let length = 0; length < header.length; length++) {
    const cut = file(header.slice(0, length));
    assertStringIncludes(refuse(cut, "three"), `no valid JSON (${length} byt`);
  }
});

function get(bytes: Uint8Array, name: string) {
  const entry = parseSafetensors(bytes, "test").tensors.get(name);
  assert(entry !== undefined, `no tensor ${name}`);
  return entry;
}

Deno.test("parseSafetensors() reads odd but valid files", async (t) => {
  const names = (bytes: Uint8Array) => [...parseSafetensors(bytes, "test").tensors.keys()];
  const floats = latin("\0\0\x80\x3f\0\0\0\xc0"); // 1, -2
  const values = (text: string, data = floats) => toFloat32(get(file(text, data), "a"));
  const good = new Float32Array([1, -2]);

  const cases: Record<string, () => void> = {
    "no tensors": () => assertEquals(names(file("{}")), []),
    "blanks before and after the JSON": () => {
      assertEquals(values(` \n\t{${a}}   \r\n`), good);
    },
    "blanks within the JSON": () => {
      assertEquals(values(`{ ${a.replaceAll(/[:,[]/g, "$& \n")} }`), good);
    },
    "a header of any length": () => {
      for (let n = 0; n < 8; n++) {
        assertEquals(values(`{${a}}` + " ".repeat(n)), good);
      }
    },
    "values at odd places": () => {
      const bytes = file(
        '{"u":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},' +
          '"a":{"dtype":"F32","shape":[2],"data_offsets":[1,9]}}',
        new Uint8Array([7, ...floats]),
      );
      assertEquals(toFloat32(get(bytes, "a")), good);
      assertEquals(toInt32(get(bytes, "u")), new Int32Array([7]));
    },
    "tensors in another order than their values": () => {
      assertEquals(names(spans([[4, 8], [0, 4]], 8)), ["t1", "t0"]);
    },
    "rank 0": () => {
      assertEquals(
        values(
          '{"a":{"dtype":"F32","shape":[],"data_offsets":[0,4]}}',
          floats.slice(0, 4),
        ),
        new Float32Array([1]),
      );
    },
    "rank 9": () => {
      const entry = get(one({ shape: [1, 1, 1, 2, 1, 1, 1, 1, 1] }), "a");
      assertEquals(entry.shape.length, 9);
    },
    "empty tensors at each place": () => {
      const bytes = spans([[0, 0], [0, 4], [4, 4], [4, 8], [8, 8]], 8);
      assertEquals(names(bytes).toSorted(), ["t0", "t1", "t2", "t3", "t4"]);
      assertEquals(get(bytes, "t2").data.length, 0);
    },
    "a huge shape with a zero": () => {
      const bytes = one({ shape: [1 << 30, 1 << 20, 0], data_offsets: [0, 0] });
      assertEquals(get(bytes.slice(0, -8), "a").data.length, 0);
    },
    "F16": () => {
      const data = latin("\x00\x3c\x01\x00\x00\xfc\xff\x7b"); // with a subnormal
      assertEquals(
        values(
          '{"a":{"dtype":"F16","shape":[4],"data_offsets":[0,8]}}',
          data,
        ),
        new Float32Array([1, 2 ** -24, -Infinity, 65504]),
      );
    },
    "BF16": () => {
      assertEquals(
        values(
          '{"a":{"dtype":"BF16","shape":[3],"data_offsets":[0,6]}}',
          latin("\x80\x3f\x49\xc0\x80\x7f"),
        ),
        new Float32Array([1, -3.140625, Infinity]),
      );
    },
    "F64": () => {
      const data = new Uint8Array(new Float64Array([0.1, 1e300]).buffer);
      assertEquals(
        values(
          '{"a":{"dtype":"F64","shape":[2],"data_offsets":[0,16]}}',
          data,
        ),
        new Float32Array([0.1, Infinity]),
      );
    },
    "I64": () => {
      const data = new BigInt64Array([-(2n ** 31n), 2n ** 31n - 1n]);
      const header = '{"a":{"dtype":"I64","shape":[2],"data_offsets":[0,16]}}';
      const entry = get(file(header, new Uint8Array(data.buffer)), "a");
      assertEquals(entry.data, data);
      assertEquals(toInt32(entry), new Int32Array([-(2 ** 31), 2 ** 31 - 1]));
    },
    "I32, U8 and BOOL": () => {
      for (const [dtype, size] of [["I32", 4], ["U8", 1], ["BOOL", 1]]) {
        const bytes = one({ dtype, data_offsets: [0, 2 * Number(size)] });
        const entry = get(bytes.slice(0, bytes.length - 8 + 2 * +size), "a");
        assertEquals(toInt32(entry), new Int32Array(2));
      }
    },
    "metadata with any texts": () => {
      const text = '{"__metadata__":{"__proto__":"p","":"","\\u00e9":"\\n"}}';
      const { metadata } = parseSafetensors(file(text), "test");
      assertEquals(Object.entries(metadata), [["__proto__", "p"], ["", ""], [
        "é",
        "\n",
      ]]);
    },
    "a tensor named __proto__": () => {
      const bytes = file(`{"__proto__":${info}}`, floats);
      assertEquals(toFloat32(get(bytes, "__proto__")), good);
      assertEquals(({} as Record<string, unknown>).dtype, undefined);
    },
    "names of digits, blanks, quotes and emoji": () => {
      const list = ["0", "", " ", '"', "\\", "a:b", "{}", "é", "🦕"];
      const infos = list.map((name, i) => [
        name,
        { dtype: "U8", shape: [1], data_offsets: [i, i + 1] },
      ]);
      const text = JSON.stringify(Object.fromEntries(infos));
      assertEquals(names(file(text, list.length)), list);
    },
    "fields that nobody knows": () => {
      const fields = '"dtype":"F32","more":{"x":0.5},"shape":[2],';
      assertEquals(values(`{"a":{${fields}"data_offsets":[0,8]}}`), good);
    },
    "a view that starts at an odd place of its buffer": () => {
      const bytes = file(`{${a}}`, floats);
      for (let n = 0; n < 8; n++) {
        const moved = new Uint8Array(bytes.length + n).subarray(n);
        moved.set(bytes);
        assertEquals(toFloat32(get(moved, "a")), good);
      }
    },
  };
  assert(Object.keys(cases).length >= 15);
  for (const [name, fn] of Object.entries(cases)) await t.step(name, fn);
});

Deno.test("parseSafetensors() ends in values or a named error for random changes", () => {
  let seed = 20_000; // xorshift32: the same changes in each run
  const below = (n: number) => {
    seed ^= seed << 13;
    seed ^= seed >>> 17;
    seed ^= seed << 5;
    return (seed >>> 0) % n;
  };
  const piece = (bytes: Uint8Array, n: number) => {
    const start = below(bytes.length);
    return [...bytes.subarray(start, start + below(n))];
  };
  let read = 0;
  for (let i = 0; i < 20_000; i++) {
    let bytes = three.slice();
    for (let n = below(3); n >= 0; n--) {
      if (below(2) === 0) bytes[below(bytes.length)] ^= 1 << below(8);
      else {
        const tail = bytes.subarray(below(bytes.length));
        bytes = new Uint8Array([
          ...piece(bytes, bytes.length),
          ...piece(three, 40),
          ...tail,
        ]);
      }
      if (bytes.length === 0) break;
    }
    try {
      for (const [, entry] of parseSafetensors(bytes, "fuzz").tensors) {
        if (/F/.test(entry.dtype)) toFloat32(entry);
      }
      read++;
    } catch (error) {
      assert(error instanceof InputError, `change ${i}: ${error}`);
      assert(error.message.startsWith("Cannot read 'fuzz': "), error.message);
    }
  }
  assert(read > 200 && read < 19_000, `${read} of 20000 were read`);
});

Deno.test("toFloat32() and toInt32() refuse what does not fit", () => {
  const i64 = (...values: bigint[]) => ({
    dtype: "I64" as Dtype,
    shape: [values.length],
    data: new BigInt64Array(values),
  });
  for (const value of [2n ** 31n, -(2n ** 31n) - 1n, 2n ** 63n - 1n]) {
    assertThrows(
      () => toInt32(i64(0n, value)),
      RangeError,
      `element 1 is ${value}`,
    );
  }
  assertThrows(() => toFloat32(i64()), TypeError, "got I64");
  const f32 = { dtype: "F32" as Dtype, shape: [0], data: new Float32Array() };
  assertThrows(() => toInt32(f32), TypeError, "got F32");
});

/** Runs `body` in a folder that is removed afterwards. */
async function inFolder(body: (folder: string) => Promise<void>) {
  const folder = await Deno.makeTempDir();
  try {
    await body(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("writeSafetensors() keeps values, names and order of every type", () =>
  inFolder(async (folder) => {
    const path = `${folder}/all.safetensors`;
    const tensors: Record<string, SafetensorsEntry> = {
      u: { dtype: "U8", shape: [3], data: new Uint8Array([1, 2, 255]) },
      __proto__x: {
        dtype: "BF16",
        shape: [1],
        data: new Uint16Array([0x3f80]),
      },
      h: {
        dtype: "F16",
        shape: [],
        data: new Float16Array([0.5]),
      },
      i: {
        dtype: "I64",
        shape: [1, 2],
        data: new BigInt64Array([2n ** 62n, -1n]),
      },
      f: {
        dtype: "F32",
        shape: [2, 2],
        data: new Float32Array([1, NaN, -0, Infinity]),
      },
      e: { dtype: "F32", shape: [0, 4], data: new Float32Array() },
      d: { dtype: "F64", shape: [1], data: new Float64Array([0.1]) },
      b: { dtype: "BOOL", shape: [1], data: new Uint8Array([1]) },
      n: { dtype: "I32", shape: [1], data: new Int32Array([-7]) },
    };
    const map = new Map(Object.entries(tensors));
    Object.defineProperty(tensors, "__proto__", {
      value: tensors.n,
      enumerable: true,
    });
    await writeSafetensors(path, tensors, { note: "ä" });
    map.set("__proto__", tensors.n);

    const { tensors: read, metadata } = await readSafetensors(path);
    assertEquals({ ...metadata }, { note: "ä" });
    for (const [name, entry] of map) assertEquals(read.get(name), entry, name);
    assertEquals(
      [...read.keys()],
      ["i", "d", "f", "e", "n", "__proto__", "__proto__x", "h", "u", "b"],
    );

    // The format, by hand: a length, JSON to a multiple of 8, aligned values.
    const bytes = await Deno.readFile(path);
    const length = Number(new DataView(bytes.buffer).getBigUint64(0, true));
    assertEquals(length % 8, 0);
    const text = new TextDecoder().decode(bytes.subarray(8, 8 + length));
    assert(/^\{.*\} {0,7}$/s.test(text), text);
    const { f } = JSON.parse(text);
    assertEquals(f, { dtype: "F32", shape: [2, 2], data_offsets: [24, 40] });
    const view = new DataView(bytes.buffer, 8 + length);
    assertEquals(view.getFloat32(24, true), 1);
    const header = await readSafetensorsHeader(path);
    for (const { dtype, begin } of header.tensors.values()) {
      const width = { F64: 8, I64: 8, F32: 4, I32: 4, F16: 2, BF16: 2 };
      assertEquals(begin % ((width as Record<string, number>)[dtype] ?? 1), 0);
    }
  }));

Deno.test("writeSafetensors() refuses entries that do not fit", () =>
  inFolder(async (folder) => {
    const path = `${folder}/x.safetensors`;
    const data = new Float32Array(2);
    const bad: Record<string, SafetensorsEntry>[] = [
      { a: { dtype: "F32", shape: [3], data } },
      { a: { dtype: "I32", shape: [2], data } },
      { __metadata__: { dtype: "F32", shape: [2], data } },
      { "\ud800": { dtype: "F32", shape: [2], data } },
    ];
    for (const tensors of bad) {
      await assertRejects(() => writeSafetensors(path, tensors), TypeError);
    }
    assertEquals([...Deno.readDirSync(folder)], []);
    const good = { a: { dtype: "F32" as const, shape: [2], data } };
    const error = await assertRejects(
      () => writeSafetensors(`${folder}/none/x.safetensors`, good),
      InputError,
    );
    assertStringIncludes(error.message, "folder does not exist");
  }));

Deno.test("readSafetensors() names a file that cannot be read", () =>
  inFolder(async (folder) => {
    for (const read of [readSafetensors, readSafetensorsHeader, loadCheckpoint]) {
      const missing = `${folder}/none.safetensors`;
      await assertRejects(() => read(missing), InputError, `'${missing}': no su`);
      await assertRejects(() => read(folder), InputError, "it is a folder");
      const path = `${folder}/cut.safetensors`;
      await Deno.writeFile(path, three.subarray(0, -1));
      await assertRejects(() => read(path), InputError, `${path}': it is cut`);
      await Deno.writeFile(path, three.subarray(0, 5));
      await assertRejects(() => read(path), InputError, "8 bytes, got 5");
    }
  }));

Deno.test("saveCheckpoint() and loadCheckpoint() keep a state dict", () =>
  inFolder(async (folder) => {
    await startDevice("reference");
    const path = `${folder}/model.safetensors`;
    const before = tf.memory().numTensors;
    const state = {
      "wte.weight": tf.tensor2d([[1, 2, 3], [4, 5, -6.5]]),
      bias: tf.variable(tf.scalar(0.1)),
      mask: tf.tensor1d([true, false], "bool"),
      ids: tf.tensor1d([7, -8], "int32"),
      empty: tf.zeros([0, 3]),
    };
    await saveCheckpoint(path, state, { step: "3" });
    const header = await readSafetensorsHeader(path);
    assertEquals({ ...header.metadata }, { format: "pt", step: "3" });
    const loaded = await loadCheckpoint(path);
    assertEquals(
      Object.keys(loaded),
      ["wte.weight", "bias", "ids", "empty", "mask"],
    );
    for (const [name, tensor] of Object.entries(state)) {
      assertEquals(loaded[name].shape, tensor.shape, name);
      assertEquals(loaded[name].dtype, tensor.dtype, name);
      assertEquals(await loaded[name].data(), await tensor.data(), name);
    }
    tf.dispose([Object.values(loaded), Object.values(state)]);
    state.bias.dispose();
    await assertRejects(
      () => saveCheckpoint(path, { text: tf.tensor(["a"]) }),
      TypeError,
      '"text"',
    );
    assertEquals([...Deno.readDirSync(folder)].length, 1);

    const data = new BigInt64Array([1n, 2n ** 40n]);
    await writeSafetensors(path, {
      first: { dtype: "F64", shape: [1], data: new Float64Array(1) },
      wide: { dtype: "I64", shape: [2], data },
    });
    await assertRejects(
      () => loadCheckpoint(path),
      InputError,
      'tensor "wide": Cannot convert to int32: element 1 is 1099511627776',
    );
    assertEquals(tf.memory().numTensors - before, 1); // the text
  }));
