/** Picks and starts the device that computes: a GPU through WebGPU, or the processor. */
import { hasHardwareAdapter } from "./engine/webgpu/adapter.ts";
// tfjs and the engines are imported where a device starts: to know the devices takes no time.

/** The choices of `--device`. */
export const deviceNames = ["auto", "webgpu", "cpu", "reference"] as const;
/** What `--device` takes. */
export type DeviceChoice = typeof deviceNames[number];
/** The device that a run uses, and one line that says which it is and why. */
export interface Device {
  name: "webgpu" | "cpu" | "reference";
  description: string;
}

/** The device that a choice means on this machine: `auto` is webgpu if there is a GPU, else cpu. */
export async function resolveDevice(choice: DeviceChoice): Promise<Device["name"]> {
  if (choice !== "auto") return choice;
  return await hasHardwareAdapter() ? "webgpu" : "cpu";
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
  const name = await resolveDevice(choice);
  const tf = await import("@tensorflow/tfjs");
  await import("./tensor.ts"); // keeps tfjs from printing an advertisement
  if (name === "reference") {
    await tf.setBackend("cpu");
    return { name, description: "reference (tfjs's plain JavaScript backend; slow)" };
  }
  if (name === "webgpu") {
    const { startWebGPU } = await import("./engine/webgpu/start.ts");
    const adapter = await startWebGPU({ fallback: choice === "webgpu" });
    return { name, description: `webgpu (${adapter})` };
  }
  const { startEngine } = await import("./engine/cpu/start.ts");
  const { threads, relaxed } = await startEngine(options);
  await tf.setBackend("engine");
  const simd = relaxed ? "WebAssembly SIMD with fused multiply-add" : "WebAssembly SIMD";
  const why = choice === "auto" ? "; no hardware WebGPU adapter" : "";
  const cores = `${threads} thread${threads === 1 ? "" : "s"}`;
  return { name, description: `cpu (${simd}, ${cores}${why})` };
}
