/** The compiled kernels: kernels.wasm, or kernels-plain.wasm where there is no relaxed SIMD. */
import type { ModuleExports } from "./control.ts";
import { RESERVED } from "./memory.ts";

/** An instance of the kernels over a memory. */
export interface Kernels {
  module: WebAssembly.Module;
  instance: WebAssembly.Instance;
  /** Whether the processor's fused multiply-add is used. */
  relaxed: boolean;
}

/**
 * Makes an instance of the kernels over `memory`, shared or not, whose first RESERVED bytes are the
 * module's. `relaxed`: false for an instance without the processor's fused multiply-add.
 *
 * @throws {WebAssembly.CompileError} If there is no WebAssembly SIMD.
 */
export function instantiate(memory: WebAssembly.Memory, relaxed = true): Kernels {
  let bytes = read("kernels.wasm");
  relaxed &&= WebAssembly.validate(bytes);
  if (!relaxed) bytes = read("kernels-plain.wasm");
  if (memory.buffer instanceof ArrayBuffer) unshare(bytes);
  const module = new WebAssembly.Module(bytes);
  const instance = new WebAssembly.Instance(module, { env: { memory } });
  const { constantsEnd } = instance.exports as unknown as ModuleExports;
  if (constantsEnd() > RESERVED) {
    throw new Error("The module's constants reach into the allocator's memory");
  }
  return { module, instance, relaxed };
}

// Makes the module import a memory that is not shared: one bit of the import.
function unshare(bytes: Uint8Array) {
  const text = new TextDecoder("latin1").decode(bytes.subarray(0, 1024));
  bytes[text.indexOf("\x06memory\x02") + 8] &= ~2;
}

function read(name: string): Uint8Array<ArrayBuffer> {
  return Deno.readFileSync(new URL(name, import.meta.url));
}
