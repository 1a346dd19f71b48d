/** Heat maps: attention, positional encodings, weights, confusion matrices. */

import { colorBar, type FigureOptions, frame, heading, literal } from "./axes.ts";
import {
  DIVERGING,
  isDark,
  MISSING,
  mix,
  parseColor,
  pngAddress,
  type Rgb,
  SEQUENTIAL,
  toHex,
} from "./color.ts";
import { Figure, type Fonts, type Layers } from "./figure.ts";

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

/** How values become colours. */
export interface ColorOptions {
  /** "sequential": white to blue; "diverging": blue, white, red around 0. By default diverging if both signs occur. */
  scheme?: "sequential" | "diverging";
  /** The values of the first and the last colour; by default the lowest and the highest value, symmetric if diverging. */
  domain?: [low: number, high: number];
  /** The colour bar's title. */
  colorLabel?: string;
}

/** What `heatmap` draws. */
export type HeatmapOptions = MapOptions & ColorOptions;

/** What `heatmapGrid` draws: several maps, each with its title, that share one scale of colours. */
export interface HeatmapGridOptions extends ColorOptions {
  maps: MapOptions[];
  title?: string;
  subtitle?: string;
  /** How many maps stand side by side, by default at most 4. */
  across?: number;
}

/** What `confusionMatrix` draws. */
export interface ConfusionOptions {
  /** counts[t][p]: how often the class t was taken for the class p. */
  counts: Matrix;
  labels: string[];
  title?: string;
  subtitle?: string;
}

/**
 * A matrix as colours, row 0 on top, with its names along the axes and a colour bar. Small matrices show their numbers,
 * large ones become one embedded image. A cell that is not finite is grey and, among numbers, says what it is.
 *
 * @throws {RangeError} if the matrix is empty or the domain is not two increasing numbers
 * @throws {TypeError} if the rows differ in length, or there are not as many names as rows or columns
 */
export function heatmap(options: HeatmapOptions): Figure {
  const values = check(options);
  const colors = colorScale([values], options);
  return new Figure(async (fonts) => {
    const { title: _, ...view } = await draw(options, values, colors, fonts, {
      room: 440,
      bar: true,
    });
    return { ...heading(options, [], view.width, fonts), ...view };
  });
}

/**
 * Several heat maps with one scale of colours, such as the heads of an attention layer. Names of rows that equal those of
 * the map on the left are not repeated.
 *
 * @throws {RangeError} if there is no map, `across` is no positive whole number, and whatever `heatmap` throws
 */
export function heatmapGrid(options: HeatmapGridOptions): Figure {
  const { maps, across = Math.min(4, maps.length) } = options;
  if (!maps.length) throw new RangeError("Cannot draw a grid of heat maps: 'maps' is empty");
  if (!Number.isInteger(across) || across < 1) {
    throw new RangeError(`Cannot draw a grid of heat maps: 'across' must be 1 or more: ${across}`);
  }
  const matrices = maps.map(check);
  const colors = colorScale(matrices, options);
  const rowsOf = ({ rows, yLabel }: MapOptions, i: number) =>
    JSON.stringify([rows, yLabel, matrices[i].length]);
  return new Figure(async (fonts) => {
    const concat = await Promise.all(maps.map((map, i) => {
      const repeats = i % across > 0 && rowsOf(map, i) === rowsOf(maps[i - 1], i - 1);
      const room = [440, 300][across - 1] ?? 220;
      return draw(map, matrices[i], colors, fonts, { room, bar: i === 0, repeats });
    }));
    const width = across * (concat[0].width + 40);
    return { ...heading(options, [], width, fonts), columns: across, concat, spacing: 24 };
  });
}

/**
 * Counts of true and predicted classes. The colours are the shares of each true class, so that frequent classes do not
 * outshine the others; the numbers are the counts.
 *
 * @throws {RangeError} if a count is negative or not finite, and whatever `heatmap` throws
 */
