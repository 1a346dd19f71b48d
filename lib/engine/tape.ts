/** How a kernel gets onto the tape from which tfjs computes gradients. */
import { engine, type Tensor } from "@tensorflow/tfjs-core";

/** Gradients by input name, each computed only if it is asked for. */
export type Gradients = Record<string, () => Tensor>;

interface Tape {
  runKernelFunc(operation: {
    inputs: Record<string, Tensor>;
    forwardFunc: (backend: unknown, save: (tensors: Tensor[]) => void) => Tensor;
    backwardsFunc: (dy: Tensor, saved: Tensor[]) => Gradients;
  }): Tensor[] | Tensor;
}

/**
 * Runs an operation that has a gradient of its own: tfjs's `customGrad`, except that inputs have
 * names, and that a gradient that nobody needs (of the data, of a frozen weight) is not computed.
 *
 * @param inputs The float32 tensors that the result can be differentiated by
 * @param forward Computes the result; `save` keeps tensors for `backward`
 * @param backward The gradients of the inputs, given that of the result and what was saved
 */
export function differentiable(
  inputs: Record<string, Tensor>,
  forward: (save: (tensors: Tensor[]) => void) => Tensor,
  backward: (dy: Tensor, saved: Tensor[]) => Gradients,
): Tensor {
  // tfjs declares this method, of which customGrad is a wrapper, as private.
  const result = (engine() as unknown as Tape).runKernelFunc({
    inputs,
    forwardFunc: (_, save) => forward(save),
    backwardsFunc: backward,
  });
  return Array.isArray(result) ? result[0] : result;
}
