/** How an engine puts a kernel of its own in the place of one that its tfjs backend has. */
import {
  getKernel,
  type KernelFunc,
  registerKernel,
  type TensorInfo,
  unregisterKernel,
} from "@tensorflow/tfjs-core";

/**
 * A kernel in the place of one of tfjs. It declines a call that it cannot do by returning
 * undefined: then the replaced kernel runs, which it may also call itself.
 */
export type Override = (
  // tfjs types inputs and attributes as records of anything: each kernel knows its own.
  // deno-lint-ignore no-explicit-any
  inputs: any,
  // deno-lint-ignore no-explicit-any
  attrs: any,
  inherited: () => TensorInfo,
) => TensorInfo | TensorInfo[] | undefined;

/**
 * Puts overrides, by the names of tfjs's kernels, into a backend that has kernels of these names.
 */
export function registerOverrides(backendName: string, overrides: Record<string, Override>): void {
  for (const [name, override] of Object.entries(overrides)) {
    const { kernelFunc: inherited, ...config } = getKernel(name, backendName);
    const kernelFunc: KernelFunc = (params) =>
      override(params.inputs, params.attrs, () => inherited(params) as TensorInfo) ??
        inherited(params);
    unregisterKernel(name, backendName);
    registerKernel({ ...config, kernelName: name, backendName, kernelFunc });
  }
}
