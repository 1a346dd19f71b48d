/**
 * The generators against sequences recorded from PyTorch, NumPy and Python (reference/rng.json and rng-more.json): every
 * recorded call, for every seed, with the state that it leaves behind. What lib/random.ts has no method for (initialisations,
 * data loaders, rarer distributions) is put together here from its draws, as the original does.
 */

import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  MersenneTwister,
  numpy,
  NumpyGenerator,
  python,
  PythonGenerator,
  seedAll,
  torch,
  TorchGenerator,
} from "../../lib/random.ts";

type Numbers = ArrayLike<number | bigint>;
interface Tensor {
  data?: number[];
  first?: number[];
  last?: number[];
  sum?: number;
}
interface Recorded {
  call: string;
  values: Tensor[] | unknown[];
  draws?: number;
  then_rand_2?: number[];
  then_random?: number;
}
type Library = "torch" | "numpy" | "python";

const files = ["rng.json", "rng-more.json"].map((name) =>
  JSON.parse(Deno.readTextFileSync(new URL(`../reference/${name}`, import.meta.url)))
);

/** Every recorded call of a library: [seed, record]. */
function recorded(library: Library): [number, Recorded][] {
  return files.flatMap((file) =>
    Object.entries<Record<Library, Recorded[]>>(file.seeds)
      .flatMap(([seed, calls]) =>
        calls[library].map((record): [number, Recorded] => [Number(seed), record])
      )
  );
}

/** Finds the pattern that a call matches and runs its function on the numbers in the call that the pattern captures. */
function run<G, R>(
  table: [string | RegExp, (g: G, ...numbers: number[]) => R][],
  generator: G,
  call: string,
): R {
  for (const [pattern, draw] of table) {
    if (typeof pattern === "string") {
      if (pattern === call) return draw(generator);
    } else {
      const match = call.match(pattern);
      if (match) return draw(generator, ...match.slice(1).map(Number));
    }
  }
  throw new Error(`No test reproduces the recorded call ${call}`);
}

/** Compares numbers: float64 within two units in the last place (Math.log and the C library's differ), all others exactly. */
function assertNumbers(actual: Numbers, expected: ArrayLike<number>, message: string) {
  assertEquals(actual.length, expected.length, `${message}: number of values`);
  for (let i = 0; i < expected.length; i++) {
    const [a, e] = [Number(actual[i]), expected[i]];
    const same = actual instanceof Float64Array
      ? Math.abs(a - e) <= 4.5e-16 * Math.abs(e) + 1e-16
      : a === (actual instanceof Float32Array ? Math.fround(e) : e);
    assert(same, `${message}: value ${i} is ${a}, recorded is ${e}`);
  }
}

/** Compares the arrays of a call with its recorded tensors. */
function assertTensors(arrays: Numbers[], expected: Tensor[], message: string) {
  assertEquals(arrays.length, expected.length, `${message}: number of tensors`);
  arrays.forEach((array, t) => {
    const { data, first, last, sum } = expected[t];
    if (data) return assertNumbers(array, data, message);
    const part = (start: number, end: number) => (array as Float32Array).slice(start, end);
    assertNumbers(part(0, first!.length), first!, message);
    assertNumbers(part(array.length - last!.length, array.length), last!, message);
    const total = Array.from(array, Number).reduce((a, b) => a + b, 0);
    assert(Math.abs(total - sum!) <= 1e-9 * array.length, `${message}: sum`);
  });
}

// ---- torch

const { sqrt } = Math;
const zeros = (n: number) => new Float32Array(n);
const ones = (n: number) => new Float32Array(n).fill(1);
/** U(-bound, bound), as all initialisations by a bound. */
const within = (g: TorchGenerator, n: number, bound: number) => g.uniform(n, -bound, bound);
/** The default weight and bias of Linear and of convolutions. */
const linear = (g: TorchGenerator, inputs: number, outputs: number, bias = true) => [
  within(g, inputs * outputs, 1 / sqrt(inputs)),
  ...(bias ? [within(g, outputs, 1 / sqrt(inputs))] : []),
];
const xavier = (g: TorchGenerator, rows: number, columns: number, gain = 1) =>
  within(g, rows * columns, sqrt(3) * gain * sqrt(2 / (rows + columns)));
const kaiming = (g: TorchGenerator, n: number, fan: number, gain = sqrt(2)) =>
  within(g, n, sqrt(3) * gain / sqrt(fan));
/** The output projection is made first, in_proj_weight is drawn after it. */
const multiheadAttention = (g: TorchGenerator, C: number) => {
  const [weight] = linear(g, C, C);
  return [xavier(g, 3 * C, C), zeros(3 * C), weight, zeros(C)];
};
/** Orthonormal columns out of normal values: Gram-Schmidt gives the Q of the QR decomposition with a positive diagonal. */
const orthogonal = (g: TorchGenerator, rows: number, columns: number) => {
  const a = Float64Array.from(g.randn(rows * columns));
  const dot = (j: number, k: number) => {
    let sum = 0;
    for (let i = 0; i < rows; i++) sum += a[i * columns + j] * a[i * columns + k];
    return sum;
  };
  for (let j = 0; j < columns; j++) {
    for (let k = 0; k < j; k++) {
      const part = dot(j, k);
      for (let i = 0; i < rows; i++) a[i * columns + j] -= part * a[i * columns + k];
    }
    const norm = sqrt(dot(j, j));
    for (let i = 0; i < rows; i++) a[i * columns + j] /= norm;
  }
  return a;
};
/** (rows, columns) in memory -> its transpose. */
const transposed = (data: Float32Array, rows: number, columns: number) =>
  data.map((_, i) => data[(i % rows) * columns + Math.floor(i / rows)]);
