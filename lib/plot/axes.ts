/** What the kinds of figure share: titles, axes and notes on what cannot be shown. */

import type { Fonts } from "./figure.ts";

/** What every figure takes. */
export interface FigureOptions {
  title?: string;
  /** A smaller line below the title. */
  subtitle?: string;
  xLabel?: string;
  yLabel?: string;
}

/** The title and the lines below it, broken so that they fit the figure's width in pixels. */
export function heading(
  { title, subtitle }: FigureOptions,
  notes: string[],
  width: number,
  fonts: Fonts,
) {
  const room = Math.max(300, width + 60);
  const small = [subtitle ?? "", ...notes].filter((line) => line !== "")
    .flatMap((line) => wrap(line, room, (text) => fonts.regular.width(text, 12)));
  const large = wrap(title ?? "", room, (text) => fonts.bold.width(text, 16));
  if (title) return { title: { text: large, ...(small.length ? { subtitle: small } : {}) } };
  // A subtitle without a title would not be drawn.
  return small.length
    ? { title: { text: small, fontSize: 12, fontWeight: "normal" as const, color: "#666" } }
    : {};
}

/** Words -> lines no wider than `room`; a longer word has a line of its own. */
function wrap(text: string, room: number, width: (text: string) => number) {
  const lines: string[] = [];
  for (const word of text.split(/\s+/)) {
    const longer = lines.length ? `${lines[lines.length - 1]} ${word}` : word;
    if (lines.length && width(longer) <= room) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  return lines;
}

/** `text`, cut with an ellipsis if it is wider than `room` pixels. */
export function shorten(
  text: string,
  room: number,
  width: (text: string) => number,
): string {
  if (width(text) <= room) return text;
  const chars = [...text];
  while (chars.length > 1 && width(chars.join("") + "…") > room) chars.pop();
  return chars.join("") + "…";
}

/** The range of some values with a margin: never empty, also for no value or equal ones. */
export function extent(values: number[], margin = 0.06): [number, number] {
  let low = Infinity, high = -Infinity;
  for (const value of values) {
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  if (low > high) return [0, 1];
  const pad = low === high ? Math.max(0.5, Math.abs(low) * 0.1) : (high - low) * margin;
  return [low - pad, high + pad];
}

/** Different names in order: numbers by value, other texts by their characters. */
export function sorted(names: string[]): string[] {
  const order = new Intl.Collator("en", { numeric: true });
  return [...new Set(names)].sort(order.compare);
}

/** A position on a linear axis; if it is `whole`, all ticks are whole numbers. */
export function position(
  field: string,
  domain: [number, number],
  label?: string,
  whole = false,
) {
  return {
    field,
    type: "quantitative" as const,
    scale: { domain, nice: false, zero: false },
    axis: { title: label ?? null, tickCount: 7, ...(whole ? { tickMinStep: 1 } : {}) },
  };
}

/** A position on a logarithmic axis, with ticks at powers of ten, or at 1, 2 and 5 times these on a short one. */
export function logPosition(
  field: string,
  [low, high]: [number, number],
  label?: string,
) {
  const decades = Math.log10(high / low);
  const factors = decades < 3 ? [1, 2, 5] : [1];
  const step = Math.ceil(decades / 8);
  const powers = high >= 1e5 || low < 1e-3; // 10⁵ rather than 100,000
  const ticks: { value: number; text: string }[] = [];
  for (let e = Math.floor(Math.log10(low)); e <= Math.log10(high); e++) {
    if (e % step !== 0) continue;
    for (const factor of factors) {
      const value = Number(`${factor}e${e}`);
      if (value < low || value > high) continue;
      const power = (factor === 1 ? "" : `${factor}·`) + `10${raised(e)}`;
      const plain = value.toLocaleString("en", { maximumFractionDigits: 3 });
      ticks.push({ value, text: powers ? power : plain });
    }
  }
  const values = ticks.map((tick) => tick.value);
  const texts = ticks.map((tick) => tick.text);
  return {
    field,
    type: "quantitative" as const,
    scale: { type: "log" as const, domain: [low, high], nice: false },
    axis: {
      title: label ?? null,
      ...(ticks.length > 1
        ? {
          values,
          labelExpr: `${JSON.stringify(texts)}[indexof(${JSON.stringify(values)}, datum.value)]`,
        }
        : { tickCount: 5, format: "~g" }),
    },
  };
}

/** An exponent in small raised digits. */
function raised(exponent: number) {
  return [...String(exponent)].map((char) => char === "-" ? "⁻" : "⁰¹²³⁴⁵⁶⁷⁸⁹"[Number(char)]).join(
    "",
  );
}

/** A colour bar: the legend of a point that cannot be seen, since the colours themselves are computed here. */
export function colorBar(
  values: number[],
  colors: string[],
  label = "",
  length = 200,
) {
  return {
    data: { values: [{ value: values[0] }] },
    mark: { type: "point" as const, opacity: 0 },
    encoding: {
      fill: {
        field: "value",
        type: "quantitative" as const,
        scale: { domain: values, range: colors, interpolate: "rgb" as const },
        legend: { title: label || null, gradientLength: length, tickCount: 5, gradientOpacity: 1 },
      },
    },
  };
}

/** Texts as a list in Vega's expression language; plain ASCII, so that no character can end it. */
export function literal(texts: string[]): string {
  return JSON.stringify(texts).replace(
    /[\u007f-\uffff]/g,
    (char) => "\\u" + char.charCodeAt(0).toString(16).padStart(4, "0"),
  );
}

/** A line of text in the middle of an empty plot. */
export function emptyNote(width: number, height: number) {
  return {
    data: { values: [{}] },
    mark: { type: "text" as const, text: "no finite values", fontSize: 14, color: "#888" },
    encoding: { x: { value: width / 2 }, y: { value: height / 2 } },
  };
}

/** The frame of a plot, drawn on top of what is in it. */
export function frame(width: number, height: number) {
  return {
    data: { values: [{}] },
    mark: { type: "rect" as const, filled: false, stroke: "#bbb", strokeWidth: 1 },
    encoding: { x: { value: 0 }, x2: { value: width }, y: { value: 0 }, y2: { value: height } },
  };
}
