/** Scatter plots: points in the plane, with a decision boundary, a field of probabilities and names. */

import {
  colorBar,
  emptyNote,
  extent,
  type FigureOptions,
  frame,
  heading,
  position,
  shorten,
  sorted,
} from "./axes.ts";
import { clipLine, fieldColors, fieldImage, type Range } from "./boundary.ts";
import { distinct } from "./color.ts";
import { Figure, type Fonts, type Layers } from "./figure.ts";
import { placeLabels } from "./labels.ts";

/** A point of a scatter plot. */
export interface Point {
  x: number;
  y: number;
  /** Its class: points of a class share a colour. */
  series?: string;
  /** A second division, such as "train" and "test": these share a shape. */
  shape?: string;
  /** A name to write beside it; no name covers another. */
  label?: string;
}

/** What `scatter` draws. */
export interface ScatterOptions extends FigureOptions {
  points: Point[];
  /** The straight line weights[0] x + weights[1] y + bias = 0; weights[1] may be 0 (a vertical line). */
  boundary?: { weights: ArrayLike<number>; bias: number; name?: string };
  /** A probability (0 to 1) for each place, drawn as a background between the first and the second class's colours. */
  field?: { probability: (x: number, y: number) => number; name?: string };
  width?: number;
  height?: number;
}

/**
 * Points in the plane. Classes have colours in alphabetical order (numbers by value), the most frequent shape is the
 * circle. Names are placed so that all can be read; the figure grows if there are many. Points that are
 * not finite are left out and counted below the title.
 *
 * @throws {TypeError} if `points` is not an array, or the boundary has not two weights
 */
export function scatter(options: ScatterOptions): Figure {
  const { points, boundary, field } = options;
  if (!Array.isArray(points)) {
    throw new TypeError("Cannot draw a scatter plot: 'points' must be an array of { x, y }");
  }
  if (boundary && boundary.weights.length !== 2) {
    throw new TypeError(
      `Cannot draw a decision boundary: it needs 2 weights, received ${boundary.weights.length}`,
    );
  }
  const shown = points.filter(({ x, y }) => Number.isFinite(x) && Number.isFinite(y))
    .map((point) => ({ ...point, series: point.series ?? "", shape: point.shape ?? "" }));
  const classes = sorted(shown.map((point) => point.series));
  const colors = distinct(Math.max(2, classes.length));
  const count = (shape: string) => shown.filter((point) => point.shape === shape).length;
  const shapes = [...new Set(shown.map((point) => point.shape))]
    .sort((a, b) => count(b) - count(a));

  return new Figure(async (fonts) => {
    const margin = shown.some((point) => point.label) ? 0.1 : 0.06;
    const xs = extent(shown.map((point) => point.x), margin);
    const ys = extent(shown.map((point) => point.y), margin);
    const { names, leaders, width, height } = placeNames(options, shown, xs, ys, fonts);
    const notes: string[] = [];
    if (shown.length < points.length) {
      notes.push(`${points.length - shown.length} of ${points.length} points left out: not finite`);
    }
    const x = position("x", xs, options.xLabel), y = position("y", ys, options.yLabel);
    // Axes and frame lie on top of the field, which would cover the grid.
    if (field) [x, y].forEach(({ axis }) => Object.assign(axis, { zindex: 1, grid: false }));

    const layer: Layers = [];
    if (field) {
      const url = await fieldImage(field.probability, xs, ys, width, height, colors);
      layer.push(fieldLayer(url, width, height));
    }
    if (leaders.length) {
      const mark = { type: "rule", strokeWidth: 0.8, color: "#999" } as const;
      layer.push({ data: { values: leaders }, mark, encoding: segments(x, y) });
    }
    layer.push(pointLayer(shown, classes, shapes, colors, x, y));
    if (boundary) {
      const line = clipLine(boundary.weights, boundary.bias, xs, ys);
      const name = boundary.name ?? "decision boundary";
      if (!line) notes.push(`The ${name} lies outside the picture`);
      layer.push(boundaryLayer(name, line, x, y));
    }
    if (field) {
      layer.push(colorBar([0, 0.5, 1], fieldColors(colors), field.name ?? "probability"));
    }
    if (names.length) {
      const mark = { type: "text", fontSize: 12, color: "#222", baseline: "middle" } as const;
      layer.push({ data: { values: names }, mark, encoding: { x, y, text: { field: "label" } } });
    }
    if (!shown.length) layer.push(emptyNote(width, height));
    if (field) layer.push(frame(width, height));
    const view = field && { view: { stroke: null } };
    return { ...heading(options, notes, width, fonts), width, height, layer, ...view };
  });
}