/** Values that are not contiguous are made one after the other: the same as draws of fewer than 16. */
const normalOneByOne = (g: TorchGenerator, n: number) =>
  Float32Array.from({ length: n }, () => g.randn(1)[0]);
const softmax = (n: number) => {
  const e = Float32Array.from({ length: n }, (_, i) => Math.exp(0.1 * i));
  const sum = e.reduce((a, b) => a + b);
  return e.map((x) => x / sum);
};
const concat = (arrays: Int32Array[]) => Int32Array.from(arrays.flatMap((a) => [...a]));
/** A loader's iterator draws its base seed; a sampler that shuffles draws the seed of its own generator. */
const loader = (g: TorchGenerator, n: number, epochs: number, shuffle: boolean) =>
  concat(Array.from({ length: epochs }, () => {
    g.random64();
    return shuffle
      ? new TorchGenerator(g.random64()).randperm(n)
      : Int32Array.from({ length: n }, (_, i) => i);
  }));
/** RandomSampler(replacement=True): 32 indices at a time, from its own generator. */
const sampled = (g: TorchGenerator, n: number, count: number, total = Infinity) => {
  g.random64();
  const own = new TorchGenerator(g.random64());
  const blocks = [];
  for (let i = 0; i < count; i += 32) {
    blocks.push(own.randint(Math.min(32, total - i), 0, n));
  }
  return concat(blocks).slice(0, count);
};

