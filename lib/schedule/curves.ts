/** Schedules that follow a curve: in steps, in a line, exponential, along a cosine, by a function of one's own. */
import {
  checkCount,
  checkFactor,
  LRScheduler,
  refuse,
  type Scheduled,
  type ScheduledGroup,
  type ScheduleOptions,
} from "./scheduler.ts";

/** Times `gamma` (0.1) each `step_size` steps. */
export class StepLR extends LRScheduler {
  private gamma: number;
  private step_size: number;

  constructor(
    optimizer: Scheduled,
    { step_size, gamma = 0.1, ...rest }: { step_size: number; gamma?: number } & ScheduleOptions,
  ) {
    super(optimizer, rest);
    checkCount("step_size", step_size, 1);
    checkFactor("gamma", gamma);
    [this.step_size, this.gamma] = [step_size, gamma];
    this.start();
  }

  protected override next({ lr }: ScheduledGroup): number {
    const { last_epoch, step_size, gamma } = this;
    return last_epoch === 0 || last_epoch % step_size !== 0 ? lr : lr * gamma;
  }

  protected override after(initial: number): number {
    return initial * this.gamma ** Math.floor(this.last_epoch / this.step_size);
  }
}

/** Times `factor` (1/3) until `total_iters` (5) steps are done. */
export class ConstantLR extends LRScheduler {
  private factor: number;
  private total_iters: number;

  constructor(
    optimizer: Scheduled,
    { factor = 1 / 3, total_iters = 5, ...rest }:
      & { factor?: number; total_iters?: number }
      & ScheduleOptions = {},
  ) {
    super(optimizer, rest);
    if (!(factor > 0 && factor <= 1)) refuse("factor", "above 0 and at most 1", factor);
    checkCount("total_iters", total_iters, 0);
    [this.factor, this.total_iters] = [factor, total_iters];
    this.start();
  }

  protected override next({ lr }: ScheduledGroup): number {
    if (this.last_epoch === 0) return lr * this.factor;
    return this.last_epoch === this.total_iters ? lr * (1 / this.factor) : lr;
  }

  protected override after(initial: number): number {
    return initial * (this.last_epoch >= this.total_iters ? 1 : this.factor);
  }
}

/** From `start_factor` (1/3) to `end_factor` (1) in a straight line over `total_iters` (5) steps. */
export class LinearLR extends LRScheduler {
  private start_factor: number;
  private end_factor: number;
  private total_iters: number;

  constructor(
    optimizer: Scheduled,
    { start_factor = 1 / 3, end_factor = 1, total_iters = 5, ...rest }:
      & { start_factor?: number; end_factor?: number; total_iters?: number }
      & ScheduleOptions = {},
  ) {
    super(optimizer, rest);
    if (!(start_factor > 0 && start_factor <= 1)) {
      refuse("start_factor", "above 0 and at most 1", start_factor);
    }
    checkFactor("end_factor", end_factor, 1);
    checkCount("total_iters", total_iters, 0);
    [this.start_factor, this.end_factor] = [start_factor, end_factor];
    this.total_iters = total_iters;
    this.start();
  }

  protected override next({ lr }: ScheduledGroup, _: number, first: boolean): number {
    const { last_epoch, start_factor, end_factor, total_iters } = this;
    if (last_epoch === 0) return lr * start_factor;
    if (first || last_epoch > total_iters) return lr;
    const rise = end_factor - start_factor;
    return lr * (1 + rise / (total_iters * start_factor + (last_epoch - 1) * rise));
  }

  protected override after(initial: number): number {
    const { last_epoch, start_factor, end_factor, total_iters } = this;
    const done = total_iters === 0 ? 0 : Math.min(last_epoch, total_iters) / total_iters;
    return initial * (start_factor + (end_factor - start_factor) * done);
  }
}

/** Times `gamma` at each step. */
export class ExponentialLR extends LRScheduler {
  private gamma: number;

  constructor(optimizer: Scheduled, { gamma, ...rest }: { gamma: number } & ScheduleOptions) {
    super(optimizer, rest);
    checkFactor("gamma", gamma);
    this.gamma = gamma;
    this.start();
  }

  protected override next({ lr }: ScheduledGroup, _: number, first: boolean): number {
    return first ? lr : lr * this.gamma;
  }

  protected override after(initial: number): number {
    return initial * this.gamma ** this.last_epoch;
  }
}

/**
 * Half a cosine from the first rate to `eta_min` (0) over `T_max` steps (Loshchilov and Hutter 2017, eq. 5), and up again
 * over as many.
 */
export class CosineAnnealingLR extends LRScheduler {
  private T_max: number;
  private eta_min: number;

  constructor(
    optimizer: Scheduled,
    { T_max, eta_min = 0, ...rest }: { T_max: number; eta_min?: number } & ScheduleOptions,
  ) {
    super(optimizer, rest);
    checkCount("T_max", T_max, 1);
    checkFactor("eta_min", eta_min);
    [this.T_max, this.eta_min] = [T_max, eta_min];
    this.start();
  }

  protected override next(
    { lr, initial_lr }: ScheduledGroup,
    _: number,
    first: boolean,
  ): number {
    const { last_epoch, T_max, eta_min } = this;
    if (first) return lr;
    if ((last_epoch - 1 - T_max) % (2 * T_max) === 0) { // at the lowest point, where the ratio below is 0 / 0
      return lr + (initial_lr! - eta_min) * (1 - Math.cos(Math.PI / T_max)) / 2;
    }
    const height = (steps: number) => 1 + Math.cos(Math.PI * steps / T_max);
    return height(last_epoch) / height(last_epoch - 1) * (lr - eta_min) + eta_min;
  }

  protected override after(initial: number): number {
    const { last_epoch, T_max, eta_min } = this;
    return eta_min + (initial - eta_min) * (1 + Math.cos(Math.PI * last_epoch / T_max)) / 2;
  }
}

/** The first rate times `factor(steps)`, a function of one's own; one for all groups or one a group. */
export class LambdaLR extends LRScheduler {
  private factor: ((steps: number) => number) | ((steps: number) => number)[];

  constructor(
    optimizer: Scheduled,
    factor: ((steps: number) => number) | ((steps: number) => number)[],
    options: ScheduleOptions = {},
  ) {
    super(optimizer, options);
    if (Array.isArray(factor) && factor.length !== optimizer.groups.length) {
      refuse(
        "the number of functions",
        `that of the groups, ${optimizer.groups.length}`,
        factor.length,
      );
    }
    this.factor = factor;
    this.start();
  }

  protected override next({ initial_lr }: ScheduledGroup, index: number): number {
    return this.after(initial_lr!, index);
  }

  protected override after(initial: number, index: number): number {
    const factor = Array.isArray(this.factor) ? this.factor[index] : this.factor;
    if (!factor) refuse("each group", "given a function", "none");
    return initial * factor(this.last_epoch);
  }
}