type Position = ReturnType<typeof position>;

/** Where the lines of a layer begin and end: at the fields x1, y1 and x2, y2. */
const segments = (x: Position, y: Position) => ({
  x: { ...x, field: "x1" },
  y: { ...y, field: "y1" },
  x2: { field: "x2" },
  y2: { field: "y2" },
});

/** The field behind all else. */
function fieldLayer(url: string, width: number, height: number): Layers[number] {
  return {
    data: { values: [{}] },
    mark: {
      type: "image",
      width,
      height,
      aspect: false,
      align: "left",
      baseline: "top",
      smooth: false,
    },
    encoding: { x: { value: 0 }, y: { value: 0 }, url: { value: url } },
  };
}

/** The points, and the legends of their classes and shapes. */
function pointLayer(
  shown: Point[],
  classes: string[],
  shapes: string[],
  colors: string[],
  x: Position,
  y: Position,
): Layers[number] {
  return {
    data: { values: shown },
    mark: { type: "point", filled: true, size: 60, opacity: 1, stroke: "white", strokeWidth: 0.7 },
    encoding: {
      x,
      y,
      color: {
        field: "series",
        type: "nominal",
        scale: { domain: classes, range: colors.slice(0, Math.max(1, classes.length)) },
        legend: classes.length > 1 ? { title: null, symbolType: "circle" } : null,
      },
      shape: {
        field: "shape",
        type: "nominal",
        scale: { domain: shapes, range: ["circle", "triangle-up", "square", "diamond", "cross"] },
        legend: shapes.length > 1 ? { title: null, symbolFillColor: "#555" } : null,
      },
    },
  };
}

/** The decision boundary and its legend. */
function boundaryLayer(
  name: string,
  line: ReturnType<typeof clipLine>,
  x: Position,
  y: Position,
): Layers[number] {
  return {
    data: { values: line ? [line] : [] },
    mark: { type: "rule", strokeWidth: 2, color: "#222" },
    encoding: {
      ...segments(x, y),
      strokeDash: {
        datum: name,
        scale: { domain: [name], range: [[7, 4]] },
        legend: line && { title: null, symbolType: "stroke", symbolSize: 400 },
      },
    },
  };
}

/** The places of the names in the axes' units, in a figure that is large enough for them. */
function placeNames(options: ScatterOptions, shown: Point[], xs: Range, ys: Range, fonts: Fonts) {
  const room = Math.max(1, Math.sqrt(shown.filter((point) => point.label).length / 40));
  let width = options.width ?? Math.round(480 * room);
  let height = options.height ?? Math.round(400 * room);
  const measure = (text: string) => fonts.regular.width(text, 12);
  const named = shown.filter((point) => point.label).map((point) => {
    const label = shorten(point.label!.trim(), width / 3, measure);
    return { ...point, label, width: measure(label) + 4 };
  });
  while (true) {
    const toX = (x: number) => width * (x - xs[0]) / (xs[1] - xs[0]);
    const toY = (y: number) => height * (ys[1] - y) / (ys[1] - ys[0]);
    const fromX = (x: number) => xs[0] + (xs[1] - xs[0]) * x / width;
    const fromY = (y: number) => ys[1] - (ys[1] - ys[0]) * y / height;
    const places = placeLabels(
      named.map((point) => ({ x: toX(point.x), y: toY(point.y), width: point.width, height: 15 })),
      width,
      height,
    );
    if (!places) { // no room for all of them
      width = Math.round(width * 1.15);
      height = Math.round(height * 1.15);
      continue;
    }
    return {
      width,
      height,
      names: places.map((place, i) => ({
        x: fromX(place.x),
        y: fromY(place.y),
        label: named[i].label,
      })),
      leaders: places.flatMap(({ leader: l }) =>
        l ? [{ x1: fromX(l[0]), y1: fromY(l[1]), x2: fromX(l[2]), y2: fromY(l[3]) }] : []
      ),
    };
  }
}
