/** Sampling on each device against computations on the host that share no code with it. */
import * as tf from "@tensorflow/tfjs";
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import * as F from "lib/functional.ts";
import { torch, TorchGenerator } from "lib/random.ts";
import { values } from "lib/tensor.ts";
import { nextToken, readTokens, type SamplingOptions } from "lib/sampling.ts";
import { testOnDevices } from "../helpers/devices.ts";

const generator = new TorchGenerator(11);
const split = (data: ArrayLike<number>, V: number): number[][] =>
  Array.from(
    { length: data.length / V },
    (_, i) => Array.prototype.slice.call(data, i * V, (i + 1) * V),
  );

/** The numbers that `f` makes of rows (N, V). */
async function onRows(rows: ArrayLike<number>[], f: (x: tf.Tensor) => tf.Tensor) {
  const V = rows[0].length;
  const x = tf.tensor(Float32Array.from(rows.flatMap((row) => Array.from(row))), [rows.length, V]);
  return [...await values(() => f(x))];
}

const normal = (n: number, V: number) => split(generator.randn(n * V), V);
/** Whole numbers: many equal ones, 0 and -0 among them. */
const coarse = (n: number, V: number) =>
  split(generator.randint(n * V, -4, 5), V).map((row) => row.map((x, i) => i % 2 ? x : -x));

testOnDevices("topK() keeps the k largest of each row and what equals the least", async () => {
  for (const [n, V] of [[3, 1], [2, 2], [40, 65], [5, 257], [3, 1031], [1, 50257]]) {
    for (const rows of [normal(n, V), coarse(n, V)]) {
      for (const k of new Set([1, 2, Math.ceil(V / 3), V - 1, V, V + 5])) {
        if (k < 1) continue;
        const expected = rows.map((row) => {
          const least = row.toSorted((a, b) => b - a)[Math.min(k, V) - 1];
          return row.map((x) => x >= least ? x : -Infinity);
        });
        assertEquals(
          (await onRows(rows, (x) => F.topK(x, k))).map((x) => x + 0),
          expected.flat().map((x) => x + 0),
          `k=${k} of ${V}`,
        );
      }
    }
  }
  const special = [[-Infinity, 3, -Infinity, 1e-30], [Infinity, -1e30, -0, -1e-30]];
  assertEquals(
    await onRows(special, (x) => F.topK(x, 2)),
    [-Infinity, 3, -Infinity, Math.fround(1e-30), Infinity, -Infinity, -0, -Infinity],
  );
  const three = tf.tensor3d([[[1, 2, 3]], [[6, 5, 4]]]);
  const kept = F.topK(three, 1);
  assertEquals(kept.shape, [2, 1, 3]);
  assertEquals([...await kept.data()], [-Infinity, -Infinity, 3, 6, -Infinity, -Infinity]);
});

testOnDevices("topP() keeps the fewest tokens of that probability", async () => {
  for (const [n, V] of [[2, 1], [40, 65], [3, 1031], [1, 50257]]) {
    const rows = normal(n, V).map((row) => {
      const exps = row.map((x) => Math.exp(3 * x)), sum = exps.reduce((a, b) => a + b);
      return row.map((_, i) => Math.fround(exps[i] / sum));
    });
    for (const mass of V > 5000 ? [0.9] : [1e-6, 0.3, 0.9, 0.999]) {
      const actual = split(await onRows(rows, (p) => F.topP(p, mass)), V);
      for (const [b, row] of rows.entries()) {
        const order = [...row.keys()].sort((i, j) => row[j] - row[i] || i - j);
        let before = 0;
        for (const i of order) {
          const near = Math.abs(before - mass) < 1e-5; // where rounding may decide
          if (!near) assertEquals(actual[b][i], before < mass ? row[i] : 0, `${V} ${mass}`);
          before += row[i];
        }
      }
    }
  }
  const equal = [[0.25, 0.25, 0.25, 0.25], [0.125, 0.5, 0.125, 0.25]];
  const kept = (mass: number) => onRows(equal, (p) => F.topP(p, mass));
  assertEquals(await kept(0.5), [0.25, 0.25, 0, 0, 0, 0.5, 0, 0]);
  assertEquals(await kept(0.6), [0.25, 0.25, 0.25, 0, 0, 0.5, 0, 0.25]);
  assertEquals(await kept(0.8), [0.25, 0.25, 0.25, 0.25, 0.125, 0.5, 0, 0.25]);
  assertEquals(await kept(1), equal.flat());
  assertEquals(await onRows([[0.25, 0, 0.25]], (p) => F.topP(p, 0.9)), [0.25, 0, 0.25]);
});

testOnDevices(
  "greedy() finds the first of the largest, and rows that are not numbers",
  async () => {
    for (const [n, V] of [[3, 1], [40, 65], [5, 1031], [2, 50257]]) {
      for (const rows of [normal(n, V), coarse(n, V)]) {
        const expected = rows.map((row) => row.reduce((best, x, i) => x > row[best] ? i : best, 0));
        assertEquals(await onRows(rows, F.greedy), expected);
      }
    }
    const [inf, nan] = [Infinity, NaN];
    const special = [[nan, 1], [1, nan], [inf, 1], [-inf, -inf], [-inf, -1e30], [-0, 0], [-1, -2]];
    assertEquals(await onRows(special, F.greedy), [-1, -1, -1, -1, 1, 0, 0]);
  },
);

