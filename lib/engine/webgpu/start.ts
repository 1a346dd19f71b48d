/** Starts WebGPU as tfjs's backend, with our kernels. */
import * as tf from "@tensorflow/tfjs-core";
import { InputError } from "../../io/errors.ts";
import { registerOverrides } from "../overrides.ts";
import { registerKernels } from "../registry.ts";
import { describeAdapter, findAdapter } from "./adapter.ts";
import type { Backend } from "./backend.ts";

/** What is asked for if the adapter has it. */
const features = ["timestamp-query", "shader-f16"] as const;

/** Limits that WebGPU holds back unless one asks for them. */
const limits = [
  "maxBufferSize",
  "maxStorageBufferBindingSize",
  "maxStorageBuffersPerShaderStage",
  "maxComputeInvocationsPerWorkgroup",
  "maxComputeWorkgroupSizeX",
  "maxComputeWorkgroupStorageSize",
  "maxComputeWorkgroupsPerDimension",
] as const;

let running: { backend: Backend; description: string; fallback: boolean } | undefined;
let registered = false;

/**
 * Starts a device with all that the adapter offers and makes it tfjs's backend "webgpu". A second
 * call gives the same device, or a new one if that one failed; tensors of a failed device are lost.
 *
 * @param options.fallback Whether a software adapter will do; false by default.
 * @returns The adapter's name.
 * @throws {InputError} If there is no adapter, or only a software one that was not asked for.
 */
export async function startWebGPU({ fallback = false } = {}): Promise<string> {
  if (!running || running.backend.failure || (running.fallback && !fallback)) {
    running = await start(fallback);
  }
  await tf.setBackend("webgpu");
  return running.description;
}

/**
 * The running backend, undefined before the start: for its count of kernel launches, and its
 * device.
 */
export function webgpuBackend(): Backend | undefined {
  return running?.backend;
}

async function start(fallback: boolean) {
  const adapter = await findAdapter();
  if (!adapter) {
    throw new InputError(
      "Found no WebGPU adapter: install the graphics card's Vulkan driver (a software one on " +
        "Debian or Ubuntu: apt-get install libvulkan1 mesa-vulkan-drivers) or use --device=cpu",
    );
  }
  if (adapter.info.isFallbackAdapter && !fallback) {
    throw new InputError(
      `Found only a software WebGPU adapter (${adapter.info.description}): ` +
        "use --device=cpu, which is faster",
    );
  }
  const description = describeAdapter(adapter);
  const device = await adapter.requestDevice({
    requiredFeatures: features.filter((name) => adapter.features.has(name)),
    requiredLimits: Object.fromEntries(limits.map((name) => [name, adapter.limits[name]])),
  });
  // Software drivers have been seen to crash where a process ended with the device still at work.
  globalThis.addEventListener("unload", () => device.destroy());
  // Imported only now: the import alone makes an unstarted WebGPU tfjs's preferred backend.
  const { Backend } = await import("./backend.ts");
  const { kernels } = await import("./table.ts");
  const { overrides } = await import("./overrides.ts");
  const backend = new Backend(device, adapter.info);
  if (!registered) { // once: another device has the same kernels
    registerOverrides("webgpu", overrides);
    registerKernels("webgpu", kernels);
    registered = true;
  }
  tf.removeBackend("webgpu");
  tf.registerBackend("webgpu", () => backend);
  return { backend, description, fallback: adapter.info.isFallbackAdapter };
}
