/** A GPU's slow reads, on any machine. */
import * as tf from "@tensorflow/tfjs";
import { MathBackendCPU } from "@tensorflow/tfjs-backend-cpu";

/** Runs `f` on a backend that answers a read after `ms` milliseconds, and otherwise is tfjs's plain one. */
export async function withLateReads<T>(ms: number, f: () => Promise<T>): Promise<T> {
  class Late extends MathBackendCPU {
    override async read(id: Parameters<MathBackendCPU["read"]>[0]) {
      await new Promise((resolve) => setTimeout(resolve, ms));
      return await super.read(id);
    }
  }
  const name = "late-webgpu";
  tf.registerBackend(name, () => new Late());
  tf.copyRegisteredKernels("cpu", name);
  await tf.setBackend(name);
  try {
    return await f();
  } finally {
    await tf.setBackend("cpu");
    tf.removeBackend(name);
    for (const { kernelName } of tf.getKernelsForBackend(name)) {
      tf.unregisterKernel(kernelName, name);
    }
  }
}
