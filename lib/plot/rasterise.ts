/** SVG text -> pixels, in a thread of its own: rasteriser.ts says why. */

import process from "node:process";
import type { Worker } from "node:worker_threads";
import type { Answer, Pixels, Question } from "./rasteriser.ts";

let worker: Worker | undefined;
let waiting = 0; // figures that are being drawn
let drawn = 0;

/**
 * Draws an SVG text. The thread ends with the first figure; if there is a second one, there may be many, and it stays.
 *
 * @param svg The text, or its promise: the thread starts meanwhile
 * @param zoom Pixels for one unit of the SVG
 * @throws {Error} if the text is not SVG
 */
export async function rasterise(svg: string | Promise<string>, zoom: number): Promise<Pixels> {
  waiting++;
  const thread = worker ??= start();
  try {
    const question: Question = { svg: await svg, zoom };
    return await ask(thread, question);
  } finally {
    waiting--;
    if (drawn++ === 0 && waiting === 0) {
      worker = undefined;
      thread.terminate();
    }
  }
}

function start(): Worker {
  const { Worker } = process.getBuiltinModule("node:worker_threads");
  const thread = new Worker(new URL("./rasteriser.ts", import.meta.url));
  thread.unref();
  return thread;
}

let last: Promise<unknown> = Promise.resolve(); // the thread answers one question after the other
function ask(thread: Worker, question: Question): Promise<Pixels> {
  const answer = last.then(() =>
    new Promise<Pixels>((resolve, reject) => {
      thread.ref();
      thread.once("error", reject).once("message", (answer: Answer) => {
        if ("error" in answer) reject(new Error(`Cannot draw the figure: ${answer.error}`));
        else resolve(answer);
      });
      thread.postMessage(question);
    }).finally(() => {
      thread.removeAllListeners();
      thread.unref();
    })
  );
  last = answer.catch(() => {});
  return answer;
}
