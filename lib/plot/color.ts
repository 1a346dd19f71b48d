/** Colours that people with any kind of colour vision can tell apart, and pictures made of pixels. */

import { encodePng } from "./png.ts";

/** Okabe and Ito's palette (2008) for classes and lines; its yellow and black are left out (too pale, the axes' colour). */
export const PALETTE = [
  "#0072b2", // blue
  "#d55e00", // vermilion
  "#009e73", // green
  "#cc79a7", // purple
  "#e69f00", // orange
  "#56b4e9", // sky blue
  "#555555", // grey
];

/** From low to high for values of one sign: white to dark blue. */
export const SEQUENTIAL = ["#f7fbff", "#d2e3f3", "#94c4df", "#4a98c9", "#1764ab", "#08306b"];

/** From low to high around a white middle: blue to red. */
export const DIVERGING = [
  "#14497f",
  "#3c8abe",
  "#a7d0e4",
  "#f7f7f7",
  "#f9c0a3",
  "#d6604d",
  "#8a0b25",
];

/** From first to last for an ordered family of many lines. */
export const ORDERED = ["#440154", "#3e4989", "#26828e", "#35b779", "#b5de2b"];

/** The colour of what is not a number. */
export const MISSING = "#c8c8c8";

export type Rgb = [red: number, green: number, blue: number];

/** "#rrggbb" -> 0 to 255 each. */
export function parseColor(hex: string): Rgb {
  return [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16)) as Rgb;
}

/** 0 to 255 each -> "#rrggbb". */
export function toHex(color: Rgb): string {
  return "#" + color.map((value) => value.toString(16).padStart(2, "0")).join("");
}

/** The colour at `share` (0 to 1) of a scale of evenly spaced colours. */
export function mix(colors: Rgb[], share: number): Rgb {
  const at = Math.min(1, Math.max(0, share)) * (colors.length - 1);
  const low = Math.min(Math.floor(at), colors.length - 2), rest = at - low;
  return colors[low].map((value, i) =>
    Math.round(value + rest * (colors[low + 1][i] - value))
  ) as Rgb;
}

/** The colours for `n` lines: the palette, or an ordered scale if it is too short. */
export function distinct(n: number): string[] {
  if (n <= PALETTE.length) return PALETTE.slice(0, n);
  const scale = ORDERED.map(parseColor);
  return Array.from({ length: n }, (_, i) => toHex(mix(scale, i / (n - 1))));
}

/** Whether white text is easier to read on a colour than black (relative luminance of WCAG 2.2). */
export function isDark(color: Rgb): boolean {
  const [r, g, b] = color.map((value) => {
    const c = value / 255;
    return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b < 0.18;
}

/** Pixels row by row, 1 (grey) or 3 (colour) bytes each -> an address that an SVG image can hold. */
export async function pngAddress(
  data: Uint8Array,
  width: number,
  height: number,
  channels: 1 | 3,
): Promise<string> {
  const png = await encodePng(data, width, height, channels);
  return `data:image/png;base64,${png.toBase64()}`;
}
