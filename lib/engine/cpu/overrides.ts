/**
 * The tfjs kernels that the CPU engine replaces, with tfjs's semantics. All others are tfjs's own,
 * in JavaScript.
 */
import type { Override } from "../overrides.ts";
import { copies } from "./overrides/copies.ts";
import { elements } from "./overrides/elements.ts";
import { products } from "./overrides/products.ts";
import { reductions } from "./overrides/reductions.ts";

/** The kernels, by tfjs's names. */
export const overrides: Record<string, Override> = {
  ...elements, // one or two operands, element by element; constants
  ...products, // of matrices
  ...copies, // other shapes and orders of the same values; parts, and put together
  ...reductions, // sums, means, extremes along axes
};
