/** The devices that tests run on, and how a test runs on each. */
import { startDevice } from "lib/device.ts";
import { findAdapter } from "lib/engine/webgpu/adapter.ts";

/** Whether this machine has a WebGPU adapter, a software one included. */
export const hasAdapter = (await findAdapter()) !== undefined;

export const devices = ["reference", "cpu", "webgpu"] as const;

/** Registers a test for each device; without an adapter the one for webgpu is skipped and its name says why. */
export function testOnDevices(
  name: string,
  test: (device: typeof devices[number]) => void | Promise<void>,
  on: readonly (typeof devices[number])[] = devices,
) {
  for (const device of on) {
    const skipped = device === "webgpu" && !hasAdapter;
    Deno.test({
      name: `${name} [${device}${skipped ? ": no WebGPU adapter here" : ""}]`,
      ignore: skipped,
      // A device's worker threads and GPU resources outlive the test that started it.
      sanitizeOps: false,
      sanitizeResources: false,
      async fn() {
        await startDevice(device);
        await test(device);
      },
    });
  }
}