export function confusionMatrix(options: ConfusionOptions): Figure {
  const { counts: values, labels } = options;
  const map = { values, rows: labels, columns: labels, xLabel: "predicted", yLabel: "true" };
  const counts = check(map);
  if (counts.flat().some((count) => !(count >= 0 && count < Infinity))) {
    throw new RangeError("Cannot draw a confusion matrix: a count is negative or not finite");
  }
  const shares = counts.map((row) => {
    const sum = row.reduce((a, b) => a + b, 0);
    return row.map((count) => sum ? count / sum : 0);
  });
  const colors = colorScale([shares], {
    domain: [0, 1],
    scheme: "sequential",
    colorLabel: "share of the true class",
  });
  return new Figure(async (fonts) => {
    const texts = counts.map((row) => row.map((count) => count.toLocaleString("en")));
    const { title: _, ...view } = await draw(map, shares, colors, fonts, {
      room: 440,
      bar: true,
      texts,
    });
    return { ...heading(options, [], view.width, fonts), ...view };
  });
}

/** The rows of a matrix, after a look at the lengths of everything. */
function check({ values, rows, columns }: MapOptions): number[][] {
  const matrix = Array.from(values, (row) => Array.from(row));
  const width = matrix[0]?.length ?? 0;
  if (!width) throw new RangeError("Cannot draw a heat map: the matrix is empty");
  matrix.forEach((row, r) => {
    if (row.length !== width) {
      throw new TypeError(
        `Cannot draw a heat map: row ${r} has ${row.length} values, row 0 has ${width}`,
      );
    }
  });
  const namesFit = (names: string[] | undefined, what: string, count: number) => {
    if (names && names.length !== count) {
      throw new TypeError(
        `Cannot draw a heat map: ${names.length} names for ${count} ${what}`,
      );
    }
  };
  namesFit(rows, "rows", matrix.length);
  namesFit(columns, "columns", width);
  return matrix;
}

interface Colors {
  /** The values at which the colours of the scale stand. */
  values: number[];
  scale: string[];
  of(value: number): Rgb;
  label?: string;
}

/** One scale of colours for all the matrices. */
function colorScale(matrices: number[][][], { scheme, domain, colorLabel }: ColorOptions): Colors {
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
async function draw(
  options: MapOptions,
  values: number[][],
  colors: Colors,
  fonts: Fonts,
  { room, bar, repeats, texts }: DrawOptions,
) {
  const rows = values.length, columns = values[0].length;
  const image = Math.max(rows, columns) > 64;
  const { numbers, size } = image
    ? { numbers: undefined, size: imageCells(rows, columns, room) }
    : cells(values, options, fonts, room, texts);
  const width = columns * size.width, height = rows * size.height;

  const x = axis(columns, options.columns, options.xLabel, size.width, fonts, true);
  const y = axis(rows, options.rows, options.yLabel, size.height, fonts, false);
  if (repeats) Object.assign(y.axis, { labels: false, ticks: false, title: null });
  const layer: Layers = [];
  if (image) {
    const pixels = new Uint8Array(values.flatMap((row) => row.flatMap(colors.of)));
    layer.push({
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
      encoding: { x, y, url: { value: await pngAddress(pixels, columns, rows, 3) } },
    });
  } else {
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
    layer.push({
      data: { values: data },
      mark: { type: "rect", stroke: null },
      encoding: {
        x,
        y,
        x2: { field: "x2" },
        y2: { field: "y2" },
        color: { field: "color", type: "nominal", scale: null },
      },
    });
    if (numbers) {
      layer.push({
        data: { values: data },
        mark: { type: "text", fontSize: NUMBER_SIZE },
        encoding: {
          x: { ...x, field: "column" },
          y: { ...y, field: "row" },
          text: { field: "text" },
          color: { field: "ink", type: "nominal", scale: null },
        },
      });
    }
  }
  if (bar) {
    layer.push(
      colorBar(colors.values, colors.scale, colors.label, Math.min(200, Math.max(100, height))),
    );
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
