/** One heat map of a figure: its cells, their numbers, its axes. heatmap.ts puts the maps together. */

import { colorBar, type FigureOptions, frame, literal } from "./axes.ts";
import { isDark, pngAddress, toHex } from "./color.ts";
import type { Fonts, Layers } from "./figure.ts";
import type { Colors } from "./scale.ts";

const NUMBER_SIZE = 11;

/** Rows of numbers, all of one length: `await tensor.array()` of a matrix. */
export type Matrix = ArrayLike<ArrayLike<number>>;

/** What a heat map shows. */
export interface MapOptions extends FigureOptions {
  values: Matrix;
  /** Names of the rows and of the columns, such as words; they may repeat. By default the indices from 0. */
  rows?: string[];
  columns?: string[];
  /** Whether the numbers stand in the cells; by default if there are at most 12 rows and 12 columns. */
  numbers?: boolean;
}

interface DrawOptions {
  /** About how wide and high the map may be, in pixels. */
  room: number;
  /** Whether the colour bar is drawn beside it. */
  bar: boolean;
  /** Whether the names of the rows stand at the map on the left already. */
  repeats?: boolean;
  /** Texts for the cells in place of the values. */
  texts?: string[][];
}

/** One map: its cells, numbers, axes and perhaps the colour bar. */
export async function drawMap(
  options: MapOptions,
  values: number[][],
  colors: Colors,
  fonts: Fonts,
  { room, bar, repeats, texts }: DrawOptions,
) {
  const rows = values.length, columns = values[0].length;
  const isLarge = Math.max(rows, columns) > 64;
  const { numbers, size } = isLarge
    ? { numbers: undefined, size: imageCells(rows, columns, room) }
    : cells(values, options, fonts, room, texts);
  const width = columns * size.width, height = rows * size.height;
  const x = axis(columns, options.columns, options.xLabel, size.width, fonts, true);
  const y = axis(rows, options.rows, options.yLabel, size.height, fonts, false);
  if (repeats) Object.assign(y.axis, { labels: false, ticks: false, title: null });

  const layer = isLarge
    ? [await imageLayer(values, colors, { width, height, x, y })]
    : cellLayers(values, colors, numbers, { x, y });
  if (bar) {
    const length = Math.min(200, Math.max(100, height));
    layer.push(colorBar(colors.values, colors.scale, colors.label, length));
  }
  layer.push(frame(width, height));
  const title = {
    text: options.title ?? "",
    fontSize: 13,
    fontWeight: "normal" as const,
    offset: 6,
  };
  return { title, width, height, layer, view: { stroke: null } };
}

/** The two axes of a map. */
interface Axes {
  x: ReturnType<typeof axis>;
  y: ReturnType<typeof axis>;
}

/** A large matrix: one picture, a pixel for each value. */
async function imageLayer(
  values: number[][],
  colors: Colors,
  { width, height, x, y }: Axes & { width: number; height: number },
): Promise<Layers[number]> {
  const pixels = new Uint8Array(values.flatMap((row) => row.flatMap(colors.of)));
  const url = await pngAddress(pixels, values[0].length, values.length, 3);
  return {
    data: { values: [{ x: -0.5, y: -0.5 }] },
    mark: {
      type: "image",
      width,
      height,
      aspect: false,
      align: "left",
      baseline: "top",
      smooth: false,
    },
    encoding: { x, y, url: { value: url } },
  };
}

/** A small matrix: a rectangle for each value and, if there are `numbers`, a text in it. */
function cellLayers(
  values: number[][],
  colors: Colors,
  numbers: string[][] | undefined,
  { x, y }: Axes,
): Layers {
  const data = values.flatMap((row, r) =>
    row.map((value, c) => {
      const color = colors.of(value);
      return {
        x: c - 0.5,
        x2: c + 0.5,
        y: r - 0.5,
        y2: r + 0.5,
        column: c,
        row: r,
        color: toHex(color),
        text: numbers?.[r][c],
        ink: isDark(color) ? "white" : "#222",
      };
    })
  );
  const rectangles: Layers[number] = {
    data: { values: data },
    mark: { type: "rect", stroke: null },
    encoding: {
      x,
      y,
      x2: { field: "x2" },
      y2: { field: "y2" },
      color: { field: "color", type: "nominal", scale: null },
    },
  };
  if (!numbers) return [rectangles];
  return [rectangles, {
    data: { values: data },
    mark: { type: "text", fontSize: NUMBER_SIZE },
    encoding: {
      x: { ...x, field: "column" },
      y: { ...y, field: "row" },
      text: { field: "text" },
      color: { field: "ink", type: "nominal", scale: null },
    },
  }];
}