testOnDevices("multinomial() draws what torch.multinomial draws, row by row", async () => {
  for (const [n, V] of [[50, 1], [4000, 67], [20, 1031], [2, 50257]]) {
    const rows = normal(n, V).map((row) => row.map((x, i) => i > 0 && x > 1 ? 0 : x * x + 1e-3));
    torch.manualSeed(n);
    const actual = await onRows(rows, F.multinomial);
    const after = torch.rand(1);
    torch.manualSeed(n);
    const race = torch.exponential(n * V); // an exponential race, in float32
    assertEquals(torch.rand(1), after);
    for (const [b, row] of rows.entries()) {
      const score = (i: number) => Math.fround(Math.fround(row[i]) / race[b * V + i]);
      const best = row.reduce((best, _, i) => score(i) > score(best) ? i : best, 0);
      // A GPU need not round a quotient correctly.
      const close = score(actual[b]) >= score(best) * (1 - 1e-6);
      assert(actual[b] === best || close, `row ${b}: ${best} expected, ${actual[b]} received`);
    }
  }
  const wrong = [[NaN, 1], [1, -1], [Infinity, 1], [0, 0], [-0, 2], [-NaN, -0]];
  assertEquals(await onRows(wrong, F.multinomial), [-1, -1, -1, -1, 1, -1]);
});

/** A token by PyTorch's rules, with sorting. */
function choose(logits: number[], race: ArrayLike<number>, options: SamplingOptions) {
  const { temperature = 1, top_k = Infinity, top_p = 1 } = options;
  const scaled = logits.map((x) => Math.fround(Math.fround(x) / Math.fround(temperature)));
  const order = [...scaled.keys()].sort((i, j) => scaled[j] - scaled[i] || i - j);
  const least = scaled[order[Math.min(top_k, logits.length) - 1]];
  const weights = scaled.map((x) => x < least ? 0 : Math.exp(x - scaled[order[0]]));
  const sum = weights.reduce((a, b) => a + b);
  const scores: number[] = logits.map(() => 0);
  let before = 0;
  for (const i of order) {
    if (before < top_p - 1e-7) scores[i] = weights[i] / sum / race[i];
    before += weights[i] / sum;
  }
  return { scores, best: scores.indexOf(Math.max(...scores)) };
}

/** What nextToken() chooses. */
async function chosen(logits: tf.Tensor, options?: SamplingOptions): Promise<number[]> {
  return (await Array.fromAsync(readTokens([nextToken(logits, options)])))[0];
}

testOnDevices("nextToken() chooses PyTorch's token for each of thousands of rows", async () => {
  const V = 67, n = 1000;
  const rows = normal(n, V).map((row) => row.map((x) => 3 * x));
  const logits = tf.tensor2d(rows);
  const cases: SamplingOptions[] = [
    {},
    { temperature: 0.8, top_k: 10 },
    { top_p: 0.9 },
    { temperature: 1.3, top_k: 30, top_p: 0.7 },
    { top_k: 1 },
  ];
  let differing = 0;
  for (const options of cases) {
    torch.manualSeed(5);
    const actual = await chosen(logits, { do_sample: true, ...options });
    torch.manualSeed(5);
    const race = torch.exponential(n * V);
    for (const [b, row] of rows.entries()) {
      const { scores, best } = choose(row, race.subarray(b * V, (b + 1) * V), options);
      if (actual[b] === best) continue;
      differing++;
      assert(scores[actual[b]] > scores[best] * (1 - 1e-4), `${JSON.stringify(options)} row ${b}`);
    }
  }
  assert(differing <= 2, `${differing} tokens differ`);
  assertEquals(await chosen(logits), rows.map((row) => row.indexOf(Math.max(...row))));
});

testOnDevices("readTokens() says that scores are no numbers", async () => {
  for (const wrong of [[NaN, 1, 2], [-Infinity, -Infinity, -Infinity], [1, Infinity, 0]]) {
    for (const options of [{}, { top_k: 2 }, { top_p: 0.5 }]) {
      const logits = tf.tensor2d([[1, 2, 3], wrong]);
      await assertRejects(
        () => chosen(logits, { do_sample: true, ...options }),
        RangeError,
        "not numbers",
      );
    }
  }
  const logits = tf.tensor2d([[1, -Infinity, 2]]);
  const drawn = new Set<number>();
  for (let i = 0; i < 30; i++) drawn.add((await chosen(logits, { do_sample: true }))[0]);
  assertEquals([...drawn].sort(), [0, 2]);
  for (const options of [{ temperature: 0 }, { top_k: 0 }, { top_p: 0 }, { top_p: 1.1 }]) {
    assertThrows(() => nextToken(logits, options), RangeError, "Cannot sample");
  }
});
