/**
 * Choosing from rows of scores or probabilities (N, V): a workgroup to a row, and no sorting.
 * Numbers are compared by their bits, as WGSL lets a compiler assume that there are no infinities
 * and NaNs.
 */
import * as tf from "@tensorflow/tfjs-core";
import { torch } from "../../random.ts";
import { usable } from "../checks.ts";
import { rowReductions } from "./rows.ts";
import { empty, f32, launch, read, u32, write } from "./runtime.ts";

type Tensor = tf.Tensor;

const infinity = "0x7f800000u"; // its bits; those of a NaN without its sign are larger

/** Whole numbers in the order of the scores of these bits, NaN above all. */
const order = `
fn order(bits: u32) -> u32 {
  if ((bits & 0x7fffffffu) > ${infinity}) { return 0xffffffffu; }
  if (bits == 0x80000000u) { return bits; } // -0 equals 0
  return select(bits | 0x80000000u, ~bits, bits >= 0x80000000u);
}`;

const fits = (x: Tensor) => usable(x) && x.rank > 0;

/** What all kernels here have in common. */
function overRows(x: Tensor) {
  const V = x.shape.at(-1)!, N = x.size / V;
  const threads = V <= 1024 ? 64 : 256;
  return {
    common: { threads, groups: N },
    sizes: { rows: u32(N), columns: u32(V) },
    place: `
  if (group >= u.rows) { return; }
  let first = group * u.columns + t; // of this thread's elements
  let end = (group + 1u) * u.columns;`,
    /** A loop over this thread's elements. */
    each: (lines: string) => `for (var at = first; at < end; at += ${threads}u) { ${lines} }`,
  };
}

/**
 * The k largest scores of a row: see lib/functional.ts. The k-th largest score is found by radix
 * select: whole numbers in the order of the scores (NaN above all) are counted by their highest
 * byte, then those that share the byte of the k-th by the next one, and so on.
 */
export function topK(scores: Tensor, k: number): Tensor | undefined {
  if (!fits(scores) || k >= scores.shape.at(-1)!) return;
  const y = empty(scores.shape);
  const { common, sizes, place, each } = overRows(scores);
  launch({
    ...common,
    name: "topK",
    buffers: { x: read(scores, "u32"), y: write(y, "u32") },
    uniforms: { ...sizes, k: u32(k) },
    globals: () => `
var<workgroup> counts: array<atomic<u32>, 256>;
var<workgroup> chosen: u32; // the bytes of the k-th largest so far
var<workgroup> left: u32; // its place among those that share them
${order}`,
    body: () =>
      `${place}
  if (t == 0u) { chosen = 0u; left = u.k; }
  for (var shift = 24i; shift >= 0i; shift -= 8i) {
    for (var byte = t; byte < 256u; byte += ${common.threads}u) { atomicStore(&counts[byte], 0u); }
    workgroupBarrier();
    let above = 0xffffff00u << u32(shift); // the bits that are chosen
    let same = chosen;
    ${
        each(`
      let value = order(x[at]);
      if ((value & above) == same) { atomicAdd(&counts[(value >> u32(shift)) & 255u], 1u); }`)
      }
    workgroupBarrier();
    if (t == 0u) {
      var byte = 255u;
      var count = atomicLoad(&counts[byte]);
      while (count < left) {
        left -= count;
        byte--;
        count = atomicLoad(&counts[byte]);
      }
      chosen |= byte << u32(shift);
    }
    workgroupBarrier();
  }
  let least = chosen;
  ${each("y[at] = select(x[at], 0xff800000u, order(x[at]) < least);")} // or -infinity`,
  });
  return y;
}

/**
 * The fewest most probable tokens that have the probability `mass`: see lib/functional.ts. The
 * smallest probability that is kept is found by bisection over its bits: it is the smallest one
 * above which there is less than `mass`. Where only the first of several that equal it are kept,
 * another bisection finds the last of them.
 */
