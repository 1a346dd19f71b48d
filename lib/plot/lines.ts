/** Curves: loss curves, learning rates, the waves of a positional encoding. */

import { emptyNote, extent, type FigureOptions, heading, logPosition, position } from "./axes.ts";
import { distinct } from "./color.ts";
import { Figure, type Layers } from "./figure.ts";

/** A curve: its y values at x = 0, 1, 2, ..., or at x values of its own. */
export type Curve = ArrayLike<number> | { x: ArrayLike<number>; y: ArrayLike<number> };

/** What `lines` draws. */
export interface LinesOptions extends FigureOptions {
  /** Curves by name: `{ train: losses, validation: { x: steps, y: losses } }`. */
  series: Record<string, Curve>;
  /** A logarithmic axis; values that are not positive become gaps. */
  xLog?: boolean;
  yLog?: boolean;
  /** Whether each value is marked with a point; by default if no curve has more than 25. */
  markers?: boolean;
  width?: number;
  height?: number;
}

interface Row {
  x: number;
  y: number | null;
  series: string;
}

/**
 * Curves over a common axis, with a legend if there is more than one. A value that is not finite is a gap; how many there
 * are stands below the title. A curve of many thousands of values is thinned: each stretch keeps its extremes.
 *
 * @throws {RangeError} if there is no curve
 * @throws {TypeError} if a curve has not as many x values as y values
 */
export function lines(options: LinesOptions): Figure {
  const { names, rows, notes, markers } = prepare(options);
  const finite = rows.filter((row) => row.y !== null);
  // A value between two gaps would not be seen without a point.
  const points = markers
    ? finite
    : rows.filter((row, i) =>
      row.y !== null && !isNeighbour(row, rows[i - 1]) && !isNeighbour(row, rows[i + 1])
    );

  return new Figure((fonts) => {
    const width = options.width ?? 560, height = options.height ?? 340;
    const axis = (field: "x" | "y", label?: string, log?: boolean) => {
      const values = finite.map((row) => row[field] as number);
      const margin = field === "x" ? 0.02 : 0.06;
      const whole = field === "x" && values.every(Number.isInteger);
      return log
        ? logPosition(field, logExtent(values, margin), label)
        : position(field, extent(values, margin), label, whole);
    };
    const encoding = {
      x: axis("x", options.xLabel, options.xLog),
      y: axis("y", options.yLabel, options.yLog),
      color: {
        field: "series",
        type: "nominal" as const,
        scale: { domain: names, range: distinct(names.length) },
        legend: names.length > 1
          ? { title: null, symbolType: "stroke", symbolStrokeWidth: 3, symbolSize: 300 }
          : null,
      },
    };
    const layer: Layers = [
      {
        data: { values: rows },
        mark: {
          type: "line",
          strokeWidth: 1.6,
          strokeJoin: "round",
          invalid: "break-paths-show-path-domains",
        },
        encoding,
      },
    ];
    if (points.length) {
      layer.push({
        data: { values: points },
        mark: { type: "point", filled: true, size: 40, opacity: 1 },
        encoding,
      });
    }
    if (!finite.length) layer.push(emptyNote(width, height));
    return { ...heading(options, notes, width, fonts), width, height, layer };
  });
}

/** The checked curves as rows for the drawing library, and what is to be said of them. */
function prepare(options: LinesOptions) {
  const names = Object.keys(options.series);
  if (!names.length) throw new RangeError("Cannot draw lines: 'series' holds no curve");
  const curves = names.map((name) => {
    const curve = options.series[name];
    const y = Array.from("y" in curve ? curve.y : curve);
    const x = "x" in curve ? Array.from(curve.x) : y.map((_, i) => i);
    if (x.length !== y.length) {
      throw new TypeError(
        `Cannot draw the curve '${name}': it has ${x.length} x values and ${y.length} y values`,
      );
    }
    return { name, x, y };
  });
  const drawable = (x: number, y: number) =>
    Number.isFinite(x) && Number.isFinite(y) && !(options.xLog && x <= 0) &&
    !(options.yLog && y <= 0);
  const notes = curves.flatMap(({ name, x, y }) => {
    const lost = y.filter((value, i) => !drawable(x[i], value)).length;
    const why = options.xLog || options.yLog ? "not finite or not positive" : "not finite";
    return lost ? [`${name}: ${lost} of ${y.length} values left out: ${why}`] : [];
  });
  const rows = curves.flatMap(({ name, x, y }) =>
    thin(
      x.map((value, i): Row => ({
        x: value,
        y: drawable(value, y[i]) ? y[i] : null,
        series: name,
      })).filter((row) => Number.isFinite(row.x) && !(options.xLog && row.x <= 0)),
    )
  );
  const markers = options.markers ?? curves.every(({ y }) => y.length <= 25);
  return { names, rows, notes, markers };
}

function isNeighbour(row: Row, other?: Row) {
  return other !== undefined && other.y !== null && other.series === row.series;
}

/** The range of a logarithmic axis. */
function logExtent(values: number[], margin: number): [number, number] {
  if (!values.length) return [1, 10];
  const [low, high] = extent(values.map(Math.log10), margin);
  return [10 ** low, 10 ** high];
}

/** At most some 4000 rows: of each stretch the first, the lowest, the highest, the last, and a gap if it has one. */
function thin(rows: Row[], most = 4000): Row[] {
  if (rows.length <= most) return rows;
  const size = Math.ceil(rows.length / (most / 4));
  const kept: Row[] = [];
  for (let start = 0; start < rows.length; start += size) {
    const stretch = rows.slice(start, start + size);
    const numbers = stretch.filter((row) => row.y !== null);
    const pick = new Set([stretch[0], stretch[stretch.length - 1]]);
    if (numbers.length) {
      pick.add(numbers.reduce((a, b) => b.y! < a.y! ? b : a));
      pick.add(numbers.reduce((a, b) => b.y! > a.y! ? b : a));
    }
    const gap = stretch.find((row) => row.y === null);
    if (gap) pick.add(gap);
    kept.push(...stretch.filter((row) => pick.has(row)));
  }
  return kept;
}
