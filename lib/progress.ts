/** A progress bar for programs that run long. */
import cliProgress from "cli-progress";

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
export function progressBar(total: number, done = 0) {
  const bar = new cliProgress.SingleBar({
    format: "[{bar}] {value}/{total} | {eta_formatted} left {text}",
    hideCursor: true,
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
