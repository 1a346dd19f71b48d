/** Heat maps: attention, positional encodings, weights, confusion matrices. */

import { heading } from "./axes.ts";
import { drawMap, type MapOptions, type Matrix } from "./cells.ts";
import { Figure } from "./figure.ts";
import { type ColorOptions, colorScale } from "./scale.ts";

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
    const { title: _, ...view } = await drawMap(options, values, colors, fonts, {
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
      return drawMap(map, matrices[i], colors, fonts, { room, bar: i === 0, repeats });
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
    const { title: _, ...view } = await drawMap(map, shares, colors, fonts, {
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
