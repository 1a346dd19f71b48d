/** Picks and starts the device that computes: a GPU through WebGPU, or the processor. */
import * as tf from "@tensorflow/tfjs";
import { hasHardwareAdapter } from "./engine/webgpu/adapter.ts";
import "./tensor.ts";

/** The choices of `--device`. */
export const deviceNames = ["auto", "webgpu", "cpu", "reference"] as const;
/** What `--device` takes. */
export type DeviceChoice = typeof deviceNames[number];
/** The device that a run uses, and one line that says which it is and why. */
export interface Device {
  name: "webgpu" | "cpu" | "reference";
  description: string;
}

/**
 * Starts a device and makes it tfjs's backend.
 *
 * - `webgpu`: the GPU, or a software adapter where that is all there is;
 * - `cpu`: our engine, SIMD kernels in WebAssembly on all cores (or `threads` of them);
 * - `reference`: tfjs's plain JavaScript backend: slow, every operation composed as its formula;
 * - `auto`: `webgpu` if there is a hardware adapter, else `cpu`.
 *
 * @throws {InputError} If there is no such device; the message says what to install.
 */
export async function startDevice(
  choice: DeviceChoice = "auto",
  options: { threads?: number } = {},
): Promise<Device> {
  if (choice === "reference") {
    await tf.setBackend("cpu");
    const description = "reference (tfjs's plain JavaScript backend; slow)";
    return { name: "reference", description };
  }
  if (choice === "webgpu" || (choice === "auto" && await hasHardwareAdapter())) {
    const { startWebGPU } = await import("./engine/webgpu/device.ts");
    const adapter = await startWebGPU({ fallback: choice === "webgpu" });
    return { name: "webgpu", description: `webgpu (${adapter})` };
  }
  const { startEngine } = await import("./engine/cpu/index.ts");
  const { threads, relaxed } = await startEngine(options);
  await tf.setBackend("engine");
  const simd = relaxed ? "WebAssembly SIMD with fused multiply-add" : "WebAssembly SIMD";
  const why = choice === "auto" ? "; no hardware WebGPU adapter" : "";
  const cores = `${threads} thread${threads === 1 ? "" : "s"}`;
  return { name: "cpu", description: `cpu (${simd}, ${cores}${why})` };
}
