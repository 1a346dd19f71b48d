/**
 * Pictures: scatter plots, curves, dot plots, heat maps and grids of images, as SVG and PNG.
 *
 *     await lines({ series: { train: losses }, xLabel: "step", yLabel: "loss" }).save("out/loss");
 *
 * Each function checks its data and returns a `Figure` at once; it is drawn when `save`, `svg` or
 * `png` is called. A script draws with `draw`, which never costs it its results.
 *
 * What may stand in this room: one file for each kind of figure, which turns data into a description
 * for Vega-Lite, and what turns descriptions into files (figure, font, rasterise, png). Nothing here
 * knows a tensor or a model: the data come as arrays.
 */

export { draw } from "./draw.ts";
export { Figure } from "./figure.ts";
export { type Point, scatter, type ScatterOptions } from "./scatter.ts";
export { dots, type DotsOptions } from "./dots.ts";
export { type Curve, lines, type LinesOptions } from "./lines.ts";
export type { MapOptions, Matrix } from "./cells.ts";
export type { ColorOptions } from "./scale.ts";
export {
  confusionMatrix,
  type ConfusionOptions,
  heatmap,
  heatmapGrid,
  type HeatmapGridOptions,
  type HeatmapOptions,
} from "./heatmap.ts";
export { attentionMaps, type AttentionOptions } from "./attention.ts";
export { plotEmbeddings } from "./embeddings.ts";
export { type GridImage, imageGrid, type ImageGridOptions } from "./images.ts";
