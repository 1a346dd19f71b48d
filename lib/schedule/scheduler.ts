/** The base of the learning-rate schedules, and what they check. */
/** What a schedule changes: an optimiser's parameter groups. */
export interface ScheduledGroup {
  lr: number;
  /** The rate before any schedule; set by the first schedule. */
  initial_lr?: number;
  /** Of {@linkcode OneCycleLR}. */
  max_lr?: number;
  min_lr?: number;
  max_momentum?: number;
  base_momentum?: number;
}

/** An optimiser, as schedules see it. */
export interface Scheduled {
  groups: ScheduledGroup[];
}

/** What all schedules take. */
export interface ScheduleOptions {
  /** The steps before, less one, if the schedule goes on with an optimiser's restored state; -1 for a new run. */
  last_epoch?: number;
}

/** The state of a schedule, for a checkpoint; what is particular to the optimiser is in the optimiser's. */
export interface ScheduleState {
  last_epoch: number;
  [name: string]: unknown;
}

/** Refuses a setting. */
export function refuse(what: string, wanted: string, value: unknown): never {
  throw new RangeError(
    `Cannot schedule the learning rate: ${what} must be ${wanted}, got ${value}`,
  );
}

/** Refuses what is no whole number from `least` on. */
export function checkCount(what: string, value: number, least: number): void {
  if (!(Number.isSafeInteger(value) && value >= least)) {
    refuse(what, `a whole number from ${least} on`, value);
  }
}

/** Refuses what is no number from 0 to `max`. */
export function checkFactor(what: string, value: number, max = Infinity): void {
  if (!(Number.isFinite(value) && value >= 0 && value <= max)) {
    refuse(what, max === Infinity ? "a number from 0 on" : `from 0 to ${max}`, value);
  }
}

/**
 * The base of the schedules. Call `step()` after `optimizer.step()`.
 *
 * A schedule says its rates in two ways: `next`, from the rate before, and `after`, from the rate at the very start,
 * which `set` needs.
 */
export abstract class LRScheduler {
  /** How many times `step` was called. */
  last_epoch: number;

  constructor(protected optimizer: Scheduled, { last_epoch = -1 }: ScheduleOptions = {}) {
    checkCount("last_epoch", last_epoch, -1);
    for (const [i, group] of optimizer.groups.entries()) {
      if (last_epoch >= 0 && group.initial_lr === undefined) {
        throw new RangeError(
          `Cannot go on with a schedule at last_epoch=${last_epoch} as group ${i} has no initial_lr: ` +
            "restore the optimiser's state first",
        );
      }
      group.initial_lr ??= group.lr;
    }
    this.last_epoch = last_epoch;
  }

  /** The rate of a group after the step to `last_epoch`, from the one before; `first`: when the schedule is made. */
  protected abstract next(group: ScheduledGroup, index: number, first: boolean): number;

  /** The rate of a group after `last_epoch` steps, from its `initial_lr`. */
  protected abstract after(initial: number, index: number): number;

  /** How many times `step` was called. */
  get steps(): number {
    return this.last_epoch;
  }

  /** Sets the learning rates for the updates that follow. */
  step(): void {
    this.advance(false);
  }

  /** Sets the learning rates to those after so many steps from `initial_lr`, whatever they are now. */
  set(steps = this.last_epoch): void {
    checkCount("steps", steps, 0);
    this.last_epoch = steps;
    this.optimizer.groups.forEach((group, i) =>
      group.lr = this.after(group.initial_lr ??= group.lr, i)
    );
  }

  /** The first step of the schedule, which its constructor takes; a {@linkcode SequentialLR} takes it again. */
  start(): void {
    this.advance(true);
  }

  /** Takes back the count of the constructor's step: a {@linkcode SequentialLR} starts its schedules itself. */
  undo(): void {
    this.last_epoch--;
  }

  private advance(first: boolean): void {
    this.last_epoch++;
    const rates = this.optimizer.groups.map((group, i) => {
      group.initial_lr ??= group.lr; // of a group that was added later
      return this.next(group, i, first);
    });
    this.optimizer.groups.forEach((group, i) => group.lr = rates[i]);
  }

  /** What a checkpoint needs beside the optimiser's state, as JSON can hold it. */
  stateDict(): ScheduleState {
    return { last_epoch: this.last_epoch };
  }

  /** Goes on where `stateDict` was called; the rates are in the optimiser's state. */
  loadStateDict({ last_epoch }: ScheduleState): void {
    checkCount("last_epoch", last_epoch, 0);
    this.last_epoch = last_epoch;
  }
}
