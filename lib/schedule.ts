/** Learning-rate schedules, as PyTorch's torch.optim.lr_scheduler has them. */
import type { Optimizer } from "./optim.ts";

/** The base of the schedules: after each `step()` every group's lr is its first one times `factor(steps so far)`. */
export abstract class LRScheduler<S extends { lr: number } = { lr: number }> {
  /** How many times `step` was called. */
  steps = 0;
  private initial: number[];

  constructor(private optimizer: Optimizer<S>) {
    this.initial = optimizer.groups.map(({ lr }) => lr);
  }

  /** The learning rate after `steps` steps of a group that started with `initial`. */
  protected abstract rate(
    initial: number,
    steps: number,
    group: number,
  ): number;

  /** Sets the learning rates for the steps that follow; call it after `optimizer.step`. */
  step(): void {
    this.steps++;
    this.set();
  }

  /** Sets the learning rates for a number of steps that were done, as when a run resumes. */
  set(steps = this.steps): void {
    this.steps = steps;
    this.optimizer.groups.forEach((group, i) => group.lr = this.rate(this.initial[i], steps, i));
  }
}

/** Times `gamma` each `step_size` steps. */
export class StepLR<S extends { lr: number }> extends LRScheduler<S> {
  constructor(
    optimizer: Optimizer<S>,
    private options: { step_size: number; gamma?: number },
  ) {
    super(optimizer);
  }

  protected override rate(initial: number, steps: number): number {
    const { step_size, gamma = 0.1 } = this.options;
    return initial * gamma ** Math.floor(steps / step_size);
  }
}

/** From `start_factor` (1/3) to `end_factor` (1) in a straight line over `total_iters` (5) steps. */
export class LinearLR<S extends { lr: number }> extends LRScheduler<S> {
  constructor(
    optimizer: Optimizer<S>,
    private options: {
      start_factor?: number;
      end_factor?: number;
      total_iters?: number;
    } = {},
  ) {
    super(optimizer);
    this.set();
  }

  protected override rate(initial: number, steps: number): number {
    const { start_factor = 1 / 3, end_factor = 1, total_iters = 5 } = this.options;
    const done = Math.min(steps, total_iters) / total_iters;
    return initial * (start_factor + (end_factor - start_factor) * done);
  }
}

/** Half a cosine from the first rate to `eta_min` (0) over `T_max` steps (Loshchilov and Hutter 2017, eq. 5). */
export class CosineAnnealingLR<S extends { lr: number }> extends LRScheduler<S> {
  constructor(
    optimizer: Optimizer<S>,
    private options: { T_max: number; eta_min?: number },
  ) {
    super(optimizer);
  }

  protected override rate(initial: number, steps: number): number {
    const { T_max, eta_min = 0 } = this.options;
    return eta_min +
      (initial - eta_min) * (1 + Math.cos(Math.PI * steps / T_max)) / 2;
  }
}

/** Times `factor(steps)`, a function of one's own; one for all groups or one a group. */
export class LambdaLR<S extends { lr: number }> extends LRScheduler<S> {
  constructor(
    optimizer: Optimizer<S>,
    private factor: ((steps: number) => number) | ((steps: number) => number)[],
  ) {
    super(optimizer);
    this.set();
  }

  protected override rate(
    initial: number,
    steps: number,
    group: number,
  ): number {
    const factor = Array.isArray(this.factor) ? this.factor[group] : this.factor;
    return initial * factor(steps);
  }
}
