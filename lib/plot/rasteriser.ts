/**
 * The thread that turns SVG texts into pixels. Once the rasteriser has drawn a figure, V8 goes on compiling it for
 * seconds of processor time, for faster figures that may never come: only the end of its thread stops that.
 */

import { parentPort } from "node:worker_threads";
import { initWasm, Resvg } from "@resvg/resvg-wasm";
import { fontFiles } from "./font.ts";

/** What the thread is asked: an SVG text, and the pixels for each of its units. */
export interface Question {
  svg: string;
  zoom: number;
}

/** What it answers. */
export type Answer = Pixels | { error: string };

/** Pixels of 4 bytes, row by row, the colours multiplied by the opacity. */
export interface Pixels {
  width: number;
  height: number;
  pixels: Uint8Array<ArrayBuffer>;
}

const started = (async () => {
  const wasm = import.meta.resolve("@resvg/resvg-wasm/index_bg.wasm");
  await initWasm(await Deno.readFile(new URL(wasm)));
  return await fontFiles();
})();

parentPort!.on("message", (question: Question) =>
  draw(question).then(
    (answer) => send(answer, [answer.pixels.buffer]),
    (error) => send({ error: String(error) }),
  ));

function send(answer: Answer, transferred: ArrayBuffer[] = []) {
  parentPort!.postMessage(answer, transferred);
}

async function draw({ svg, zoom }: Question): Promise<Pixels> {
  const fontBuffers = await started; // without these every text would vanish silently
  const resvg = new Resvg(svg, {
    fitTo: { mode: "zoom", value: zoom },
    font: { fontBuffers, defaultFontFamily: "DejaVu Sans", sansSerifFamily: "DejaVu Sans" },
  });
  const image = resvg.render();
  const { width, height } = image;
  const pixels = image.pixels as Uint8Array<ArrayBuffer>;
  image.free();
  resvg.free();
  return { width, height, pixels };
}
