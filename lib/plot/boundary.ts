/** What a classifier does to the plane: the line between two classes, and a colour for each probability. */

import { MISSING, mix, parseColor, pngAddress, toHex } from "./color.ts";

/** The part of an axis that a picture shows. */
export type Range = [low: number, high: number];

/** The piece of a x + b y + bias = 0 inside a rectangle, if there is one. */
export function clipLine({ 0: a, 1: b }: ArrayLike<number>, bias: number, xs: Range, ys: Range) {
  const ends: { x: number; y: number }[] = [];
  const add = (x: number, y: number) => {
    const inside = x >= xs[0] && x <= xs[1] && y >= ys[0] && y <= ys[1]; // false for NaN
    if (inside) ends.push({ x, y });
  };
  for (const x of xs) add(x, -(a * x + bias) / b);
  for (const y of ys) add(-(b * y + bias) / a, y);
  // A line through a corner meets two edges in one place, so the first end is joined to the one that is farthest.
  const [first] = ends;
  const distance = (end: { x: number; y: number }) =>
    Math.abs(end.x - first.x) / (xs[1] - xs[0]) + Math.abs(end.y - first.y) / (ys[1] - ys[0]);
  const last = ends.toSorted((p, q) => distance(p) - distance(q)).at(-1);
  if (!last || distance(last) < 1e-9) return undefined;
  return { x1: first.x, y1: first.y, x2: last.x, y2: last.y };
}

/** Pale versions of the first two classes' colours with white between them. */
export function fieldColors(colors: string[]): string[] {
  const pale = (color: string) => toHex(mix([parseColor("#ffffff"), parseColor(color)], 0.45));
  return [pale(colors[0]), "#ffffff", pale(colors[1])];
}

/** A picture of the field, a point for each of the figure's pixels. */
export async function fieldImage(
  probability: (x: number, y: number) => number,
  xs: Range,
  ys: Range,
  width: number,
  height: number,
  colors: string[],
) {
  const scale = fieldColors(colors).map(parseColor), missing = parseColor(MISSING);
  const steps = 1024; // more than there are different colours
  const table = Array.from({ length: steps + 1 }, (_, i) => mix(scale, i / steps));
  const columns = Math.ceil(width), rows = Math.ceil(height);
  const pixels = new Uint8Array(rows * columns * 3);
  for (let r = 0; r < rows; r++) {
    const y = ys[1] - (ys[1] - ys[0]) * (r + 0.5) / rows;
    for (let c = 0; c < columns; c++) {
      const p = probability(xs[0] + (xs[1] - xs[0]) * (c + 0.5) / columns, y);
      const at = Math.round(steps * Math.min(1, Math.max(0, p)));
      pixels.set(Number.isNaN(p) ? missing : table[at], 3 * (r * columns + c));
    }
  }
  return await pngAddress(pixels, columns, rows, 3);
}
