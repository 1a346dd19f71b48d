/** A schedule that waits until a measurement gets no better. */
import { checkCount, refuse, type Scheduled, type ScheduleState } from "./scheduler.ts";

/** What {@linkcode ReduceLROnPlateau} takes. */
export interface PlateauOptions {
  /** Whether what is measured is to become small, as a loss, or large, as an accuracy. */
  mode?: "min" | "max";
  /** By what the rates are multiplied (0.1). */
  factor?: number;
  /** How many measurements in a row may be no better (10). */
  patience?: number;
  /** By how much a better one must be better (1e-4): a share of the best (`rel`), or the difference (`abs`). */
  threshold?: number;
  threshold_mode?: "rel" | "abs";
  /** Measurements after a reduction that do not count as bad (0). */
  cooldown?: number;
  /** The least rate (0); one for all groups or one a group. */
  min_lr?: number | number[];
  /** A smaller change than this is not made (1e-8). */
  eps?: number;
}

/** Lowers the rates when a measurement, such as the held-out loss, has stopped to get better. */
export class ReduceLROnPlateau {
  /** The best measurement so far. */
  best: number;
  /** Measurements since then that were no better. */
  num_bad_epochs = 0;
  /** Measurements left that do not count. */
  cooldown_counter = 0;
  /** How many times `step` was called. */
  last_epoch = 0;
  private options: Required<PlateauOptions>;

  constructor(private optimizer: Scheduled, options: PlateauOptions = {}) {
    this.options = {
      mode: "min",
      factor: 0.1,
      patience: 10,
      threshold: 1e-4,
      threshold_mode: "rel",
      cooldown: 0,
      min_lr: 0,
      eps: 1e-8,
      ...options,
    };
    const { mode, factor, threshold_mode, min_lr, patience, cooldown } = this.options;
    if (!(factor >= 0 && factor < 1)) refuse("factor", "from 0 to below 1", factor);
    if (!["min", "max"].includes(mode)) refuse("mode", "min or max", mode);
    if (!["rel", "abs"].includes(threshold_mode)) {
      refuse("threshold_mode", "rel or abs", threshold_mode);
    }
    checkCount("patience", patience, 0);
    checkCount("cooldown", cooldown, 0);
    if (Array.isArray(min_lr) && min_lr.length !== optimizer.groups.length) {
      refuse(
        "the number of min_lr",
        `that of the groups, ${optimizer.groups.length}`,
        min_lr.length,
      );
    }
    this.best = mode === "min" ? Infinity : -Infinity;
  }

  /** Takes note of a measurement, and lowers the rates if it is time. */
  step(measured: number): void {
    const { patience, cooldown } = this.options;
    this.last_epoch++;
    if (this.isBetter(measured)) {
      this.best = measured;
      this.num_bad_epochs = 0;
    } else this.num_bad_epochs++;
    if (this.cooldown_counter > 0) {
      this.cooldown_counter--;
      this.num_bad_epochs = 0;
    }
    if (this.num_bad_epochs <= patience) return;
    this.reduce();
    this.cooldown_counter = cooldown;
    this.num_bad_epochs = 0;
  }

  private isBetter(measured: number): boolean {
    const { mode, threshold, threshold_mode } = this.options;
    const sign = mode === "min" ? -1 : 1;
    const bound = threshold_mode === "rel"
      ? this.best * (1 + sign * threshold)
      : this.best + sign * threshold;
    return sign * measured > sign * bound;
  }

  private reduce(): void {
    const { factor, min_lr, eps } = this.options;
    for (const [i, group] of this.optimizer.groups.entries()) {
      const least = Array.isArray(min_lr) ? min_lr[i] : min_lr;
      const lr = Math.max(group.lr * factor, least);
      if (group.lr - lr > eps) group.lr = lr;
    }
  }

  /** What a checkpoint needs beside the optimiser's state; JSON has no infinities, so a `best` of none is null. */
  stateDict(): ScheduleState & { best: number | null } {
    const { last_epoch, best, num_bad_epochs, cooldown_counter } = this;
    return {
      last_epoch,
      best: Number.isFinite(best) ? best : null,
      num_bad_epochs,
      cooldown_counter,
    };
  }

  /** Goes on where `stateDict` was called. */
  loadStateDict(state: ScheduleState): void {
    const { last_epoch, best, num_bad_epochs, cooldown_counter } = state as
      & ReturnType<
        ReduceLROnPlateau["stateDict"]
      >
      & { num_bad_epochs: number; cooldown_counter: number };
    checkCount("last_epoch", last_epoch, 0);
    checkCount("num_bad_epochs", num_bad_epochs, 0);
    checkCount("cooldown_counter", cooldown_counter, 0);
    if (best !== null && typeof best !== "number") refuse("best", "a number", best);
    this.best = best ?? (this.options.mode === "min" ? Infinity : -Infinity);
    Object.assign(this, { last_epoch, num_bad_epochs, cooldown_counter });
  }
}
