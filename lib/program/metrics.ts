/** metrics.jsonl: what a run measures, one JSON object a line. */
import { InputError } from "../io/errors.ts";
import { writeError, writeFileAtomic } from "../io/files.ts";

/** What is logged at a step: numbers, and what goes with them. */
export type Metrics = { readonly [name: string]: number | string | boolean | readonly number[] };

/**
 * A file of metrics. Each line is written at once: after a kill at any moment the file has all lines
 * up to that moment. Only a kill in the middle of writing leaves a piece of a line, at the end of the
 * file; `continue` drops it.
 */
export class MetricsFile {
  #file: Deno.FsFile;

  /**
   * Opens the file for appending.
   *
   * @param path The file; its folder must exist
   * @throws {InputError} If it cannot be written
   */
  private constructor(readonly path: string, append: boolean) {
    try {
      this.#file = Deno.openSync(path, { create: true, write: true, append, truncate: !append });
    } catch (error) {
      throw writeError(path, error);
    }
  }

  /** An empty file; what was in it is lost. */
  static create(path: string): MetricsFile {
    return new MetricsFile(path, false);
  }

  /**
   * The file of a run that goes on: keeps the lines with steps up to `step`, in one go.
   *
   * @throws {InputError} If a line is no object with a step; the last line may be cut short
   */
  static async continue(path: string, step: number): Promise<MetricsFile> {
    let text = "";
    try {
      text = await Deno.readTextFile(path);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
    const lines = text.split(/\r?\n/).slice(0, -1);
    const kept = lines.filter((line, i) => stepOf(line, `${path}, line ${i + 1}`) <= step);
    await writeFileAtomic(path, kept.map((line) => `${line}\n`).join(""));
    return new MetricsFile(path, true);
  }

  /** Adds a line. NaN and infinities, which JSON lacks, become the texts "NaN", "Infinity". */
  write(step: number, values: Metrics): void {
    const line = JSON.stringify(
      { step, ...values },
      (_, value) => typeof value === "number" && !Number.isFinite(value) ? String(value) : value,
    );
    let bytes = new TextEncoder().encode(`${line}\n`);
    try {
      while (bytes.length > 0) bytes = bytes.subarray(this.#file.writeSync(bytes));
    } catch (error) {
      throw writeError(this.path, error);
    }
  }

  close(): void {
    this.#file.close();
  }
}

function stepOf(line: string, place: string): number {
  let step: unknown;
  try {
    step = JSON.parse(line).step;
  } catch {
    // No JSON, or null: no step.
  }
  if (typeof step === "number") return step;
  throw new InputError(
    `Cannot continue ${place}: expected an object with a step, found '${line.slice(0, 60)}'`,
  );
}
