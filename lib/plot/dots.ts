/** Numbers of several series side by side, a row for each name: what is faster, and by how much. */

import { emptyNote, extent, type FigureOptions, heading, logPosition, position } from "./axes.ts";
import { distinct } from "./color.ts";
import { Figure, type Layers } from "./figure.ts";

/** What `dots` draws. */
export interface DotsOptions extends FigureOptions {
  /** Rows from top to bottom, and in each the series' numbers: `{ "matmul 64": { cpu: 35, tfjs: 0.5 } }`. */
  rows: Record<string, Record<string, number>>;
  /** A logarithmic axis, for numbers far apart; values that are not positive are left out. */
  xLog?: boolean;
  width?: number;
}

/**
 * A dot plot (Cleveland 1984): a line for each row, and on it a dot for each series. Dots, unlike bars, may stand on an
 * axis that does not begin at 0. A number that a row lacks, or that is not finite, has no dot.
 *
 * @throws {RangeError} if there is no row
 */
export function dots(options: DotsOptions): Figure {
  const names = Object.keys(options.rows);
  if (!names.length) throw new RangeError("Cannot draw dots: 'rows' holds no row");
  const given = names.flatMap((row) =>
    Object.entries(options.rows[row]).map(([series, x]) => ({ row, series, x }))
  );
  const series = [...new Set(given.map(({ series }) => series))];
  const values = given.filter(({ x }) => Number.isFinite(x) && !(options.xLog && x <= 0));
  const lost = given.length - values.length;
  const notes = lost ? [`${lost} of ${given.length} values left out`] : [];

  return new Figure((fonts) => {
    const width = options.width ?? 480, height = 22 * names.length;
    const numbers = values.map(({ x }) => x);
    const logarithms = extent(numbers.map(Math.log10), 0.04);
    const axis = options.xLog
      ? logPosition("x", [10 ** logarithms[0], 10 ** logarithms[1]], options.xLabel)
      : position("x", extent(numbers, 0.04), options.xLabel);
    const layer: Layers = [{
      data: { values },
      mark: { type: "point", filled: true, size: 70, opacity: 1 },
      encoding: {
        x: axis,
        y: {
          field: "row",
          type: "nominal",
          scale: { domain: names },
          axis: { title: options.yLabel ?? null, grid: true, labelLimit: 360 },
        },
        color: {
          field: "series",
          type: "nominal",
          scale: { domain: series, range: distinct(series.length) },
          legend: series.length > 1 ? { title: null } : null,
        },
      },
    }];
    if (!values.length) layer.push(emptyNote(width, height));
    return { ...heading(options, notes, width, fonts), width, height, layer };
  });
}
