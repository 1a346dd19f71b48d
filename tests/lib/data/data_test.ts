import { assert, assertAlmostEquals, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { createHash } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import * as tf from "@tensorflow/tfjs";
import {
  type CSVOptions,
  DataLoader,
  download,
  type HostTensor,
  type LoaderState,
  parseCSV,
  parseIDX,
  RandomSampler,
  readCSV,
  readIDX,
  TensorDataset,
} from "lib/data/mod.ts";
import { mnist } from "lib/data/mnist.ts";
import { loadText } from "lib/data/texts.ts";
import { startDevice } from "lib/device.ts";
import { InputError } from "lib/io/errors.ts";
import { torch, TorchGenerator } from "lib/random.ts";

/** Runs `body` in a folder that is removed afterwards. */
async function inFolder(body: (folder: string) => Promise<void>) {
  const folder = await Deno.makeTempDir();
  try {
    await body(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

// ---- CSV

Deno.test("readCSV() reads numbers, integers and texts", () =>
  inFolder(async (folder) => {
    const path = `${folder}/points.csv`;
    const text =
      '\ufeffx1, x2 ,name,y\r\n\r\n-0.5,1e-3,"Ann, or\r\nBen",0\r\n.25, +4. ,"a ""b""",1\r\n';
    await Deno.writeTextFile(path, text);
    const table = await readCSV(path, { columns: ["y", "x1"] });
    assertEquals(table.columns, ["x1", "x2", "name", "y"]);
    assertEquals(table.length, 2);
    assertEquals(table.numbers("x1", "x2"), new Float32Array([-0.5, 0.001, 0.25, 4]));
    assertEquals(table.integers("y"), new Int32Array([0, 1]));
    assertEquals(table.texts("name")[1], 'a "b"');
    // The line is right below an empty line and a cell of two lines.
    assertThrows(() => table.numbers("name"), InputError, "line 3");
    const error = assertThrows(
      () => parseCSV(text.replace(".25", "?"), "p.csv").numbers("x1"),
      InputError,
    );
    assertEquals(
      error.message,
      `Cannot read 'p.csv': line 5, column "x1": want a number, got "?"`,
    );
  }));

Deno.test("parseCSV() reads a table without a header", () => {
  const named = parseCSV("1;2\n3;4", "t", { header: false, columns: ["a", "b"], separator: ";" });
  assertEquals(named.numbers("b", "a"), new Float32Array([2, 1, 4, 3]));
  const numbered = parseCSV("1,2\n", "t", { header: false });
  assertEquals(numbered.integers("2"), new Int32Array([2]));
});

Deno.test("parseCSV() takes quotes between tabs as they are, and more columns than have names", () => {
  const columns = ["source", "target"];
  const text =
    '\ufeffHe said "no".\tDijo "no".\tCC-BY\r\n\n"Wait", he said.\t«Espera»\tCC-BY\n5" long\t"\t0\n';
  const options = { header: false, columns, separator: "\t" };
  const table = parseCSV(text, "pairs.tsv", options);
  assertEquals(table.texts("source"), ['He said "no".', '"Wait", he said.', '5" long']);
  assertEquals(table.texts("target"), ['Dijo "no".', "«Espera»", '"']);
  assertEquals(table.columns, [...columns, "3"]);
  const fails = (text: string, options: CSVOptions, expected: string) =>
    assertThrows(() => parseCSV(text, "pairs", options).texts("target"), InputError, expected);
  fails("a\tb\n\nc\n", options, "line 3: want 2 cells, got 1");
  fails("a\n", options, "line 1: want 2 cells, got 1");
  fails("a\tb\tc\nd\t\te\n", options, 'line 2, column "target": want a text, got an empty cell');
  fails("a, b,c\n", { header: false, columns }, "line 1: want 2 cells, got 3");
});

Deno.test("parseCSV() reads what other programs put at the edges of a table", () => {
  const read = (text: string, options: CSVOptions = {}) => {
    const table = parseCSV(text, "x.csv", options);
    return [table.columns, ...table.columns.map((column) => [...table.numbers(column)])];
  };
  const expected = [["a", "b"], [1, 3], [2, 4]];
  const same: [string, string][] = [
    ["an index, as pandas writes", ",a,b\n0,1,2\n1,3,4\n"],
    ["a trailing comma in each line", "a,b,\n1,2,\n3,4,\n"],
    ["a trailing comma below the names", "a,b\n1,2,\n3,4,\n"],
    ["both", ",a,b,\nx,1,2,\ny,3,4,\n"],
    ["blank lines", "\n  \na,b\r\n\t\r\n1,2\n,\n , \n3,4\n\n"],
  ];
  for (const [what, text] of same) assertEquals(read(text), expected, what);
  const unnamed = { header: false, columns: ["a", "b"] };
  assertEquals(read("1,2,\n\n ,\n3,4,\n", unnamed), expected);
  const fails = (text: string, expected: string, options?: CSVOptions) =>
    assertThrows(() => read(text, options), InputError, expected);
  fails("a,b\n1,2\n3,4,\n", "line 3: want 2 cells, got 3");
  fails("a,b\n1,2,\n3,4,5\n", "line 2: want 2 cells, got 3");
  fails("a,b\n\n1,\n", 'line 3, column "b": want a number, got an empty cell');
  fails("1,\n2,\n", 'line 1, column "b": want a number, got an empty cell', unnamed);
  fails(" \n,\n", "it is empty");
});

Deno.test("parseCSV() repeats no long cell, and reads one in no time", () => {
  const long = "1".repeat(1_000_000) + "x";
  for (const text of [`a\n${long}\n`, `a,a${long}\n1,2,3\n`, `${long}\n1\n`]) {
    const read = () => parseCSV(text, "x.csv").numbers("a");
    const { message } = assertThrows(read, InputError);
    assert(message.length < 300, `${message.length} characters`);
  }
});

Deno.test("parseCSV() names the line and the column of what is wrong", () => {
  const cases: [string, string][] = [
    ["", "it is empty"],
    ["\n\r\n", "it is empty"],
    ["a,b\n", "no rows below the columns' names"],
    ["a,b\n1,2\n3\n", "line 3: want 2 cells, got 1"],
    ["a,b\n1,2\n\n3,4,5\n", "line 4: want 2 cells, got 3"],
    ["a,b\n1,\n", 'line 2, column "b": want a number, got an empty cell'],
    ["a,b\n1, \n", 'line 2, column "b": want a number, got an empty cell'],
    ["a,b\n1,2\n1,two\n", 'line 3, column "b": want a number, got "two"'],
    ["a,b\n0x1f,2\n", 'line 2, column "a": want a number, got "0x1f"'],
    ["a,b\nNaN,2\n", 'line 2, column "a": want a number, got "NaN"'],
    ["a,b\n1e99,2\n", 'line 2, column "a": want a number, got "1e99"'],
    ["a,c\n1,2\n", 'no column "b": its columns are a, c'],
    ["1,2\n3,4\n", "line 1, column 1: want the column's name, got the number 1"],
    ["a,b,a\n1,2,3\n", 'line 1, column 3: the name "a" is there twice'],
    ["a,\n1,2\n", "line 1, column 2: want the column's name, got an empty cell"],
    ['a,b\n1,"2\n', "line 2"],
  ];
  for (const [text, expected] of cases) {
    const error = assertThrows(
      () => parseCSV(text, "x.csv", { columns: ["a", "b"] }).numbers("a", "b"),
      InputError,
      expected,
    );
    assert(error.message.startsWith("Cannot read 'x.csv': ") && !error.message.includes("\n"));
  }
  const table = parseCSV("a\n1.5\n", "x.csv");
  assertThrows(() => table.integers("a"), InputError, "want an integer");
  assertThrows(() => parseCSV("a\n3e9", "x.csv").integers("a"), InputError, "want an integer");
  assertThrows(() => table.texts("b"), InputError, 'no column "b"');
});

Deno.test("readCSV() names a file that is missing or no text", () =>
  inFolder(async (folder) => {
    await assertRejects(() => readCSV(`${folder}/none.csv`), InputError, "none.csv': no such file");
    await Deno.writeFile(`${folder}/bytes.csv`, new Uint8Array([97, 10, 49, 10, 0xff, 10]));
    await assertRejects(() => readCSV(`${folder}/bytes.csv`), InputError, "line 3 is no valid UTF");
  }));

// ---- IDX

/** The bytes of an IDX file. */
function idx(type: number, shape: number[], values: number[]): Uint8Array<ArrayBuffer> {
  const sizes = shape.flatMap((n) => [n >>> 24, (n >>> 16) & 255, (n >>> 8) & 255, n & 255]);
  return new Uint8Array([0, 0, type, shape.length, ...sizes, ...values]);
}

Deno.test("parseIDX() reads each type", () => {
  const read = (bytes: Uint8Array) => parseIDX(bytes, "t");
  const bytes = idx(0x08, [2, 3], [0, 1, 2, 253, 254, 255]);
  assertEquals(read(bytes), { data: new Uint8Array([0, 1, 2, 253, 254, 255]), shape: [2, 3] });
  assertEquals(read(idx(0x09, [2], [255, 7])).data, new Int32Array([-1, 7]));
  assertEquals(read(idx(0x0b, [2], [255, 254, 1, 0])).data, new Int32Array([-2, 256]));
  assertEquals(read(idx(0x0c, [1], [0x7f, 0xff, 0xff, 0xff])).data, new Int32Array([2 ** 31 - 1]));
  assertEquals(read(idx(0x0d, [1], [0xc0, 0, 0, 0])).data, new Float32Array([-2]));
  const double = [0x3f, 0xb9, 0x99, 0x99, 0x99, 0x99, 0x99, 0x9a];
  assertEquals(read(idx(0x0e, [1], double)).data, new Float32Array([0.1]));
  assertEquals(read(idx(0x08, [0, 28, 28], [])), { data: new Uint8Array(), shape: [0, 28, 28] });
  const moved = new Uint8Array([9, ...bytes]).subarray(1);
  assertEquals(read(moved), read(bytes));
});

Deno.test("parseIDX() names what is wrong", () => {
  const good = idx(0x08, [2, 3], [1, 2, 3, 4, 5, 6]);
  const cases: [Uint8Array, string][] = [
    [new Uint8Array(3), "no IDX file: want at least 4 bytes, got 3"],
    [new Uint8Array([1, ...good.slice(1)]), "no IDX file: want 00 00, a type"],
    [idx(0x0a, [1], [1]), "got 00 00 0a 01"],
    [new TextEncoder().encode("<html>"), "got 3c 68 74 6d"],
    [idx(0x08, [], []), "want an IDX file of 2 dimensions, got 0"],
    [idx(0x08, [6], [1, 2, 3, 4, 5, 6]), "want an IDX file of 2 dimensions, got 1"],
    [idx(0x08, [2 ** 32 - 1, 2 ** 32 - 1], [1]), "shape (4294967295, 4294967295) takes"],
    [good.slice(0, 11), "cut short in its header: want 12 bytes, got 11"],
    [good.slice(0, 17), "cut short: shape (2, 3) takes 18 bytes, got 17"],
    [new Uint8Array([...good, 0]), "too long: shape (2, 3) takes 18 bytes, got 19"],
  ];
  for (const [bytes, expected] of cases) {
    const error = assertThrows(() => parseIDX(bytes, "digits", 2), InputError, expected);
    assert(error.message.startsWith("Cannot read 'digits': "));
  }
  for (let n = 0; n < good.length; n++) {
    assertThrows(() => parseIDX(good.slice(0, n), "digits"), InputError);
  }
});

const gzip = (bytes: Uint8Array<ArrayBuffer>) =>
  new Response(new Blob([bytes]).stream().pipeThrough(new CompressionStream("gzip"))).bytes();

Deno.test("readIDX() unpacks gzip", () =>
  inFolder(async (folder) => {
    const good = idx(0x08, [3], [1, 2, 3]);
    const packed = await gzip(good);
    const path = `${folder}/labels.gz`;
    await Deno.writeFile(path, packed);
    assertEquals((await readIDX(path, 1)).data, new Uint8Array([1, 2, 3]));
    await Deno.writeFile(path, packed.slice(0, -5));
    await assertRejects(() => readIDX(path), InputError, `Cannot unpack '${path}': it is damaged`);
    await assertRejects(() => readIDX(`${folder}/none`), InputError, "none': no such file");
  }));

Deno.test("readIDX() stops unpacking what grows without measure", () =>
  inFolder(async (folder) => {
    const path = `${folder}/bomb.gz`;
    await Deno.writeFile(path, await gzip(new Uint8Array(30e6)));
    await assertRejects(() => readIDX(path), InputError, "become more than 100 times as many");
  }));

Deno.test("mnist() reads both parts out of the package", async () => {
  const train = await mnist("train");
  assertEquals(train.images.shape, [60000, 28, 28]);
  assertEquals([...train.labels.data.subarray(0, 10)], [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]);
  // The mean that everybody normalises MNIST with.
  let sum = 0;
  const { data } = train.images;
  for (let i = 0; i < data.length; i++) sum += data[i];
  assertAlmostEquals(sum / data.length / 255, 0.1307, 5e-5);
  const test = await mnist("test");
  assertEquals(test.images.shape, [10000, 28, 28]);
  assertEquals([...test.labels.data.subarray(0, 5)], [7, 2, 1, 0, 4]);
});

// ---- data sets and loaders

const values = async (tensors: tf.Tensor[]) =>
  await Promise.all(tensors.map(async (t) => [t.shape, t.dtype, [...await t.data()]]));

Deno.test("TensorDataset gathers rows", async () => {
  await startDevice("reference");
  const dataset = new TensorDataset(
    { data: new Float32Array([0, 1, 10, 11, 20, 21]), shape: [3, 2] },
    { data: new Int32Array([7, 8, 9]), shape: [3] },
    { data: new Uint8Array([51, 0, 255]), shape: [3, 1, 1], dtype: "float32", divisor: 255 },
  );
  assertEquals(dataset.length, 3);
  const batch = dataset.batch([2, 0, 2, 1]);
  assertEquals(await values(batch), [
    [[4, 2], "float32", [20, 21, 0, 1, 20, 21, 10, 11]],
    [[4], "int32", [9, 7, 9, 8]],
    [[4, 1, 1], "float32", [1, Math.fround(51 / 255), 1, 0]],
  ]);
  tf.dispose(batch);
  for (const row of [-1, 3, 0.5]) assertThrows(() => dataset.batch([row]), Error);
  const one: HostTensor = { data: new Float32Array(3), shape: [3] };
  assertThrows(() => new TensorDataset(one, { ...one, shape: [1, 3] }), TypeError, "(1, 3)");
  assertThrows(() => new TensorDataset({ ...one, shape: [2] }), TypeError, "3 values");
  assertThrows(() => new TensorDataset({ ...one, shape: [] }), TypeError);
});

/** A data set whose only tensor holds the row's own number. */
const numbers = (n: number) =>
  new TensorDataset({ data: Int32Array.from({ length: n }, (_, i) => i), shape: [n] });

/** The rows of the next `epochs` of a loader, all batches or the first `batches`. */
function rowsOf(loader: DataLoader, epochs = 1, batches = Infinity): number[] {
  const rows: number[] = [];
  for (let epoch = 0; epoch < epochs; epoch++) {
    let n = 0;
    for (const [x] of loader) {
      rows.push(...x.dataSync());
      if (++n === batches) break;
    }
  }
  return rows;
}

interface Recorded {
  call: string;
  values: { data: number[]; first: number[]; last: number[] }[];
  then_rand_2?: number[];
}

const recorded: [number, Recorded][] = ["rng.json", "rng-more.json"].flatMap((name) => {
  const url = new URL(`../../reference/${name}`, import.meta.url);
  const { seeds } = JSON.parse(Deno.readTextFileSync(url));
  return Object.keys(seeds).flatMap((seed) =>
    seeds[seed].torch.map((call: Recorded) => [Number(seed), call])
  );
});

const loader = (n: number, options: ConstructorParameters<typeof DataLoader>[1]) =>
  new DataLoader(numbers(n), options);
const sampler = (n: number, num_samples: number) =>
  new RandomSampler({ length: n }, { replacement: true, num_samples });

/** The recorded calls of PyTorch's loader, and the same with ours. */
const calls: Record<string, () => number[]> = {
  "DataLoader(range(13), batch_size=4, shuffle=True), two epochs": () =>
    rowsOf(loader(13, { batch_size: 4, shuffle: true }), 2),
  "DataLoader(range(13), batch_size=4, shuffle=False), two epochs": () =>
    rowsOf(loader(13, { batch_size: 4 }), 2),
  "DataLoader(range(50), batch_size=8, sampler=RandomSampler(replacement=True, num_samples=40)), one epoch":
    () => rowsOf(loader(50, { batch_size: 8, sampler: sampler(50, 40) })),
  "DataLoader(range(7), batch_size=3, shuffle=True): three epochs": () =>
    rowsOf(loader(7, { batch_size: 3, shuffle: true }), 3),
  "DataLoader(range(7), batch_size=3, shuffle=True, drop_last=True): two epochs": () =>
    rowsOf(loader(7, { batch_size: 3, shuffle: true, drop_last: true }), 2),
  "DataLoader(range(6), batch_size=2, shuffle=True, generator=Generator().manual_seed(5)): two epochs":
    () => rowsOf(loader(6, { batch_size: 2, shuffle: true, generator: new TorchGenerator(5) }), 2),
  "DataLoader(range(1000), batch_size=100, shuffle=True): one epoch": () =>
    rowsOf(loader(1000, { batch_size: 100, shuffle: true })),
  "the first two batches of DataLoader(range(1115266), batch_size=8, sampler=RandomSampler(replacement=True, num_samples=10**10))":
    () => rowsOf(loader(1115266, { batch_size: 8, sampler: sampler(1115266, 1e10) }), 1, 2),
  "the first two batches of DataLoader(range(9500), batch_size=64, sampler=RandomSampler(replacement=True, num_samples=10**10))":
    () => rowsOf(loader(9500, { batch_size: 64, sampler: sampler(9500, 1e10) }), 1, 2),
  "the first two batches of DataLoader(range(10), batch_size=4, sampler=RandomSampler(replacement=True, num_samples=50))":
    () => rowsOf(loader(10, { batch_size: 4, sampler: sampler(10, 50) }), 1, 2),
  "iter(DataLoader(range(5), batch_size=2)) alone (what does it draw?)": () => {
    loader(5, { batch_size: 2 })[Symbol.iterator]();
    return [0];
  },
};

Deno.test("DataLoader draws the orders of PyTorch's and leaves the generator alike", async () => {
  await startDevice("reference");
  let count = 0;
  for (const [seed, { call, values, then_rand_2 }] of recorded) {
    const draw = calls[call.replace(", then rand(2)", "")];
    if (draw === undefined) {
      assert(!call.includes("DataLoader"), `not tried: ${call}`);
      continue;
    }
    torch.manualSeed(seed);
    const rows = draw();
    const [{ data, first, last }] = values;
    if (first === undefined) assertEquals(rows, data, call);
    else assertEquals([rows.slice(0, 12), rows.slice(-12)], [first, last], call);
    const then = then_rand_2 ?? values[1].data;
    const rand = [...torch.rand(2)];
    for (let i = 0; i < 2; i++) assertAlmostEquals(rand[i], then[i], 1e-7, call);
    count++;
  }
  assertEquals(count, 3 * Object.keys(calls).length);
});

Deno.test("RandomSampler draws more rows than there are, and fewer", async () => {
  await startDevice("reference");
  // By hand from PyTorch's definition: whole permutations, then the start of one more.
  for (const [n, num_samples] of [[5, 12], [5, 10], [5, 3]]) {
    const loader = new DataLoader(numbers(n), {
      batch_size: 4,
      sampler: new RandomSampler({ length: n }, { num_samples }),
    });
    torch.manualSeed(9);
    const rows = rowsOf(loader);
    torch.manualSeed(9).random64();
    const generator = new TorchGenerator(torch.random64());
    const permutations = Array.from({ length: 3 }, () => [...generator.randperm(n)]);
    assertEquals(rows, permutations.flat().slice(0, num_samples));
    assertEquals(loader.length, Math.ceil(num_samples / 4));
  }
  // With a generator of its own: one permutation more is drawn at the end of each epoch.
  for (const [num_samples, expected] of [[5, 2], [3, 1], [12, 3]]) {
    const generator = new TorchGenerator(1);
    const sampler = new RandomSampler({ length: 5 }, { num_samples, generator });
    rowsOf(new DataLoader(numbers(5), { batch_size: 2, sampler }));
    const other = new TorchGenerator(1);
    for (let i = 0; i < expected; i++) other.randperm(5);
    assertEquals(generator.getState(), other.getState());
  }
});

Deno.test("DataLoader frees each batch at the next, at the end and at a break", async () => {
  await startDevice("reference");
  const before = tf.memory().numTensors;
  const loader = new DataLoader(numbers(10), { batch_size: 4 });
  assertEquals(loader.length, 3);
  assertEquals(new DataLoader(numbers(10), { batch_size: 4, drop_last: true }).length, 2);
  const sizes: number[] = [];
  const kept: tf.Tensor[] = [];
  for (const [x] of loader) {
    assertEquals(tf.memory().numTensors, before + 1 + kept.length);
    sizes.push(x.size);
    kept.push(x.clone());
  }
  assertEquals(sizes, [4, 4, 2]);
  tf.dispose(kept);
  for (const [x] of loader) {
    if (x.size === 4) break;
  }
  for (const [x] of loader) x.dispose(); // no harm
  try {
    for (const _ of loader) throw new Error("stop");
  } catch { /* on purpose */ }
  const iterator = loader[Symbol.iterator]();
  iterator.next();
  iterator.return?.();
  assertEquals(tf.memory().numTensors, before);
});

Deno.test("DataLoader goes on exactly where its state was taken", async () => {
  await startDevice("reference");
  const makers: Record<string, () => DataLoader> = {
    "in order": () => new DataLoader(numbers(13), { batch_size: 4 }),
    "shuffled": () => new DataLoader(numbers(13), { batch_size: 4, shuffle: true }),
    "with replacement": () =>
      new DataLoader(numbers(50), { batch_size: 7, sampler: sampler(50, 1e10) }),
    "with a generator of its own": () =>
      new DataLoader(numbers(13), {
        batch_size: 4,
        shuffle: true,
        generator: new TorchGenerator(3),
      }),
  };
  /** Rows of the next `n` batches, over the ends of epochs. */
  function run(loader: DataLoader, n: number, each?: (i: number) => void): number[] {
    const rows: number[] = [];
    let iterator = loader[Symbol.iterator]();
    for (let i = 0; i < n; i++) {
      let next = iterator.next();
      if (next.done) next = (iterator = loader[Symbol.iterator]()).next();
      rows.push(...next.value![0].dataSync(), torch.rand(1)[0]); // as dropout would
      each?.(i);
    }
    return rows;
  }
  for (const [name, make] of Object.entries(makers)) {
    torch.manualSeed(5);
    const states: string[] = [];
    const loader = make();
    const rows = run(loader, 12, () => {
      states.push(JSON.stringify([loader.getState(), torch.getState()]));
    });
    for (const [i, state] of states.entries()) {
      const [position, generator] = JSON.parse(state);
      torch.manualSeed(99);
      const resumed = make();
      resumed.setState(position as LoaderState);
      assertEquals(resumed.getState(), position);
      torch.setState(generator);
      const rest = run(resumed, 11 - i);
      assertEquals(rest, rest.length === 0 ? [] : rows.slice(-rest.length), `${name}, ${i}`);
    }
  }
  // An iterator that has drawn its own seed only.
  torch.manualSeed(5);
  const first = makers["shuffled"]();
  const iterator = first[Symbol.iterator]();
  const state = first.getState();
  const generator = torch.getState();
  const expected = [...iterator.next().value![0].dataSync()];
  const second = makers["shuffled"]();
  second.setState(state);
  torch.setState(generator);
  assertEquals(rowsOf(second, 1, 1), expected);
  assertEquals(second.getState(), null);
});

Deno.test("DataLoader and RandomSampler refuse what makes no sense", () => {
  for (const batch_size of [0, -3, 1.5, NaN]) {
    assertThrows(() => new DataLoader(numbers(3), { batch_size }), RangeError, "batch_size=");
  }
  assertThrows(() => new RandomSampler({ length: 0 }), RangeError, "rows=0");
  assertThrows(() => new RandomSampler({ length: 3 }, { num_samples: 0 }), RangeError);
  assertThrows(
    () => new DataLoader(numbers(3), { shuffle: true, sampler: sampler(3, 3) }),
    RangeError,
    "leave out one",
  );
});

// ---- downloads

const content = crypto.getRandomValues(new Uint8Array(65536)).map((b, i) => b ^ i);
const sha256 = createHash("sha256").update(content).digest("hex");

/** How the server treats the next requests for a path. */
interface Behaviour {
  content?: Uint8Array<ArrayBuffer>;
  /** Bytes after which the connection breaks, one for each request; then none. */
  breaks?: number[];
  ranges?: boolean;
  etag?: string | null;
  status?: number;
  /** Content-Range that is not the one asked for. */
  wrongRange?: string;
  stall?: boolean;
}

/** A server on this machine, and what it was asked: "GET" or the range that was wanted. */
async function withServer(
  body: (url: string, set: (behaviour: Behaviour) => string[]) => Promise<void>,
) {
  let behaviour: Behaviour = {};
  let asked: string[] = [];
  const server = createServer((request, response) => {
    const { ranges = true, etag = '"v1"', status, wrongRange, breaks, stall } = behaviour;
    const all = behaviour.content ?? content;
    const { range, "if-range": ifRange } = request.headers;
    asked.push(range === undefined ? "GET" : range + (ifRange ? ` if ${ifRange}` : ""));
    if (etag !== null) response.setHeader("etag", etag);
    response.statusCode = status ?? 200;
    if (status !== undefined) return response.end("no");
    let start = 0;
    if (range !== undefined && ranges && (ifRange === undefined || ifRange === etag)) {
      start = Number(/bytes=(\d+)-/.exec(range)![1]);
      const given = `bytes ${start}-${all.length - 1}/${all.length}`;
      response.setHeader("content-range", wrongRange ?? given);
      response.statusCode = 206;
    }
    const rest = all.subarray(start);
    response.setHeader("content-length", rest.length);
    const breakAt = breaks?.shift();
    if (stall) response.write(rest.subarray(0, 10));
    else if (breakAt === undefined) response.end(rest);
    else if (breakAt === 0) response.destroy();
    else {
      response.write(rest.subarray(0, breakAt));
      response.socket!.end(); // sends what was written; destroy() may throw it away
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    await body(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, (next) => {
      behaviour = next;
      return asked = [];
    });
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
}

const listing = (folder: string) =>
  [...Deno.readDirSync(folder)].map(({ name }) => name).toSorted();

Deno.test("download() fetches once, unpacks .gz, and checks the SHA-256", () =>
  inFolder((folder) =>
    withServer(async (url, set) => {
      let asked = set({});
      const to = `${folder}/deep/file.bin`;
      const path = await download(`${url}/file`, { to, label: "the file", sha256 });
      assertEquals(path, to);
      assertEquals(await Deno.readFile(path), content);
      await download(`${url}/file`, { to, label: "the file", sha256 });
      assertEquals(asked, ["GET"]);
      assertEquals(listing(`${folder}/deep`), ["file.bin"]);

      const packed = await gzip(content);
      asked = set({ content: packed });
      const options = { to: `${folder}/unpacked`, label: "the file" };
      await download(`${url}/file.gz`, options);
      assertEquals(await Deno.readFile(options.to), content);
      await download(`${url}/file.gz`, { to: `${folder}/kept.gz`, label: "the file" });
      assertEquals(await Deno.readFile(`${folder}/kept.gz`), packed);
      set({ content: packed.slice(0, -7) });
      await assertRejects(
        () => download(`${url}/file.gz`, { to: `${folder}/bad`, label: "the file" }),
        InputError,
        `Cannot unpack ${url}/file.gz: it is damaged or cut short`,
      );
      assertEquals(listing(folder), ["deep", "kept.gz", "unpacked"]);

      asked = set({ content: content.slice(1) });
      const wrong = { to: `${folder}/wrong`, label: "the file", sha256 };
      const error = await assertRejects(() => download(`${url}/file`, wrong), InputError);
      assert(error.message.includes(`want SHA-256 ${sha256}, got `), error.message);
      assert(error.message.endsWith(`fetch ${url}/file by hand and save it as ${wrong.to}`));
      assertEquals(listing(folder), ["deep", "kept.gz", "unpacked"]);
    })
  ));

Deno.test("download() goes on where the connection broke", () =>
  inFolder((folder) =>
    withServer(async (url, set) => {
      const get = async (name: string, sum?: string) => {
        const to = `${folder}/${name}`;
        await download(`${url}/${name}`, { to, label: "the file", sha256: sum });
        assertEquals(await Deno.readFile(to), content, name);
        await Deno.remove(to);
        assertEquals(listing(folder), [], name);
      };
      let asked = set({ breaks: [10_000, 20_000] });
      await get("twice");
      assertEquals(asked, ["GET", 'bytes=10000- if "v1"', 'bytes=30000- if "v1"']);
      // Without Range, without a mark for the version, with a mark that changed: from the start.
      asked = set({ breaks: [10_000], ranges: false });
      await get("no-range");
      assertEquals(asked, ["GET", 'bytes=10000- if "v1"']);
      asked = set({ breaks: [10_000], etag: null });
      await get("no-mark");
      assertEquals(asked, ["GET", "GET"]);
      asked = set({ breaks: [10_000], etag: null });
      await get("no-mark-but-a-checksum", sha256);
      assertEquals(asked, ["GET", "bytes=10000-"]);
      asked = set({ breaks: [10_000], wrongRange: `bytes 9000-65535/65536` });
      await get("wrong-start");
      assertEquals(asked, ["GET", 'bytes=10000- if "v1"', "GET"]);
      asked = set({ breaks: [10_000], wrongRange: `bytes 10000-65535/70000` });
      await get("wrong-size");
      assertEquals(asked, ["GET", 'bytes=10000- if "v1"', "GET"]);

      // In a later run.
      const options = { to: `${folder}/later`, label: "the file" };
      set({ breaks: [500, 0, 0, 0] });
      await assertRejects(
        () => download(`${url}/later`, options),
        InputError,
        "run again to go on after 500 bytes, or fetch",
      );
      assertEquals(listing(folder), ["later.part", "later.part.json"]);
      asked = set({});
      await get("later");
      assertEquals(asked, ['bytes=500- if "v1"']);

      // The file changed meanwhile: none of the old bytes stay.
      set({ breaks: [500, 0, 0, 0], content: content.slice(7), etag: '"v0"' });
      await assertRejects(() =>
        download(`${url}/changed`, { ...options, to: `${folder}/changed` })
      );
      asked = set({});
      await get("changed");
      assertEquals(asked, ['bytes=500- if "v0"']);
      // All of it was there, only the end of the run was missing.
      await Deno.writeFile(`${folder}/whole.part`, content);
      const state = { url: `${url}/whole`, version: '"v1"', size: content.length };
      await Deno.writeTextFile(`${folder}/whole.part.json`, JSON.stringify(state));
      asked = set({});
      await get("whole");
      assertEquals(asked, []);
    })
  ));

Deno.test("download() says in one line what to fetch and where to put it", () =>
  inFolder((folder) =>
    withServer(async (url, set) => {
      const to = `${folder}/file`;
      const fail = async (address: string, expected: string) => {
        const options = { to, label: "the file", timeout: 200 };
        const error = await assertRejects(() => download(address, options), InputError, expected);
        assert(!error.message.includes("\n"));
        assert(error.message.endsWith(`fetch ${address} by hand and save it as ${to}`));
      };
      let asked = set({ status: 404 });
      await fail(`${url}/file`, "Cannot download the file: 127.0.0.1:");
      await fail(`${url}/file`, "answers 404 Not Found");
      assertEquals(asked, ["GET", "GET"]);
      asked = set({ status: 503 });
      await fail(`${url}/file`, "answers 503 Service Unavailable");
      assertEquals(asked.length, 3);
      asked = set({ stall: true, etag: null });
      await fail(`${url}/file`, "sent nothing for 0.2 seconds; run again to go on after 10 bytes");
      assertEquals(asked.length, 4);
      await Deno.remove(`${to}.part`);
      await Deno.remove(`${to}.part.json`);
      await fail("http://127.0.0.1:1/file", "no connection to 127.0.0.1:1");
      assertEquals(listing(folder), []);
      await Deno.writeTextFile(`${folder}/wall`, "");
      await assertRejects(
        () => download(`${url}/file`, { to: `${folder}/wall/file`, label: "the file" }),
        InputError,
        "Cannot ",
      );
    })
  ));

// ---- texts

Deno.test("loadText() reads texts by name and from files", () =>
  inFolder(async (folder) => {
    const text = await loadText("moby-dick");
    assert(text.includes("Call me Ishmael.") && !text.includes("\r"));
    assertEquals(text.length, 1190317);
    const path = `${folder}/own.txt`;
    await Deno.writeTextFile(path, "\ufeffuno\r\ndos\rtres\n");
    assertEquals(await loadText(path), "\ufeffuno\ndos\ntres\n");
    await Deno.writeTextFile(path, "");
    await assertRejects(() => loadText(path), InputError, "own.txt': it is empty");
    await assertRejects(() => loadText(`${folder}/none.txt`), InputError, "no such file");
    await assertRejects(() => loadText("mobydick"), InputError, "want moby-dick, quijote");
  }));
