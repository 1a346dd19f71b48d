/** The tfjs kernels that the engine replaces. */
import {
  Add,
  copyRegisteredKernels,
  getKernel,
  type KernelFunc,
  registerKernel,
  type TensorInfo,
  unregisterKernel,
  util,
} from "@tensorflow/tfjs-core";
import { at, output, parallel } from "./index.ts";

type Inputs = Record<string, TensorInfo>;

/**
 * Registers kernel `name` for the backend "engine". `kernel` returns undefined
 * for what it does not do; then the inherited kernel runs.
 */
function register(
  name: string,
  // deno-lint-ignore no-explicit-any
  kernel: (inputs: any, attrs: any) => TensorInfo | TensorInfo[] | undefined,
) {
  const inherited = getKernel(name, "cpu").kernelFunc;
  const kernelFunc: KernelFunc = (params) =>
    kernel(params.inputs, params.attrs) ?? inherited(params);
  unregisterKernel(name, "engine");
  registerKernel({ kernelName: name, backendName: "engine", kernelFunc });
}

/** Registers all kernels; the backend must be registered already. */
export function registerEngineKernels() {
  copyRegisteredKernels("cpu", "engine");
  register(Add, ({ a, b }: Inputs) => {
    if (a.dtype !== "float32" || b.dtype !== "float32") return;
    if (!util.arraysEqual(a.shape, b.shape)) return;
    const { info, pointer } = output(a.shape);
    const size = util.sizeFromShape(a.shape);
    parallel("addSame", [pointer, at(a), at(b)], size, 16384);
    return info;
  });
}
