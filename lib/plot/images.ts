/** Grids of small images, such as handwritten digits with their predictions. */

import { type FigureOptions, heading } from "./axes.ts";
import { pngAddress } from "./color.ts";
import { Figure, type Layers } from "./figure.ts";

/** An image and what stands above it. */
export interface GridImage {
  /** Brightness from 0 (black) to 1 (white), row by row: height * width values. */
  pixels: ArrayLike<number>;
  title?: string;
  /** Whether it is marked with a red frame and a red title: a wrong prediction. */
  wrong?: boolean;
}

/** What `imageGrid` draws. */
export interface ImageGridOptions extends Pick<FigureOptions, "title" | "subtitle"> {
  images: GridImage[];
  /** The size of each image in its own pixels. */
  height: number;
  width: number;
  /** Images in a line; by default the grid is about square. */
  across?: number;
}

const CELL = 84; // the longer side of an image in the figure
const TITLE_SIZE = 11;
const WRONG = "#c1272d";

/**
 * Grey images side by side, each below its title. Values below 0 and above 1 are black and white.
 *
 * @throws {RangeError} if there is no image, a size is no positive whole number, or a pixel is not finite
 * @throws {TypeError} if an image has not height * width pixels
 */
export function imageGrid(options: ImageGridOptions): Figure {
  const across = check(options);
  return new Figure(async (fonts) => {
    const { images, height, width } = options;
    const scale = CELL / Math.max(height, width);
    const size = { width: width * scale, height: height * scale };
    const widest = Math.max(
      ...images.map(({ title }) => fonts.regular.width(title ?? "", TITLE_SIZE)),
    );
    const titled = images.some(({ title }) => title);
    const stepX = Math.max(size.width, Math.min(widest, 2 * CELL)) + 12;
    const stepY = size.height + (titled ? TITLE_SIZE + 5 : 0) + 12;
    const cells = await Promise.all(images.map(async ({ pixels, title, wrong }, i) => {
      const bytes = Uint8Array.from(pixels, (value) => 255 * Math.min(1, Math.max(0, value)) + 0.5);
      const x = (i % across) * stepX + (stepX - size.width) / 2;
      const y = (Math.floor(i / across) + 1) * stepY - size.height - 6;
      return {
        x,
        y,
        x2: x + size.width,
        y2: y + size.height,
        middle: x + size.width / 2,
        url: await pngAddress(bytes, width, height, 1),
        title: title ?? "",
        color: wrong ? WRONG : "#222",
        frame: wrong ? WRONG : "#bbb",
        thickness: wrong ? 3 : 1,
      };
    }));
    const total = { width: across * stepX, height: Math.ceil(images.length / across) * stepY };
    return {
      ...heading(options, [], total.width, fonts),
      ...total,
      view: { stroke: null },
      data: { values: cells },
      layer: layers(size, stepX - 6),
    };
  });
}

/** Refuses what is no grid of images; returns how many stand side by side. */
function check({ images, height, width, across: wanted }: ImageGridOptions): number {
  if (!images.length) throw new RangeError("Cannot draw a grid of images: 'images' is empty");
  const across = wanted ?? Math.ceil(Math.sqrt(images.length));
  for (const [name, value] of Object.entries({ height, width, across })) {
    if (!Number.isInteger(value) || value < 1) {
      throw new RangeError(`Cannot draw a grid of images: '${name}' must be 1 or more: ${value}`);
    }
  }
  images.forEach(({ pixels }, i) => {
    if (pixels.length !== height * width) {
      throw new TypeError(
        `Cannot draw image ${i}: it has ${pixels.length} pixels, not ${height} x ${width}`,
      );
    }
    const bad = Array.prototype.findIndex.call(pixels, (value) => !Number.isFinite(value));
    if (bad >= 0) {
      throw new RangeError(`Cannot draw image ${i}: pixel ${bad} is ${pixels[bad]}`);
    }
  });
  return across;
}

const place = (field: string) => ({
  field,
  type: "quantitative" as const,
  scale: null,
  axis: null,
});

/** The images, their frames, their titles of at most `limit` pixels. */
function layers(size: { width: number; height: number }, limit: number): Layers {
  return [{
    mark: {
      type: "image",
      ...size,
      aspect: false,
      align: "left",
      baseline: "top",
      smooth: false,
    },
    encoding: { x: place("x"), y: place("y"), url: { field: "url" } },
  }, {
    mark: { type: "rect", filled: false },
    encoding: {
      x: place("x"),
      y: place("y"),
      x2: { field: "x2" },
      y2: { field: "y2" },
      stroke: { field: "frame", type: "nominal", scale: null },
      strokeWidth: { field: "thickness", type: "quantitative", scale: null },
    },
  }, {
    transform: [{ filter: "datum.title" }],
    mark: { type: "text", fontSize: TITLE_SIZE, baseline: "bottom", dy: -4, limit },
    encoding: {
      x: place("middle"),
      y: place("y"),
      text: { field: "title" },
      color: { field: "color", type: "nominal", scale: null },
    },
  }];
}
