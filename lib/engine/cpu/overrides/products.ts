/** Products of matrices, batches of them included. */
import { _FusedMatMul, backend_util, BatchMatMul, type TensorInfo } from "@tensorflow/tfjs-core";
import type { Override } from "../../overrides.ts";
import { type Epilogue, matmul, type Matrices } from "../matmul.ts";
import { at, atOrZero, output } from "../runtime.ts";
import { type Inputs, sameShape, size } from "./shapes.ts";

/** The kernels, by tfjs's names. */
export const products: Record<string, Override> = {
  [BatchMatMul]: ({ a, b }: Inputs, { transposeA, transposeB }) =>
    multiply(a, b, transposeA, transposeB),
  [_FusedMatMul]: ({ a, b, bias }: Inputs, { transposeA, transposeB, activation }) => {
    if (activation !== "linear" && activation !== "relu" && activation !== "sigmoid") return;
    const n = b.shape[b.shape.length - (transposeB ? 2 : 1)];
    if (bias !== undefined && (bias.dtype !== "float32" || size(bias.shape) !== n)) return;
    return multiply(a, b, transposeA, transposeB, { bias: atOrZero(bias), activation });
  },
};

function matrices(x: TensorInfo, transposed: boolean): Matrices {
  const rank = x.shape.length;
  const rows = x.shape[rank - 2], columns = x.shape[rank - 1];
  const batches = size(x.shape.slice(0, -2));
  return {
    pointer: at(x),
    batch: batches === 1 ? 0 : rows * columns,
    row: transposed ? 1 : columns,
    column: transposed ? columns : 1,
  };
}

function multiply(
  a: TensorInfo,
  b: TensorInfo,
  transposeA: boolean,
  transposeB: boolean,
  epilogue?: Epilogue,
): TensorInfo | undefined {
  if (a.dtype !== "float32" || b.dtype !== "float32") return;
  const rankA = a.shape.length, rankB = b.shape.length;
  const m = a.shape[rankA - (transposeA ? 1 : 2)], k = a.shape[rankA - (transposeA ? 2 : 1)];
  const n = b.shape[rankB - (transposeB ? 2 : 1)], kB = b.shape[rankB - (transposeB ? 1 : 2)];
  const outerA = a.shape.slice(0, -2), outerB = b.shape.slice(0, -2);
  const batchA = size(outerA), batchB = size(outerB);
  if (k !== kB || k === 0) return;
  if (!sameShape(outerA, outerB) && batchA !== 1 && batchB !== 1) return;
  const outer = backend_util.assertAndGetBroadcastShape(outerA, outerB);
  const { info, pointer } = output([...outer, m, n]);
  const batch = Math.max(batchA, batchB);
  if (m === 0 || n === 0 || batchA === 0 || batchB === 0) return info;
  const out = { pointer, batch: m * n, row: n, column: 1 };
  matmul(out, matrices(a, transposeA), matrices(b, transposeB), m, n, k, batch, epilogue);
  return info;
}