/** The numbers in the cells, if they are wanted and have room, and the size of a cell. */
function cells(
  values: number[][],
  options: MapOptions,
  fonts: Fonts,
  room: number,
  texts?: string[][],
) {
  const most = Math.max(values.length, values[0].length);
  const named = options.rows || options.columns;
  let side = Math.min(48, Math.max(named ? 13 : 4, Math.floor(room / most)));
  if (options.numbers === false || most > (options.numbers || texts ? 64 : 12)) {
    return { size: { width: side, height: side } };
  }
  const numbers = texts ?? format(values);
  const widest = Math.max(...numbers.flat().map((text) => fonts.regular.width(text, NUMBER_SIZE)));
  const needed = Math.ceil(widest) + 6;
  if (needed > side && !options.numbers && !texts) return { size: { width: side, height: side } };
  side = Math.max(side, needed);
  return { numbers, size: { width: side, height: Math.min(side, 48) } };
}

/** The size of a cell of a large matrix: whole or half pixels (the PNG has two for each). */
function imageCells(rows: number, columns: number, room: number) {
  const fit = (pixels: number) => pixels < 1 ? pixels : Math.min(48, Math.floor(2 * pixels) / 2);
  return { width: fit(room * 1.3 / columns), height: fit(room * 0.9 / rows) };
}

/** The numbers as short texts, all with as many decimals. */
function format(values: number[][]): string[][] {
  const finite = values.flat().filter(Number.isFinite).map(Math.abs);
  const largest = Math.max(...finite);
  const decimals = finite.every(Number.isInteger) || largest >= 100 ? 0 : largest < 10 ? 2 : 1;
  const text = (value: number) =>
    largest >= 1e6 || (largest < 0.01 && largest > 0)
      ? value.toExponential(1).replace("e+", "e")
      : value.toFixed(decimals);
  return values.map((row) =>
    row.map((value) => {
      if (Number.isNaN(value)) return "NaN";
      const sign = value < 0 && Number(text(value)) !== 0 ? "−" : "";
      return sign + (Number.isFinite(value) ? text(Math.abs(value)) : "∞");
    })
  );
}

/** The axis of the rows or the columns: a cell's middle is its index. */
function axis(
  count: number,
  names: string[] | undefined,
  label: string | undefined,
  cell: number,
  fonts: Fonts,
  across: boolean,
) {
  const size = Math.min(12, Math.max(9, Math.floor(cell) - 1));
  const widest = Math.max(0, ...(names ?? []).map((name) => fonts.regular.width(name, size)));
  const angle = !across || widest <= cell - 4 ? 0 : cell >= 18 ? -45 : -90;
  return {
    field: across ? "x" : "y",
    type: "quantitative" as const,
    scale: { domain: [-0.5, count - 0.5], nice: false, zero: false, reverse: !across },
    axis: {
      title: label ?? null,
      grid: false,
      domain: false,
      ...(names
        ? {
          values: names.map((_, i) => i),
          labelExpr: `${literal(names)}[datum.value]`,
          labelFontSize: size,
          labelOverlap: cell < 10,
          labelLimit: 160,
          ticks: false,
          labelPadding: 5,
          ...(angle
            ? { labelAngle: angle, labelAlign: "right" as const, labelBaseline: "middle" as const }
            : {}),
        }
        : count <= 12
        ? { values: Array.from({ length: count }, (_, i) => i), format: "d", ticks: false }
        : { tickMinStep: 1, tickCount: Math.max(2, count * cell / 50), format: "d" }),
    },
  };
}
