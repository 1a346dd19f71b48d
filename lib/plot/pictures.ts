/**
 * Pictures of pixels in a figure. The rasteriser needs most of a second for the first one that it meets, so it draws
 * the figure without them, and they are painted here. They lie below all else in a figure, on its white background.
 */

import { decodePng } from "./png.ts";

/** Where a picture is, in the units of the SVG, and its PNG file. */
interface Picture {
  x: number;
  y: number;
  width: number;
  height: number;
  file: Uint8Array<ArrayBuffer>;
}

/** Finds the pictures in an SVG text of Vega's, which moves groups and pictures, but neither scales nor turns them. */
export function findPictures(svg: string): Picture[] {
  const pictures: Picture[] = [];
  const places = [{ x: 0, y: 0 }]; // of the open groups
  for (const [_, end, name, attributes] of svg.matchAll(/<(\/?)(g|image)\b([^>]*)>/g)) {
    const value = (pattern: RegExp) => pattern.exec(attributes)?.[1] ?? "";
    if (name === "g" && end) places.pop();
    if (end) continue;
    const [dx = 0, dy = 0] = value(/\stransform="translate\(([^)]*)\)/).split(",").map(Number);
    const { x, y } = places.at(-1)!;
    const place = { x: x + dx, y: y + dy };
    if (name === "g") {
      if (!attributes.endsWith("/")) places.push(place);
    } else {
      pictures.push({
        ...place,
        width: Number(value(/\swidth="([^"]*)"/)),
        height: Number(value(/\sheight="([^"]*)"/)),
        file: Uint8Array.fromBase64(value(/"data:image\/png;base64,([^"]*)"/)),
      });
    }
  }
  return pictures;
}

/** The SVG text without background and pictures. */
export function withoutPictures(svg: string): string {
  return svg.replace(/<rect\b[^>]*>/, "").replace(/<image\b[^>]*>(<\/image>)?/g, "");
}

/**
 * Puts a figure together: its background, its pictures, the rest.
 *
 * @param rest The figure without background and pictures, 4 bytes a pixel, the colours multiplied by the opacity
 * @param zoom Pixels for one unit of the SVG
 * @returns 3 bytes a pixel
 */
export async function putTogether(
  { pixels: rest, width, height }: { pixels: Uint8Array; width: number; height: number },
  pictures: Picture[],
  zoom: number,
): Promise<Uint8Array> {
  const canvas = new Uint8Array(width * height * 3).fill(255);
  for (const picture of pictures) {
    const image = await decodePng(picture.file);
    const columns = sources(picture.x * zoom, picture.width * zoom, width, image.width);
    const rows = sources(picture.y * zoom, picture.height * zoom, height, image.height);
    rows.of.forEach((row, i) => {
      const start = 3 * ((rows.first + i) * width + columns.first);
      paintRow(canvas, start, image, row * image.width, columns.of);
    });
  }
  for (let y = 0; y < height; y++) drawRow(canvas, rest, y * width, (y + 1) * width);
  return canvas;
}

/** The first pixel that a picture covers along an axis of the figure, and for each the pixel of the picture. */
function sources(start: number, length: number, limit: number, pixels: number) {
  const first = Math.max(0, Math.round(start)), end = Math.min(limit, Math.round(start + length));
  const of = Uint32Array.from({ length: Math.max(0, end - first) }, (_, i) => {
    const at = Math.floor((first + i + 0.5 - start) / length * pixels);
    return Math.min(pixels - 1, Math.max(0, at));
  });
  return { first, of };
}

// Functions of a row each: they are compiled after a few of them.

function paintRow(
  canvas: Uint8Array,
  start: number,
  { pixels, channels }: { pixels: Uint8Array; channels: number },
  row: number,
  columns: Uint32Array,
) {
  const green = channels === 1 ? 0 : 1, blue = channels === 1 ? 0 : 2;
  for (let i = 0, to = start; i < columns.length; i++, to += 3) {
    const from = (row + columns[i]) * channels;
    canvas[to] = pixels[from];
    canvas[to + 1] = pixels[from + green];
    canvas[to + 2] = pixels[from + blue];
  }
}

/** Draws pixels on top of the canvas ("source over" of Porter and Duff 1984). */
function drawRow(canvas: Uint8Array, rest: Uint8Array, first: number, end: number) {
  for (let from = 4 * first, to = 3 * first; from < 4 * end; from += 4, to += 3) {
    const below = 255 - rest[from + 3];
    if (below === 255) continue;
    canvas[to] = rest[from] + Math.round(canvas[to] * below / 255);
    canvas[to + 1] = rest[from + 1] + Math.round(canvas[to + 1] * below / 255);
    canvas[to + 2] = rest[from + 2] + Math.round(canvas[to + 2] * below / 255);
  }
}