const torchCalls: [string | RegExp, (g: TorchGenerator, ...n: number[]) => Numbers[]][] = [
  ["torch.initial_seed()", (g) => [[g.initialSeed()]]],
  [/^the Mersenne Twister's first twelve/, (g) => {
    const words = new Uint32Array(12);
    g.mt.fill(words);
    return [words];
  }],
  // uniform
  [/^(?:torch\.)?rand\((\d+)\)$/, (g, n) => [g.rand(n)]],
  ["rand(3, 5) then rand(2)", (g) => [g.rand(15), g.rand(2)]],
  ["rand(5, dtype=float64)", (g) => [g.rand64(5)]],
  [/empty\((\d+)\)\.uniform_\((.*), (.*)\)$/, (g, n, a, b) => [g.uniform(n, a, b)]],
  [
    "torch.empty(5, dtype=float64).uniform_(-0.1, 0.1)",
    (g) => [g.rand64(5).map((u) => u * 0.2 - 0.1)],
  ],
  // normal
  [/^(?:torch\.)?randn\((\d+)\)$/, (g, n) => [g.randn(n)]],
  [/^randn\((\d+), dtype=float64\)$/, (g, n) => [g.randn64(n)]],
  ["randn(3) then randn(2) then rand(1)", (g) => [g.randn(3), g.randn(2), g.rand(1)]],
  ["randn(35) then randn(3)", (g) => [g.randn(35), g.randn(3)]],
  ["randn(1000)[-20:]", (g) => [g.randn(1000).slice(-20)]],
  [/^torch.randn\(1\) then torch.randn\(20\) then/, (g) => [g.randn(1), g.randn(20), g.randn(1)]],
  ["torch.randn(3, dtype=float64) then torch.randn(1)", (g) => [g.randn64(3), g.randn(1)]],
  [/empty\((\d+)\)\.normal_\((.*), (.*)\)$/, (g, n, mean, std) => [g.normal(n, mean, std)]],
  [
    /empty\((\d+), (\d+)\)\.normal_\((.*), (.*)\)$/,
    (g, r, c, mean, std) => [g.normal(r * c, mean, std)],
  ],
  [/empty\(8, 4\)\.t\(\)\.normal_/, (g) => [transposed(normalOneByOne(g, 32), 8, 4)]],
  [
    "torch.normal(torch.arange(5.), torch.arange(1., 6.))",
    (g) => [g.randn(5).map((x, i) => Math.fround(x * (i + 1)) + i)],
  ],
  ["torch.normal(2.0, 3.0, (3,))", (g) => [g.normal(3, 2, 3)]],
  // integers
  [
    /randint\((?:low=)?(-?\d+), (?:high=)?(\d+), (?:size=)?\((\d+),? ?(\d*)\)\)$/,
    (g, low, high, r, c) => [g.randint(r * (c || 1), low, high)],
  ],
  [/randint\((\d+), \((\d+),\)\)$/, (g, high, n) => [g.randint(n, 0, high)]],
  [/randint\(0, 2\*\*31, \((\d+),\)\)$/, (g, n) => [g.randint(n, 0, 2 ** 31)]],
  [/randint\(0, 2\*\*(\d+), \((\d+),\)\)$/, (g, bits, n) => [g.randint64(n, 0, 2 ** bits)]],
  [/randint\(0, 2\*\*32 - 1, \((\d+),\)\)$/, (g, n) => [g.randint64(n, 0, 2 ** 32 - 1)]],
  [
    /randint\(low=0, high=10\*\*10, size=\((\d+),\), dtype=int64\)$/,
    (g, n) => [g.randint64(n, 0, 10n ** 10n)],
  ],
  ["empty((), int64).random_()", (g) => [[g.random64()]]],
  [/^(?:torch\.)?randperm\((\d+)\)$/, (g, n) => [g.randperm(n)]],
  ["randperm(100) then rand(1)", (g) => [g.randperm(100), g.rand(1)]],
  ["randperm(30000)[:8]", (g) => [g.randperm(30000).slice(0, 8)]],
  [
    /^torch.randperm\(10000, generator=Generator\(\).manual_seed\(1337\)\)/,
    () => [new TorchGenerator(1337).randperm(10000)],
  ],
  // Bernoulli, dropout, exponential, multinomial
  ["bernoulli(0.3 * ones(20))", (g) => [g.bernoulliEach(Array(20).fill(0.3))]],
  [/^torch.bernoulli\(torch.full\(\(12,\), 0.3\)\)/, (g) => [g.bernoulliEach(Array(12).fill(0.3))]],
  [/empty\((\d+)\)\.bernoulli_\(0.3\)/, (g, n) => [g.bernoulli(n, 0.3)]],
  [/dropout\(ones\((\d+)\), (.*), True\)$/, (g, n, p) => [g.dropoutMask(n, p)]],
  [
    /dropout\(ones\((\d+), (\d+)\), (.*), (?:True|training)\)$/,
    (g, r, c, p) => [g.dropoutMask(r * c, p)],
  ],
  ["nn.Dropout(0.25)(ones(2, 3, 5)) in train mode", (g) => [g.dropoutMask(30, 0.25)]],
  ["F.dropout(ones(12), 0.5, False)", () => [ones(12)]],
  [
    "F.dropout(ones(4, 3).t(), 0.5, True) (not contiguous)",
    (g) => [transposed(g.dropoutMask(12, 0.5), 4, 3)],
  ],
  [/^scaled_dot_product_attention\(ones\(1,1,4,2\), same, eye\(4\), dropout_p=0.5/, (g) => [
    g.dropoutMask(16, 0.5).map((scale, i) =>
      i % 4 > i >> 2 ? 0 : Math.fround(1 / ((i >> 2) + 1)) * scale
    ),
  ]],
  ["torch.empty(6).exponential_()", (g) => [g.exponential(6)]],
  [
    "torch.empty(3, dtype=float64).exponential_(2)",
    (g) => [g.rand64(3).map((u) => -Math.log1p(-u) / 2)],
  ],
  [/^multinomial\(\[.1,.2,.3,.4\], (\d+)\)?(?: without replacement|\))?/, (g, k) => [
    g.multinomial([0.1, 0.2, 0.3, 0.4], k, k === 10),
  ]],
  [/^multinomial\(softmax\(0.1\*arange\(65\)\) twice/, (g) => {
    const p = softmax(65);
    return [0, 1, 2].map(() => concat([g.multinomial(p, 1), g.multinomial(p, 1)]));
  }],
  [
    /^torch.multinomial\(\[.1,0,.2,.3,.4\], (\d+)/,
    (g, k) => [g.multinomial([0.1, 0, 0.2, 0.3, 0.4], k, k === 12)],
  ],
  [/^torch.multinomial\(\[\[.1,.2,.3\],\[3,2,1\],\[0,0,5\]\], (\d+)/, (g, k) => [
    concat([[0.1, 0.2, 0.3], [3, 2, 1], [0, 0, 5]].map((row) => g.multinomial(row, k, k > 1))),
  ]],
  ["torch.multinomial(ones(1), 1)", (g) => [g.multinomial([1], 1)]],
  // initialisations
  [/^nn.Linear\((\d+), (\d+)\): weight, bias$/, (g, i, o) => linear(g, i, o)],
  ["nn.Linear(16, 4, bias=False): weight", (g) => linear(g, 16, 4, false)],
  [/^nn.Embedding\((\d+), (\d+)\): weight$/, (g, rows, columns) => [g.randn(rows * columns)]],
  ["nn.Embedding(7, 4, padding_idx=2): weight", (g) => [g.randn(28).fill(0, 8, 12)]],
  [/^nn.Conv1d\((\d+), (\d+), kernel_size=1\): weight, bias$/, (g, i, o) => linear(g, i, o)],
  ["nn.Conv1d(2, 3, kernel_size=3, bias=False): weight", (g) => linear(g, 6, 3, false)],
  ["nn.Conv2d(1, 2, 3): weight, bias", (g) => linear(g, 9, 2)],
  [/^nn.LayerNorm\(4\), nn.Linear\(2, 2\)/, (g) => [ones(4), zeros(4), ...linear(g, 2, 2)]],
  [/^nn.LSTM\(3, 2\)/, (g) => [24, 16, 8, 8].map((n) => within(g, n, 1 / sqrt(2)))],
  [/^nn.MultiheadAttention\(8, 2\)/, (g) => multiheadAttention(g, 8)],
  [/^nn.TransformerEncoderLayer\(8, 2, 16\)/, (g) => [
    ...multiheadAttention(g, 8),
    ...linear(g, 8, 16),
    ...linear(g, 16, 8),
    ...[ones(8), zeros(8), ones(8), zeros(8)],
  ]],
  [/^nn.init.xavier_uniform_ on \((\d+), (\d+)\)$/, (g, r, c) => [xavier(g, r, c)]],
  [
    /^nn.init.xavier_uniform_ gain=5\/3 on \((\d+), (\d+)\)$/,
    (g, r, c) => [xavier(g, r, c, 5 / 3)],
  ],
  [
    /^nn.init.xavier_normal_ on \((\d+), (\d+)\)$/,
    (g, r, c) => [g.normal(r * c, 0, sqrt(2 / (r + c)))],
  ],
  [/^nn.init.kaiming_uniform_ on \((\d+), (\d+)\)$/, (g, r, c) => [kaiming(g, r * c, c)]],
  [
    /^nn.init.kaiming_uniform_ fan_out relu on \((\d+), (\d+)\)$/,
    (g, r, c) => [kaiming(g, r * c, r)],
  ],
  ["nn.init.kaiming_uniform_ a=sqrt(5) on (6, 4)", (g) => [kaiming(g, 24, 4, sqrt(2 / 6))]],
  [
    /^nn.init.kaiming_normal_ (?:relu )?on \((\d+), (\d+)\)$/,
    (g, r, c) => [g.normal(r * c, 0, sqrt(2) / sqrt(c))],
  ],
  [/^nn.init.trunc_normal_ on \((\d+), (\d+)\)$/, (g, r, c) => [g.truncNormal(r * c)]],
  [
    /^nn.init.trunc_normal_ mean=1 std=2 a=-2 b=2 on \((\d+), (\d+)\)$/,
    (g, r, c) => [g.truncNormal(r * c, 1, 2)],
  ],
  ["nn.init.trunc_normal_ std=0.02 on (6, 4)", (g) => [g.truncNormal(24, 0, 0.02)]],
  ["nn.init.normal_ std=0.02 on (6, 4)", (g) => [g.normal(24, 0, 0.02)]],
  [/^nn.init.uniform_ on \((\d+), (\d+)\)$/, (g, r, c) => [g.rand(r * c)]],
  ["nn.init.orthogonal_ on (6, 4)", (g) => [orthogonal(g, 6, 4)]],
  // data order
  [
    /^DataLoader\(range\((\d+)\), batch_size=4, shuffle=True\), two epochs, then rand\(2\)/,
    (g, n) => [loader(g, n, 2, true), g.rand(2)],
  ],
  [
    /^DataLoader\(range\((\d+)\), batch_size=4, shuffle=False\), two epochs, then rand\(2\)/,
    (g, n) => [loader(g, n, 2, false), g.rand(2)],
  ],
  [
    "DataLoader(range(7), batch_size=3, shuffle=True): three epochs",
    (g) => [loader(g, 7, 3, true)],
  ],
  [/^DataLoader\(range\(7\), batch_size=3, shuffle=True, drop_last=True\): two epochs/, (g) => [
    loader(g, 7, 2, true).filter((_, i) => i % 7 < 6),
  ]],
  [/^DataLoader\(range\(6\).*manual_seed\(5\)\): two epochs/, () => {
    // The generator serves the loader's seed and the sampler directly. After its permutation the sampler draws another
    // one to take the first 0 of it, which no one sees unless the generator goes on, as here.
    const own = new TorchGenerator(5);
    const epochs = [0, 1].map(() => {
      own.random64();
      const order = own.randperm(6);
      own.randperm(6);
      return order;
    });
    return [concat(epochs)];
  }],
  [
    "DataLoader(range(1000), batch_size=100, shuffle=True): one epoch",
    (g) => [loader(g, 1000, 1, true)],
  ],
  [
    /^DataLoader\(range\(50\).*num_samples=40\)\), one epoch, then rand/,
    (g) => [sampled(g, 50, 40, 40), g.rand(2)],
  ],
  [
    /^the first two batches of DataLoader\(range\((\d+)\), batch_size=(\d+).*num_samples=(10\*\*10|50)/,
    (g, n, batch) => [
      sampled(g, n, 2 * batch),
    ],
  ],
  ["list(RandomSampler(range(9)))", (g) => [new TorchGenerator(g.random64()).randperm(9)]],
  [/^iter\(DataLoader\(range\(5\), batch_size=2\)\) alone/, (g) => {
    g.random64();
    return [[0]];
  }],
  ["random_split(range(10), [7, 3]): indices", (g) => {
    const order = g.randperm(10);
    return [order.slice(0, 7), order.slice(7)];
  }],
  ["random_split(range(11), [0.7, 0.3])", (g) => {
    const order = g.randperm(11);
    return [order.slice(0, 8), order.slice(8)];
  }],
];

Deno.test("TorchGenerator reproduces every recorded call and leaves the recorded state", () => {
  for (const [seed, { call, values, draws, then_rand_2 }] of recorded("torch")) {
    const message = `seed ${seed}, ${call}`;
    const generator = new TorchGenerator(seed);
    const arrays = run(torchCalls, generator, call);
    if (call.includes("orthogonal_")) {
      // The original decomposes in float32
      const { data } = (values as Tensor[])[0];
      data!.forEach((e, i) => assert(Math.abs(Number(arrays[0][i]) - e) < 2e-6, message));
    } else assertTensors(arrays, values as Tensor[], message);
    if (draws != null) {
      const expected = new MersenneTwister();
      expected.seed(seed);
      expected.fill(new Uint32Array(draws));
      assertEquals(generator.mt.getState(), expected.getState(), `${message}: state`);
    }
    if (then_rand_2) assertNumbers(generator.rand(2), then_rand_2, `${message}: then rand(2)`);
  }
});

// ---- numpy

/** The distributions that no script uses, out of those that NumpyGenerator has. */
const exponential = (g: NumpyGenerator) => -Math.log(1 - g.randomSample(1)[0]);
/** Marsaglia and Tsang 2000 from shape 1 on; Ahrens and Dieter 1974 below it. */
const gamma = (g: NumpyGenerator, shape: number): number => {
  if (shape < 1) {
    while (true) {
      const [u] = g.randomSample(1);
      const v = exponential(g);
      if (u <= 1 - shape) {
        const x = u ** (1 / shape);
        if (x <= v) return x;
      } else {
        const y = -Math.log((1 - u) / shape);
        const x = (1 - shape + shape * y) ** (1 / shape);
        if (x <= v + y) return x;
      }
    }
  }
  const d = shape - 1 / 3;
  const c = 1 / sqrt(9 * d);
  while (true) {
    let x, v;
    do {
      [x] = g.randn(1);
      v = 1 + c * x;
    } while (v <= 0);
    v = v ** 3;
    const [u] = g.randomSample(1);
    if (u < 1 - 0.0331 * x ** 4) return d * v;
    if (Math.log(u) < 0.5 * x * x + d * (1 - v + Math.log(v))) return d * v;
  }
};
/** Inversion: steps through the probabilities of 0, 1, 2, ... until they exceed a uniform value. */
const binomial = (g: NumpyGenerator, n: number, p: number): number => {
  if (p > 0.5) return n - binomial(g, n, 1 - p);
  let [u] = g.randomSample(1);
  let probability = (1 - p) ** n;
  let x = 0;
  while (u > probability) {
    u -= probability;
    x++;
    probability *= (n - x + 1) * p / (x * (1 - p));
  }
  return x;
};
/** Knuth: uniform values are multiplied until the product falls below exp(-rate). */
const poisson = (g: NumpyGenerator, rate: number) => {
  let count = -1;
  for (let product = 1; product > Math.exp(-rate); count++) product *= g.randomSample(1)[0];
  return count;
};
const multinomial = (g: NumpyGenerator, n: number, p: number[]) => {
  let rest = 1;
  const counts = p.slice(0, -1).map((x) => {
    const count = binomial(g, n, x / rest);
    n -= count;
    rest -= x;
    return count;
  });
  return [...counts, n];
};
const times = (n: number, draw: () => number) => Float64Array.from({ length: n }, draw);
const range = (n: number) => Array.from({ length: n }, (_, i) => i);
const shuffled = <T>(g: NumpyGenerator, array: T[]) => {
  g.shuffle(array);
  return array;
};

const numpyCalls: [string | RegExp, (g: NumpyGenerator, ...n: number[]) => Numbers[]][] = [
  ["rand(5)", (g) => [g.randomSample(5)]],
  ["random.random_sample((2,3))", (g) => [g.randomSample(6)]],
  [
    "bytes-free: random(3), sample(2), ranf(1)",
    (g) => [g.randomSample(3), g.randomSample(2), g.randomSample(1)],
  ],
  ["uniform(-1, 4, 5)", (g) => [g.uniform(5, -1, 4)]],
  ["randn(6)", (g) => [g.randn(6)]],
  ["randn(3) then randn(2) (the cached half)", (g) => [g.randn(3), g.randn(2)]],
  ["standard_normal(5)", (g) => [g.randn(5)]],
  ["normal(2, 3, size=(2, 3)) then rand(1)", (g) => [g.normal(6, 2, 3), g.randomSample(1)]],
  [
    "normal(loc=[2, 3], scale=2.7, size=(5, 2))",
    (g) => [g.randn(10).map((x, i) => 2 + i % 2 + 2.7 * x)],
  ],
  [
    /randint\((\d+), (\d+), (\d+)(?:, dtype=int32)?\)$/,
    (g, low, high, n) => [g.randint(n, low, high)],
  ],
  ["randint(7)", (g) => [g.randint(1, 0, 7)]],
  ["random_integers-like randint(1, 7, (2, 3))", (g) => [g.randint(6, 1, 7)]],
  [/^randint\(0, 2\*\*(\d+), (\d+)\)$/, (g, bits, n) => [g.randint64(n, 0, 2 ** bits)]],
  [/^permutation\((\d+)\)$/, (g, n) => [g.permutation(n)]],
  ["permutation(100)[:10]", (g) => [g.permutation(100).slice(0, 10)]],
  ["permutation([5, 6, 7, 8])", (g) => [g.permutation([5, 6, 7, 8])]],
  [
    "permutation(arange(6).reshape(3, 2)) (rows)",
    (g) => [g.permutation([[0, 1], [2, 3], [4, 5]]).flat()],
  ],
  ["shuffle(list(range(9)))", (g) => shuffled(g, range(9)).map((x) => [x])],
  ["shuffle(arange(9))", (g) => [shuffled(g, range(9))]],
  [
    "shuffle(arange(10).reshape(5, 2)) (rows)",
    (g) => [shuffled(g, range(5).map((i) => [2 * i, 2 * i + 1])).flat()],
  ],
  [
    /^choice\(range\((\d+)\), (\d+), replace=False\)/,
    (g, n, k) => [g.choice(n, k, { replace: false })],
  ],
  [/^choice\((\d+), (\d+)\)$/, (g, n, k) => [g.choice(n, k)]],
  ["choice([3, 1, 4, 1, 5], 7)", (g) => [g.choice([3, 1, 4, 1, 5], 7)]],
  ["choice(5, 8, p=[.1,.2,.3,.3,.1])", (g) => [g.choice(5, 8, { p: [0.1, 0.2, 0.3, 0.3, 0.1] })]],
  [
    "choice(5, 3, replace=False, p=[.1,.2,.3,.3,.1])",
    (g) => [g.choice(5, 3, { replace: false, p: [0.1, 0.2, 0.3, 0.3, 0.1] })],
  ],
  ["choice(4, 6, p=[0, .5, .5, 0])", (g) => [g.choice(4, 6, { p: [0, 0.5, 0.5, 0] })]],
  ["choice(6, 4, replace=False, p=[.05, .05, .1, .2, .3, .3])", (g) => [
    g.choice(6, 4, { replace: false, p: [0.05, 0.05, 0.1, 0.2, 0.3, 0.3] }),
  ]],
  ["exponential(2, 4)", (g) => [times(4, () => 2 * exponential(g))]],
  ["gamma(0.7, 2, 3)", (g) => [times(3, () => 2 * gamma(g, 0.7))]],
  ["beta(2, 3, 3)", (g) => [times(3, () => {
    const a = gamma(g, 2);
    return a / (a + gamma(g, 3));
  })]],
  ["binomial(10, 0.3, 5)", (g) => [times(5, () => binomial(g, 10, 0.3))]],
  ["poisson(2.5, 5)", (g) => [times(5, () => poisson(g, 2.5))]],
  ["multinomial(20, [.2,.3,.5])", (g) => [multinomial(g, 20, [0.2, 0.3, 0.5])]],
];

Deno.test("NumpyGenerator reproduces every recorded call and leaves the recorded state", () => {
  for (const [seed, { call, values, then_rand_2 }] of recorded("numpy")) {
    const message = `seed ${seed}, ${call}`;
    const generator = new NumpyGenerator(seed);
    assertTensors(run(numpyCalls, generator, call), values as Tensor[], message);
    if (then_rand_2) {
      assertEquals(
        [...generator.randomSample(2)],
        then_rand_2,
        `${message}: then random_sample(2)`,
      );
    }
  }
});

// ---- python

const repeat = <T>(n: number, draw: () => T) => Array.from({ length: n }, draw);
const triangular = (g: PythonGenerator, low: number, high: number, mode: number) => {
  const u = g.random();
  const c = (mode - low) / (high - low);
  return u > c ? high + (low - high) * sqrt((1 - u) * (1 - c)) : low + (high - low) * sqrt(u * c);
};
const shuffledList = (g: PythonGenerator, n: number) => {
  const list = range(n);
  g.shuffle(list);
  return list;
};

const pythonCalls: [string | RegExp, (g: PythonGenerator, ...n: number[]) => unknown[]][] = [
  ["random() x 5", (g) => repeat(5, () => g.random())],
  [
    /^getrandbits\(k\) for k in 1, 8, 32, 33, 64, 100/,
    (g) => [1, 8, 32, 33, 64, 100].map((k) => `${g.getrandbits(k)}`),
  ],
  [/^randrange\((\d+)\) x (\d+)$/, (g, n, count) => repeat(count, () => g.randrange(n))],
  ["randrange(10**12) x 3", (g) => repeat(3, () => g.randrange(10 ** 12))],
  ["randrange(5, 100, 7) x 6", (g) => repeat(6, () => g.randrange(5, 100, 7))],
  [/^randint\((.*), (.*)\) x (\d+)$/, (g, a, b, count) => repeat(count, () => g.randint(a, b))],
  [
    /^choice\(list\(range\((\d+)\)\)\) x (\d+)$/,
    (g, n, count) => repeat(count, () => g.choice(range(n))),
  ],
  ["choice('abcdefg') x 8", (g) => repeat(8, () => g.choice("abcdefg"))],
  [/^shuffle\(list\(range\((\d+)\)\)\)$/, (g, n) => shuffledList(g, n)],
  [
    /^sample\(range\((\d+)\), (\d+)\) x (\d+)$/,
    (g, n, k, count) => repeat(count, () => g.sample(range(n), k)),
  ],
  [/^sample\((?:list\()?range\((\d+)\)?\), (\d+)\)/, (g, n, k) => g.sample(range(n), k)],
  ["choices(range(10), k=6)", (g) => g.choices(range(10), 6)],
  [
    "choices(range(4), weights=[1,2,3,4], k=6)",
    (g) => g.choices(range(4), 6, { weights: [1, 2, 3, 4] }),
  ],
  [
    "choices([1, 2, 3], cum_weights=[1, 1, 4], k=8)",
    (g) => g.choices([1, 2, 3], 8, { weights: [1, 0, 3] }),
  ],
  [/^uniform\((.*), (.*)\) x 3$/, (g, a, b) => repeat(3, () => g.uniform(a, b))],
  ["gauss(0, 1) x 5", (g) => repeat(5, () => g.gauss(0, 1))],
  [
    /^gauss\(0, 1\) x 3 then random\(\) then gauss\(5, 2\)/,
    (g) => [...repeat(3, () => g.gauss()), g.random(), g.gauss(5, 2)],
  ],
  ["normalvariate(0, 1) x 4", (g) => repeat(4, () => g.normalvariate(0, 1))],
  ["triangular(0, 1, 0.3) x 2", (g) => repeat(2, () => triangular(g, 0, 1, 0.3))],
  ["expovariate(1.5) x 3", (g) => repeat(3, () => -Math.log(1 - g.random()) / 1.5)],
  [/^bert mixture: /, (g) => [
    g.randrange(6),
    g.randrange(6),
    shuffledList(g, 10),
    g.random(),
    g.random(),
    g.randint(0, 28),
  ]],
];

Deno.test("PythonGenerator reproduces every recorded call and leaves the recorded state", () => {
  for (const [seed, { call, values, then_random }] of recorded("python")) {
    const message = `seed ${seed}, ${call}`;
    const generator = new PythonGenerator(seed);
    const actual = run(pythonCalls, generator, call);
    if (actual.every((x) => typeof x === "number")) {
      assertNumbers(Float64Array.from(actual), values as number[], message);
    } else assertEquals(actual, values, message);
    if (then_random !== undefined) {
      assertEquals(generator.random(), then_random, `${message}: then random()`);
    }
  }
});

// ---- seeds, states, arguments

Deno.test("seedAll() seeds the three default generators, NumPy's with 32 bits", () => {
  for (const seed of [42, 2 ** 32 + 42, -1, 123456789012n]) {
    seedAll(seed);
    const low = BigInt.asUintN(32, BigInt(seed));
    assertEquals(torch.rand(3), new TorchGenerator(seed).rand(3));
    assertEquals(numpy.randn(3), new NumpyGenerator(low).randn(3));
    assertEquals(python.random(), new PythonGenerator(seed).random());
  }
});

Deno.test("negative seeds and seeds of more than 32 bits are those of the originals", () => {
  // PyTorch takes the low 32 bits of two's complement, Python all bits of the absolute value.
  const generator = new TorchGenerator(-3);
  assertEquals(generator.initialSeed(), 2n ** 64n - 3n);
  assertEquals(generator.rand(4), new TorchGenerator(2 ** 32 - 3).rand(4));
  assertEquals(new PythonGenerator(-3).random(), new PythonGenerator(3).random());
  assertEquals(new PythonGenerator(2n ** 64n + 5n).random(), 0.5105783769365112);
});

Deno.test("randn() is 0 where the uniform value under the logarithm is exactly 0", () => {
  const seed = 1753191; // the first one that has such a value in its first block, at place 6
  assertEquals(new TorchGenerator(seed).rand(16)[6], 0);
  const x = new TorchGenerator(seed).randn(16);
  assertEquals([x[5], x[6], x[14]], [Math.fround(-0.4917808175086975), 0, 0]);
});

Deno.test("random64() keeps all 63 bits", () => {
  assertEquals(new TorchGenerator(42).random64(), 6909045637428952499n);
});

Deno.test("TorchGenerator.getState() resumes exactly, with the cached normal value, also through JSON", () => {
  const generator = new TorchGenerator(7);
  generator.randn(1); // caches the second value of its pair
  generator.rand(700); // ends inside the second block of 624 words
  const state = generator.getState();
  const resumed = new TorchGenerator().setState(
    JSON.parse(JSON.stringify(state)),
  );
  assertEquals(resumed.getState(), state);
  assertEquals(resumed.randn(5), generator.randn(5));
  assertEquals(
    resumed.dropoutMask(1000, 0.3),
    generator.dropoutMask(1000, 0.3),
  );
  assertEquals(resumed.getState(), generator.getState());
});

Deno.test("NumpyGenerator.getState() and PythonGenerator.getState() resume exactly, also through JSON", () => {
  const a = new NumpyGenerator(7);
  a.randn(3);
  const b = new NumpyGenerator().setState(
    JSON.parse(JSON.stringify(a.getState())),
  );
  assertEquals(b.randn(4), a.randn(4));
  assertEquals(b.permutation(1000), a.permutation(1000));
  const c = new PythonGenerator(7);
  c.gauss();
  const d = new PythonGenerator().setState(
    JSON.parse(JSON.stringify(c.getState())),
  );
  assertEquals(repeat(3, () => d.gauss()), repeat(3, () => c.gauss()));
  assertEquals(d.random(), c.random());
});

Deno.test("seeding forgets the cached normal value", () => {
  const a = new TorchGenerator(1);
  a.randn(1);
  assertEquals(a.manualSeed(1).randn(2), new TorchGenerator(1).randn(2));
  const b = new NumpyGenerator(1);
  b.randn(1);
  assertEquals(b.seed(1).randn(2), new NumpyGenerator(1).randn(2));
  const c = new PythonGenerator(1);
  c.gauss();
  assertEquals(c.seed(1).gauss(), new PythonGenerator(1).gauss());
});

Deno.test("setState() refuses what is no state and changes nothing", () => {
  const torch = new TorchGenerator(1);
  const numpy = new NumpyGenerator(1);
  const python = new PythonGenerator(1);
  const states = () => [torch.getState(), numpy.getState(), python.getState()];
  const before = states();
  const { mt } = torch.getState();
  const words = Array.from(mt.words);
  // deno-lint-ignore no-explicit-any
  const bad: any[] = [
    undefined,
    {},
    { words, index: 625 },
    { words, index: 1.5 },
    { words: words.slice(1), index: 0 },
    { words: words.with(3, -1), index: 0 },
    { words: words.with(3, 2 ** 32), index: 0 },
  ].map((mt) => ({ seed: "1", mt, nextNormal: null, nextGauss: null }));
  bad.push(
    undefined,
    { seed: "x", mt, nextNormal: "2", nextGauss: NaN },
    { seed: 1.5, mt, nextNormal: undefined },
  );
  for (const state of bad) {
    for (const generator of [torch, numpy, python]) {
      assertThrows(() => generator.setState(state), RangeError, "getState()");
    }
  }
  assertEquals(states(), before);
});

Deno.test("draws in pieces are the draws in one piece, across blocks and chunks", () => {
  type Draw = (g: TorchGenerator, n: number) => Float32Array | Float64Array;
  const draws: Draw[] = [
    (g, n) => g.rand(n),
    (g, n) => g.rand64(n),
    (g, n) => g.dropoutMask(n, 0.2),
    (g, n) => g.exponential(n),
  ];
  const sizes = [0, 1, 623, 624, 625, 4095, 4096, 4097, 9000];
  const total = sizes.reduce((a, b) => a + b);
  for (const draw of draws) {
    const g = new TorchGenerator(5);
    const pieces = sizes.flatMap((n) => [...draw(g, n)]);
    assertEquals(pieces, [...draw(new TorchGenerator(5), total)]);
  }
});

Deno.test("draws have the moments of their distributions", () => {
  const g = new TorchGenerator(11);
  const n = 200_000;
  const cases: [Float32Array | Int32Array, number, number][] = [
    [g.uniform(n, -1, 3), 1, 16 / 12],
    [g.normal(n, 2, 3), 2, 9],
    [g.exponential(n, 2), 0.5, 0.25],
    [g.bernoulli(n, 0.3), 0.3, 0.21],
    [g.dropoutMask(n, 0.25), 1, 1 / 3],
    [g.randint(n, -3, 4), 0, 4],
  ];
  for (const [x, mean, variance] of cases) {
    let [sum, squares] = [0, 0];
    for (const value of x) {
      sum += value - mean;
      squares += (value - mean) ** 2;
    }
    assert(Math.abs(sum / n) < 5 * sqrt(variance / n), `mean off by ${sum / n}`);
    assert(
      Math.abs(squares / n - variance) < 0.03 * variance,
      `variance ${squares / n}, expected ${variance}`,
    );
  }
});

Deno.test("dropoutMask() with p = 0 or p = 1 draws nothing", () => {
  const g = new TorchGenerator(1);
  assertEquals(g.dropoutMask(3, 0), ones(3));
  assertEquals(g.dropoutMask(3, 1), zeros(3));
  assertEquals(g.getState(), new TorchGenerator(1).getState());
});

Deno.test("arguments out of range are refused before anything is drawn", () => {
  const t = new TorchGenerator(1);
  const n = new NumpyGenerator(1);
  const p = new PythonGenerator(1);
  const states = () => [t.getState(), n.getState(), p.getState()];
  const before = states();
  const refused = [
    () => new TorchGenerator(1.5),
    () => new TorchGenerator(NaN),
    () => new PythonGenerator(2 ** 60),
    () => n.seed(-1),
    () => n.seed(2 ** 32),
    ...[-1, 1.5, NaN, Infinity].flatMap((count) => [
      () => t.rand(count),
      () => t.rand64(count),
      () => t.randn(count),
      () => t.randn64(count),
      () => t.truncNormal(count),
      () => t.randint(count, 0, 2),
      () => t.randint(count, 0, 2 ** 30),
      () => t.randint64(count, 0, 2),
      () => t.randperm(count),
      () => t.bernoulli(count, 0.5),
      () => t.dropoutMask(count, 0.5),
      () => t.exponential(count),
      () => t.multinomial([1, 2], count),
      () => n.randomSample(count),
      () => n.randn(count),
      () => n.randint(count, 0, 2),
      () => n.randint64(count, 0, 2),
      () => n.permutation(count),
      () => n.choice(3, count),
      () => n.choice(count, 1),
      () => p.getrandbits(count),
      () => p.sample([1, 2, 3], count),
      () => p.choices([1, 2, 3], count),
    ]),
    ...[-0.1, 1.1, NaN].flatMap((q) => [
      () => t.bernoulli(2, q),
      () => t.bernoulliEach([0.5, q]),
      () => t.dropoutMask(2, q),
    ]),
    () => t.uniform(2, 1, 0),
    () => t.uniform(2, NaN, 1),
    () => t.uniform(2, 0, Infinity),
    () => t.normal(2, 0, -1),
    () => t.normal(2, 0, NaN),
    () => t.truncNormal(2, 0, 1, 5, 6),
    () => t.truncNormal(2, 0, 1, 1, 1),
    () => t.randint(2, 3, 3),
    () => t.randint(2, 0.5, 3),
    () => t.randint(2, 0, 2 ** 31 + 1),
    () => t.randint64(2, 0n, 2n ** 63n + 1n),
    () => t.exponential(2, 0),
    () => t.multinomial([], 1),
    () => t.multinomial([0, 0], 1),
    () => t.multinomial([1, -1], 1),
    () => t.multinomial([1, NaN], 1),
    () => t.multinomial([1, Infinity], 1),
    () => t.multinomial([1, 0, 2], 3),
    () => n.uniform(2, 1, 0),
    () => n.normal(2, 0, -1),
    () => n.randint(2, 3, 2),
    () => n.choice(0, 1),
    () => n.choice([], 1),
    () => n.choice(3, 4, { replace: false }),
    () => n.choice(3, 1, { p: [0.5, 0.5] }),
    () => n.choice(3, 1, { p: [0.5, 0.4, 0] }),
    () => n.choice(3, 1, { p: [1.5, -0.5, 0] }),
    () => n.choice(3, 3, { replace: false, p: [0.5, 0.5, 0] }),
    () => p.randrange(0),
    () => p.randrange(3, 3),
    () => p.randrange(3, 1),
    () => p.randrange(0, 3, 0),
    () => p.randrange(0.5),
    () => p.randint(2, 1),
    () => p.choice([]),
    () => p.choices([], 1),
    () => p.choices([1, 2], 1, { weights: [1] }),
    () => p.choices([1, 2], 1, { weights: [0, 0] }),
    () => p.choices([1, 2], 1, { weights: [2, -1] }),
    () => p.sample([1, 2], 3),
    () => p.gauss(0, -1),
    () => p.normalvariate(0, NaN),
  ];
  for (const call of refused) {
    assertThrows(call, RangeError, "Cannot ", `${call}`);
  }
  assertEquals(states(), before);
});
