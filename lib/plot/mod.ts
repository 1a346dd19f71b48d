/**
 * Figures: scatter plots, curves, dot plots, heat maps and grids of images, as SVG and PNG.
 *
 *     await lines({ series: { train: losses }, xLabel: "step", yLabel: "loss" }).save("out/loss");
 *
 * Each function checks its data and returns a `Figure` at once; it is drawn when `save`, `svg` or `png` is called.
 * Vega-Lite draws; the files in plot/ say what.
 */

export { Figure } from "./figure.ts";
export { type Point, scatter, type ScatterOptions } from "./scatter.ts";
export { dots, type DotsOptions } from "./dots.ts";
export { type Curve, lines, type LinesOptions } from "./lines.ts";
export {
  type ColorOptions,
  confusionMatrix,
  type ConfusionOptions,
  heatmap,
  heatmapGrid,
  type HeatmapGridOptions,
  type HeatmapOptions,
  type MapOptions,
  type Matrix,
} from "./heatmap.ts";
export { type GridImage, imageGrid, type ImageGridOptions } from "./images.ts";
