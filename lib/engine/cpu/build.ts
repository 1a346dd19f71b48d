/**
 * Compiles assembly/ to the two modules beside this file: kernels.wasm
 * (relaxed SIMD: fused multiply-add) and kernels-plain.wasm (for engines
 * without it). tests/engine_test.ts checks that the committed modules are what
 * this makes.
 *
 * Run: deno run -A lib/engine/cpu/build.ts
 */
import asc from "assemblyscript/asc";

/** The compiled modules by file name. */
export async function build(): Promise<Record<string, Uint8Array>> {
  const folder = new URL("./assembly/", import.meta.url);
  const modules: Record<string, Uint8Array> = {};
  for (const name of ["kernels.wasm", "kernels-plain.wasm"]) {
    const { error, stdout, stderr } = await asc.main([
      "index.ts",
      ...["--outFile", name, "--runtime", "stub", "-O3", "--noAssert"],
      ...["--enable", "simd", "--enable", "threads"],
      ...name === "kernels.wasm" ? ["--enable", "relaxed-simd"] : [],
      ...["--importMemory", "--sharedMemory"],
      ...["--initialMemory", "1", "--maximumMemory", "65536"],
    ], {
      readFile: (name: string) => {
        try {
          return Deno.readTextFileSync(new URL(name, folder));
        } catch {
          return null; // The compiler tries several names for a module.
        }
      },
      writeFile: (name: string, contents: string | Uint8Array) => {
        modules[name] = contents as Uint8Array;
      },
      listFiles: () => [],
    });
    if (error) throw new Error(`${error.message}\n${stdout}${stderr}`);
  }
  return modules;
}

if (import.meta.main) {
  for (const [name, bytes] of Object.entries(await build())) {
    Deno.writeFileSync(new URL(name, import.meta.url), bytes);
    console.log(`${name}: ${bytes.length} bytes`);
  }
}