export function topP(probabilities: Tensor, mass: number): Tensor | undefined {
  if (!fits(probabilities)) return;
  const y = empty(probabilities.shape);
  const { common, sizes, place, each } = overRows(probabilities);
  launch({
    ...common,
    name: "topP",
    buffers: { p: read(probabilities, "u32"), y: write(y, "u32") },
    uniforms: { ...sizes, mass: f32(mass) },
    globals: () => rowReductions({ ...common, lanes: common.threads }, "row_sum"),
    body: () =>
      `${place}
  var low = 0u;
  var high = ${infinity}; // in the end the smallest that is kept
  var above = 0.0; // the sum of those larger than it
  while (low < high) {
    let middle = low + (high - low) / 2u;
    var own = 0.0;
    ${each("if (p[at] > middle) { own += bitcast<f32>(p[at]); }")}
    let sum = row_sum(own, t);
    if (sum < u.mass) { high = middle; above = sum; } else { low = middle + 1u; }
  }
  var own = 0.0;
  ${each("if (p[at] == high) { own += 1.0; }")}
  let equal = row_sum(own, t);
  var last = end; // of those that equal it
  let kept = ceil((u.mass - above) / bitcast<f32>(high));
  if (high != 0u && kept < equal) {
    var begin = end - u.columns;
    while (begin < last) {
      let middle = begin + (last - begin) / 2u;
      var own = 0.0;
      ${each("if (p[at] == high && at <= middle) { own += 1.0; }")}
      if (row_sum(own, t) < kept) { begin = middle + 1u; } else { last = middle; }
    }
  }
  ${each("y[at] = select(0u, p[at], p[at] > high || (p[at] == high && at <= last));")}`,
  });
  return y;
}

/** The place of the largest score of each row: see lib/functional.ts. */
export function greedy(scores: Tensor): Tensor | undefined {
  if (!fits(scores)) return;
  return winners("greedy", scores, { x: read(scores, "u32") }, {
    globals: order,
    score: `
      let own = order(x[at]);
      if (own >= 0xff800000u) { atomicStore(&wrong, 1u); } // infinity, or NaN`,
    lowest: "0x007fffffu", // -infinity
  });
}

/**
 * A token for each row, drawn in proportion to its probabilities: see lib/functional.ts. PyTorch's
 * draws are made on the host; the race is run here.
 */
export function multinomial(p: Tensor): Tensor | undefined {
  if (!fits(p)) return;
  const q = tf.tensor1d(torch.exponential(p.size));
  const ids = winners("multinomial", p, { p: read(p, "u32"), q: read(q) }, {
    globals: "",
    score: `
      var own = 0u; // bits of positive numbers have their order
      if ((p[at] & 0x7fffffffu) >= ${infinity} || p[at] > 0x80000000u) { atomicStore(&wrong, 1u); }
      else if (p[at] != 0u && p[at] != 0x80000000u) {
        own = bitcast<u32>(bitcast<f32>(p[at]) / q[at]);
      }`,
    lowest: "0u",
  });
  q.dispose();
  return ids;
}

/**
 * The place of each row's largest `own`, which `score` computes of the element `at`; -1 if none is
 * above `lowest` or if `score` says that the row is wrong.
 */
function winners(
  name: string,
  x: Tensor,
  buffers: Record<string, ReturnType<typeof read>>,
  { globals, score, lowest }: { globals: string; score: string; lowest: string },
): Tensor {
  const ids = empty(x.shape.slice(0, -1), "int32");
  const { common, sizes, place, each } = overRows(x);
  launch({
    ...common,
    name,
    buffers: { ...buffers, ids: write(ids) },
    uniforms: sizes,
    globals: () => `
var<workgroup> scores: array<u32, ${common.threads}>;
var<workgroup> places: array<u32, ${common.threads}>;
var<workgroup> wrong: atomic<u32>;
${globals}`,
    body: () =>
      `${place}
  if (t == 0u) { atomicStore(&wrong, 0u); }
  workgroupBarrier();
  var highest = ${lowest}; // of this thread's elements
  var best = end;
  ${
        each(`${score}
      if (own > highest) { highest = own; best = at; }`)
      }
  scores[t] = highest;
  places[t] = best;
  workgroupBarrier();
  for (var width = ${common.threads / 2}u; width > 0u; width = width / 2u) {
    if (t < width) {
      let other = scores[t + width];
      let place = places[t + width];
      if (other > scores[t] || (other == scores[t] && place < places[t])) {
        scores[t] = other;
        places[t] = place;
      }
    }
    workgroupBarrier();
  }
  if (t == 0u) {
    let valid = scores[0] > ${lowest} && atomicLoad(&wrong) == 0u;
    ids[group] = select(-1, i32(places[0] + u.columns - end), valid);
  }`,
  });
  return ids;
}
