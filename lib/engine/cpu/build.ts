/**
 * Compiles assembly/ to the two modules beside this file: kernels.wasm (relaxed SIMD: fused
 * multiply-add) and kernels-plain.wasm (for engines without it). tests/lib/engine/cpu_test.ts checks
 * that the committed modules are what this makes.
 *
 * Run: deno run -A lib/engine/cpu/build.ts
 */
import { fileURLToPath } from "node:url";

/**
 * The compiler, outside deno.json and its lock: no program needs it, so nobody but this file
 * fetches it.
 */
const COMPILER = "npm:assemblyscript@0.28.20/asc";

/** The compiled modules by file name. */
export async function build(): Promise<Record<string, Uint8Array>> {
  const folder = await Deno.makeTempDir();
  try {
    const compiled = ["kernels.wasm", "kernels-plain.wasm"].map(async (name) => {
      const { success, stderr } = await new Deno.Command(Deno.execPath(), {
        args: [
          ...["run", "-A", "--no-config", "--no-lock", "--quiet", COMPILER, "index.ts"],
          ...["--outFile", `${folder}/${name}`, "--runtime", "stub", "-O3", "--noAssert"],
          ...["--enable", "simd", "--enable", "threads"],
          ...name === "kernels.wasm" ? ["--enable", "relaxed-simd"] : [],
          ...["--importMemory", "--sharedMemory"],
          ...["--initialMemory", "1", "--maximumMemory", "65536"],
        ],
        cwd: fileURLToPath(new URL("./assembly/", import.meta.url)),
      }).output();
      if (!success) throw new Error(`Cannot compile: ${new TextDecoder().decode(stderr)}`);
      return [name, await Deno.readFile(`${folder}/${name}`)] as const;
    });
    return Object.fromEntries(await Promise.all(compiled));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

if (import.meta.main) {
  for (const [name, bytes] of Object.entries(await build())) {
    Deno.writeFileSync(new URL(name, import.meta.url), bytes);
    console.log(`${name}: ${bytes.length} bytes`);
  }
}
