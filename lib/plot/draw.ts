/** The one place where a program draws: a picture that fails costs nothing but itself. */

import { InputError } from "../io/errors.ts";
import type { Figure } from "./figure.ts";

/**
 * Draws a figure into `path`.svg and `path`.png. Where that fails, for whatever reason, one line says
 * so and the program goes on: its results are worth more than its pictures.
 *
 *     await draw(run.path("loss"), () => lines({ series: { train: losses } }));
 *
 * @param make Makes the figure; what it throws counts as a failed picture, too
 * @returns Whether the picture is there
 */
export async function draw(
  path: string,
  make: () => Figure | Promise<Figure>,
): Promise<boolean> {
  try {
    await (await make()).save(path);
    return true;
  } catch (error) {
    const { message } = error as Error;
    // An InputError names the file itself.
    const reason = error instanceof InputError ? message : `Cannot draw '${path}': ${message}`;
    console.error(`warning: ${reason.replace(/\s+/g, " ").slice(0, 290)}`);
    return false;
  }
}
