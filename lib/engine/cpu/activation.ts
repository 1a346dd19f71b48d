/** Activations on the CPU engine: see assembly/fused_gelu.ts. */
import type { Tensor } from "@tensorflow/tfjs-core";
import { usable } from "../checks.ts";
import { differentiable } from "../tape.ts";
import { at, computed, parallel } from "./runtime.ts";

/** x Phi(x): see lib/functional.ts. */
export function gelu(x: Tensor, approximate: "none" | "tanh" = "none"): Tensor | undefined {
  if (!usable(x)) return;
  const name = approximate === "tanh" ? "geluTanh" : "gelu";
  return differentiable({ x }, (save) => {
    save([x]);
    return computed(x.shape, (y) => parallel(name, [y, at(x)], x.size, 8192));
  }, (dy, [x]) => ({
    x: () => computed(x.shape, (dx) => parallel(`${name}Grad`, [dx, at(x), at(dy)], x.size, 8192)),
  }));
}
