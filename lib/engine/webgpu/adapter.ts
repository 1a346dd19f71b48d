/** Finding a GPU: the adapter that WebGPU offers, if any. */

/**
 * The adapter for computing, or undefined if there is none. It is asked for anew, as an adapter
 * gives one device only.
 */
export async function findAdapter(): Promise<GPUAdapter | undefined> {
  // Without this variable, the search prints a line about it on machines without a screen.
  const quiet = Deno.build.os === "linux" && !Deno.env.has("XDG_RUNTIME_DIR");
  if (quiet) Deno.env.set("XDG_RUNTIME_DIR", "/tmp");
  try {
    return await navigator.gpu?.requestAdapter({ powerPreference: "high-performance" }) ??
      undefined;
  } finally {
    if (quiet) Deno.env.delete("XDG_RUNTIME_DIR");
  }
}

/**
 * Whether WebGPU offers an adapter that is hardware: a software one computes on the processor,
 * slower than our engine.
 */
export async function hasHardwareAdapter(): Promise<boolean> {
  const adapter = await findAdapter();
  return adapter !== undefined && !adapter.info.isFallbackAdapter;
}

/** The adapter's name as its driver gives it, with ", software" where it is no hardware. */
export function describeAdapter({ info }: GPUAdapter): string {
  const name = info.description || [info.vendor, info.architecture].filter(Boolean).join(" ") ||
    "unnamed adapter";
  return info.isFallbackAdapter ? `${name}, software` : name;
}
