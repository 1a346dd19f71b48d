/**
 * The kernels of tfjs's WebGPU backend that fail or are inexact, replaced under their own names.
 */
import * as tf from "@tensorflow/tfjs-core";
import type { Override } from "../overrides.ts";
import { backend, launch, maxBuffers, read, u32, write } from "./runtime.ts";

type Info = tf.TensorInfo;
type Inputs = Record<string, Info>;

/** The kernels, by tfjs's names. */
export const overrides: Record<string, Override> = {
  AddN: addN,
  Cumsum: cumulate("Cumsum"),
  Cumprod: cumulate("Cumprod"),
  ArgMax: scalarOfVector,
  ArgMin: scalarOfVector,
  Log1p: nearZero("Log1p"),
  Expm1: nearZero("Expm1"),
};

const size = (t: Info) => tf.util.sizeFromShape(t.shape);

/**
 * tfjs binds all terms at once, which fails with more than 7 where the adapter allows 8 tensors to
 * a kernel.
 */
function addN(terms: Info[]): Info | undefined {
  const [{ shape, dtype }] = terms;
  const alike = terms.every((t) => t.dtype === dtype && tf.util.arraysEqual(t.shape, shape));
  if (!alike || terms.length < 8 || size(terms[0]) === 0 || dtype === "complex64") return;
  const sum = backend().makeTensorInfo(shape, dtype);
  for (let done = 0; done < terms.length;) {
    const first = done === 0;
    const chunk = terms.slice(done, done += maxBuffers() - 1);
    launch({
      name: "AddN",
      variant: `${chunk.length} ${first}`,
      buffers: {
        ...Object.fromEntries(chunk.map((t, j) => [`term${j}`, read(t)])),
        sum: write(sum),
      },
      uniforms: { size: u32(size(sum)) },
      threads: 256,
      groups: Math.ceil(size(sum) / 256),
      body: () => `
  if (i < u.size) { sum[i] = ${first ? "" : "sum[i] + "}${
        chunk.map((_, j) => `term${j}[i]`).join(" + ")
      }; }`,
    });
  }
  return sum;
}

/**
 * Running sums or products along an axis: a thread takes a short line of the tensor, a workgroup a
 * long one, 256 elements at a time, which it scans in workgroup memory. tfjs makes a kernel for
 * each power of two up to the length, and fails for long rows.
 */
function cumulate(name: "Cumsum" | "Cumprod"): Override {
  const operator = name === "Cumsum" ? "+" : "*";
  return ({ x }: Inputs, attrs: { axis: number; exclusive: boolean; reverse: boolean }) => {
    if (size(x) === 0 || x.shape.length === 0) return;
    if (x.dtype !== "float32" && x.dtype !== "int32") return;
    const [axis] = tf.util.parseAxisParam(attrs.axis, x.shape);
    const length = x.shape[axis];
    const inner = tf.util.sizeFromShape(x.shape.slice(axis + 1));
    const lines = size(x) / length;
    const type = x.dtype === "float32" ? "f32" : "i32";
    const unit = `${type}(${name === "Cumsum" ? 0 : 1})`;
    const y = backend().makeTensorInfo(x.shape, x.dtype);
    const common = {
      name,
      buffers: { x: read(x), y: write(y) },
      uniforms: { length: u32(length), inner: u32(inner), lines: u32(lines) },
      threads: 256,
    };
    const at = `first + ${attrs.reverse ? "(u.length - 1u - place)" : "place"} * u.inner`;
    if (length <= 256) {
      launch({
        ...common,
        variant: `short ${attrs.exclusive} ${attrs.reverse}`,
        groups: Math.ceil(lines / 256),
        body: () => `
  if (i >= u.lines) { return; }
  let first = (i / u.inner) * u.length * u.inner + i % u.inner;
  var result = ${unit};
  for (var place = 0u; place < u.length; place++) {
    let at = ${at};
    ${attrs.exclusive ? `y[at] = result;` : ""}
    result = result ${operator} x[at];
    ${attrs.exclusive ? "" : `y[at] = result;`}
  }`,
      });
      return y;
    }
    launch({
      ...common,
      variant: `${attrs.exclusive} ${attrs.reverse}`,
      groups: lines,
      globals: () => `var<workgroup> values: array<${type}, 256>;`,
      body: () => `
  if (group >= u.lines) { return; }
  let first = (group / u.inner) * u.length * u.inner + group % u.inner;
  var before = ${unit}; // of all earlier blocks
  for (var start = 0u; start < u.length; start += 256u) {
    let place = start + t;
    let at = ${at};
    var own = ${unit};
    if (place < u.length) { own = x[at]; }
    values[t] = own;
    workgroupBarrier();
    for (var width = 1u; width < 256u; width = width * 2u) {
      var other = ${unit};
      if (t >= width) { other = values[t - width]; }
      workgroupBarrier();
      values[t] = values[t] ${operator} other;
      workgroupBarrier();
    }
    ${
        attrs.exclusive
          ? `var result = before; if (t > 0u) { result = before ${operator} values[t - 1u]; }`
          : `let result = before ${operator} values[t];`
      }
    if (place < u.length) { y[at] = result; }
    before = before ${operator} values[255];
    workgroupBarrier();
  }`,
    });
    return y;
  };
}

/** tfjs gives the index of the largest element of a vector the shape [1] instead of []. */
function scalarOfVector({ x }: Inputs, _: unknown, inherited: () => Info): Info | undefined {
  if (x.shape.length === 1) return { ...inherited(), shape: [] };
}

/**
 * log(1 + x) and exp(x) - 1, which tfjs computes by just these formulas: near 0 nothing is left of
 * x in 1 + x.
 */
function nearZero(name: "Log1p" | "Expm1"): Override {
  const log = name === "Log1p";
  // Taylor's coefficients of x^1, x^2, ...: so many are exact to float32 in the range below.
  const factorial = (n: number): number => n < 2 ? 1 : n * factorial(n - 1);
  const coefficients = Array.from(
    { length: 9 },
    (_, i) => log ? (i % 2 === 0 ? 1 : -1) / (i + 1) : 1 / factorial(i + 1),
  );
  const series = coefficients.reduceRight(
    (rest, c) => `(${c.toExponential(9)} + v * ${rest})`,
    "0.0",
  );
  return ({ x }: Inputs) => {
    if (size(x) === 0 || x.dtype !== "float32") return;
    const y = backend().makeTensorInfo(x.shape, "float32");
    launch({
      name,
      buffers: { x: read(x), y: write(y) },
      uniforms: { size: u32(size(x)) },
      threads: 256,
      groups: Math.ceil(size(x) / 256),
      body: () => `
  if (i < u.size) {
    let v = x[i];
    if (abs(v) < ${log ? 0.1 : 0.5}) { y[i] = v * ${series}; } else { y[i] = ${
        log ? "log(1.0 + v)" : "exp(v) - 1.0"
      }; }
  }`,
    });
    return y;
  };
}
