/**
 * Turbo: V8 can merge pairs of the engine's 128-bit operations into 256-bit ones and leave out
 * WebAssembly's bounds checks, but only by flags at the start of the process. lib/program/turbo.ts
 * starts a program with them; the results are the same to the last bit.
 */

/** The flags; both are needed, one without the other does nothing. */
export const TURBO_FLAGS: readonly string[] = [
  "--no-wasm-bounds-checks",
  "--experimental-wasm-revectorize",
];

/** Whether this process was started with the flags. */
export function turboActive(flags: readonly string[] = TURBO_FLAGS): boolean {
  const permission = { name: "env", variable: "DENO_V8_FLAGS" } as const;
  if (Deno.permissions.querySync(permission).state !== "granted") return false;
  const given = (Deno.env.get("DENO_V8_FLAGS") ?? "").split(/[\s,]+/);
  return flags.every((flag) => given.includes(flag));
}
