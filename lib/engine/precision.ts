/**
 * Whether matrix products are to be computed with operands of half precision: `autocast` of
 * lib/amp.ts says so.
 */
import { engine } from "@tensorflow/tfjs-core";

/**
 * The type to which the operands of matrix products are rounded; a kernel reads it when it is
 * called.
 */
export type OperandType = "float32" | "float16";

/** What `autocast` sets. */
export const operands: { dtype: OperandType } = { dtype: "float32" };

/** Whether the active backend is WebGPU on a device that computes with float16. */
export function hasFloat16(): boolean {
  if (engine().backendName !== "webgpu") return false;
  return (engine().backend as unknown as { device: GPUDevice }).device.features.has("shader-f16");
}
