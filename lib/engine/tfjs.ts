/** tfjs's own backends, without our kernels: what the devices are measured against. */
import * as tf from "@tensorflow/tfjs";
import { hasHardwareAdapter } from "./webgpu/adapter.ts";

/**
 * Starts tfjs's backends and leaves the active one as it is. Each is the name of a tfjs backend on
 * which the operations of lib/functional.ts run as their formulas:
 *
 * - `cpu`: plain JavaScript;
 * - `wasm`: WebAssembly with SIMD, on one thread (with more it does not start in Deno); lacks some
 *   operations;
 * - `tfjs-webgpu`: WebGPU, on our device and its driver; only where there is a GPU, or where it is
 *   started already.
 */
export async function startTfjsBackends(): Promise<string[]> {
  const active = tf.getBackend();
  const names = ["cpu", "wasm"];
  const { setWasmPaths } = await import("@tensorflow/tfjs-backend-wasm");
  const files = ["", "-simd", "-threaded-simd"].map((kind) => `tfjs-backend-wasm${kind}.wasm`);
  const address = (file: string) =>
    import.meta.resolve(`@tensorflow/tfjs-backend-wasm/wasm-out/${file}`);
  tf.env().set("WASM_HAS_MULTITHREAD_SUPPORT", false);
  setWasmPaths(Object.fromEntries(files.map((file) => [file, address(file)])));
  if (active === "webgpu" || await hasHardwareAdapter()) {
    const { startWebGPU, webgpuBackend } = await import("./webgpu/start.ts");
    await startWebGPU({ fallback: true });
    if (!tf.findBackend("tfjs-webgpu")) {
      // A name for which we have no kernels.
      tf.registerBackend("tfjs-webgpu", () => webgpuBackend()!, 0);
      tf.copyRegisteredKernels("webgpu", "tfjs-webgpu");
    }
    names.push("tfjs-webgpu");
  }
  await tf.setBackend(active);
  return names;
}
