/** A figure: a Vega-Lite description that becomes SVG or PNG when it is asked for. */

import type { TopLevelSpec } from "vega-lite";
import { writeFileAtomic } from "../io/files.ts";
import { Font, fontFiles, printable } from "./font.ts";
import { findPictures, putTogether, withoutPictures } from "./pictures.ts";
import { encodePng } from "./png.ts";
import { rasterise } from "./rasterise.ts";

/** The name of the fonts below; a viewer that lacks DejaVu Sans takes Verdana, which is as wide. */
const FONT = "DejaVu Sans, Verdana, sans-serif";
/** Pixels of a PNG for each of the SVG's. */
const ZOOM = 2;
const TITLE_SIZE = 16, AXIS_SIZE = 13, LABEL_SIZE = 12;

/** The looks that all figures share. */
const CONFIG = {
  font: FONT,
  background: "white",
  padding: 14,
  title: {
    fontSize: TITLE_SIZE,
    color: "#222",
    anchor: "middle",
    offset: 12,
    subtitleColor: "#666",
  },
  axis: {
    titleFontSize: AXIS_SIZE,
    titleFontWeight: "normal",
    titleColor: "#222",
    titlePadding: 8,
    labelFontSize: LABEL_SIZE,
    labelColor: "#333",
    gridColor: "#e8e8e8",
    domainColor: "#888",
    tickColor: "#888",
    labelFlush: false,
  },
  legend: {
    titleFontSize: LABEL_SIZE,
    titleFontWeight: "normal",
    labelFontSize: LABEL_SIZE,
    titleColor: "#222",
    labelColor: "#333",
    labelLimit: 260,
    symbolLimit: 0,
    offset: 16,
  },
  view: { stroke: "#bbb" },
  mark: { aria: false }, // else each point repeats its values as text
  aria: false,
} as const;

/** Marks on top of each other in one plot. */
export type Layers = Extract<TopLevelSpec, { layer: unknown[] }>["layer"];

/** The widths of texts, which a description needs to place labels. */
export interface Fonts {
  regular: Font;
  bold: Font;
}

/** A picture; nothing is drawn before one of its methods is called. */
export class Figure {
  #describe: (fonts: Fonts) => TopLevelSpec | Promise<TopLevelSpec>;
  #svg?: Promise<string>;

  constructor(describe: (fonts: Fonts) => TopLevelSpec | Promise<TopLevelSpec>) {
    this.#describe = describe;
  }

  /** The picture as SVG text; the same data give the same text. */
  svg(): Promise<string> {
    return this.#svg ??= fonts().then(async ({ regular, bold }) =>
      await draw(await this.#describe({ regular, bold }), { regular, bold })
    );
  }

  /** The picture as PNG bytes, two pixels for each of the SVG's. */
  async png(): Promise<Uint8Array> {
    const svg = this.svg();
    const rest = await rasterise(svg.then(withoutPictures), ZOOM);
    const pixels = await putTogether(rest, findPictures(await svg), ZOOM);
    return await encodePng(pixels, rest.width, rest.height, 3); // the rasteriser's own encoder takes ten times as long
  }

  /** Writes `path`.svg and `path`.png, each whole or not at all. */
  async save(path: string): Promise<void> {
    const [svg, png] = await Promise.all([this.svg(), this.png()]);
    await writeFileAtomic(`${path}.svg`, svg);
    await writeFileAtomic(`${path}.png`, png);
  }

  /** Shows the picture as the result of a notebook's cell. */
  async [Symbol.for("Jupyter.display")](): Promise<Record<string, string>> {
    return { "image/svg+xml": await this.svg() };
  }
}

// The libraries are imported at the first picture: a script that draws none does not pay for them.

let loadedFonts: Promise<Fonts> | undefined;
function fonts() {
  return loadedFonts ??= fontFiles().then(([regular, bold]) => ({
    regular: new Font(regular),
    bold: new Font(bold),
  }));
}

/** Vega's measure of texts, which its types leave out. */
interface TextMetrics {
  width(
    item: { fontSize?: number; fontWeight?: string | number },
    text: unknown,
  ): number;
}

/** Vega-Lite description -> SVG text. */
async function draw(spec: TopLevelSpec, { regular, bold }: Fonts) {
  const [vega, { compile }] = await Promise.all([
    import("vega"),
    import("vega-lite"),
  ]);
  // Vega asks this function how long a text is, for the place of legends and axis titles; without it, it guesses.
  const isBold = (weight: unknown) => weight === "bold" || Number(weight) >= 600;
  const { textMetrics } = vega as unknown as { textMetrics: TextMetrics };
  textMetrics.width = (item, text) =>
    (isBold(item.fontWeight) ? bold : regular)
      .width(String(text ?? ""), item.fontSize ?? 11);
  const compiled = compile({ ...spec, config: CONFIG }).spec;
  const view = new vega.View(vega.parse(compiled), { renderer: "none" });
  const svg = await view.toSVG();
  view.finalize();
  return renameIds(printable(svg));
}

/**
 * Vega numbers clip paths and gradients through the life of the process. Here they are numbered per picture behind a
 * hash of its text: the same data give the same text, and pictures that share a page keep their ids apart.
 */
function renameIds(svg: string) {
  const names = new Map<string, string>();
  const renamed = (prefix: string) =>
    svg.replace(/(\sid="|url\(#)(clip\d+|gradient_\d+)\b/g, (_, before, id) => {
      if (!names.has(id)) names.set(id, String(names.size));
      return `${before}${prefix}${names.get(id)}`;
    });
  let hash = 2166136261; // FNV-1a, 32 bits
  for (const char of renamed("id")) {
    hash = Math.imul(hash ^ char.codePointAt(0)!, 16777619);
  }
  return renamed(`f${(hash >>> 0).toString(36)}-`);
}
