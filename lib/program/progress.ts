/** A progress bar for programs that run long. */
import cliProgress from "cli-progress";

/** Options of `progressBar`. */
export interface ProgressOptions {
  /** What the bar is about. */
  label?: string;
  /** What the numbers are shown in, such as MB of 1e6 bytes; without it as they are. */
  unit?: { name: string; size: number };
}

/**
 * A bar on stderr, drawn anew a few times a second; where stderr is no terminal it shows nothing.
 *
 *     const bar = progressBar(steps);
 *     for (let step = 1; step <= steps; step++) {
 *       ...
 *       bar.update(step, `loss ${loss.toFixed(4)}`);
 *     }
 *     bar.stop();
 */
export function progressBar(total: number, done = 0, { label, unit }: ProgressOptions = {}) {
  const number = (value: number) => unit ? `${(value / unit.size).toFixed(1)} ${unit.name}` : value;
  const bar = new cliProgress.SingleBar({
    format: `${label ? `${label} ` : ""}[{bar}] {value}/{total} | {eta_formatted} left {text}`,
    formatValue: (value: number, _options: unknown, type: string) =>
      String(type === "value" || type === "total" ? number(value) : value),
    hideCursor: false, // a run that is stopped could not bring it back
    linewrap: true, // nor this; the bar cuts its line where the terminal ends
    clearOnComplete: true,
  }, cliProgress.Presets.legacy);
  bar.start(total, done, { text: "" });
  return {
    /** How far the program is, and what else it says. */
    update(done: number, text?: string) {
      bar.update(done, text === undefined ? {} : { text: `| ${text}` });
    },
    /** Prints a line above the bar. */
    log(line: string) {
      if (Deno.stderr.isTerminal()) Deno.stderr.writeSync(new TextEncoder().encode("\r\x1b[K"));
      console.log(line);
    },
    /** Removes the bar. */
    stop() {
      bar.stop();
    },
  };
}
