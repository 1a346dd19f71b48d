/** How the values of heat maps become colours: one scale for all the maps of a figure. */

import { DIVERGING, MISSING, mix, parseColor, type Rgb, SEQUENTIAL } from "./color.ts";

/** How values become colours. */
export interface ColorOptions {
  /** "sequential": white to blue; "diverging": blue, white, red around 0. By default diverging if both signs occur. */
  scheme?: "sequential" | "diverging";
  /** The values of the first and the last colour; by default the lowest and the highest value, symmetric if diverging. */
  domain?: [low: number, high: number];
  /** The colour bar's title. */
  colorLabel?: string;
}

/** A scale of colours, made by `colorScale`. */
export interface Colors {
  /** The values at which the colours of the scale stand. */
  values: number[];
  scale: string[];
  of(value: number): Rgb;
  label?: string;
}

/** One scale of colours for all the matrices. */
export function colorScale(
  matrices: number[][][],
  { scheme, domain, colorLabel }: ColorOptions,
): Colors {
  let low = Infinity, high = -Infinity;
  for (const value of matrices.flat(2)) {
    if (!Number.isFinite(value)) continue;
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  const diverging = scheme ? scheme === "diverging" : low < 0 && high > 0;
  if (low > high) [low, high] = [0, 1];
  if (diverging) [low, high] = [Math.min(low, -high), Math.max(-low, high)];
  if (low === high) [low, high] = [low - 0.5, high + 0.5];
  if (domain) {
    [low, high] = domain;
    if (!(Number.isFinite(low) && low < high && high < Infinity)) {
      throw new RangeError(
        `Cannot colour a heat map: 'domain' must be two increasing numbers: ${domain.join(", ")}`,
      );
    }
  }
  const scale = diverging ? DIVERGING : SEQUENTIAL;
  const stops = scale.map(parseColor), missing = parseColor(MISSING);
  return {
    values: scale.map((_, i) => low + (high - low) * i / (scale.length - 1)),
    scale,
    of: (value) => Number.isFinite(value) ? mix(stops, (value - low) / (high - low)) : missing,
    label: colorLabel,
  };
}
