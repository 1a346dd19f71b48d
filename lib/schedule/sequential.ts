/** Schedules one after the other. */
import {
  checkCount,
  LRScheduler,
  refuse,
  type Scheduled,
  type ScheduleState,
} from "./scheduler.ts";

/**
 * One schedule after the other: the next one begins, from the initial rate, when `milestones` steps are done; one
 * milestone fewer than schedules.
 */
export class SequentialLR extends LRScheduler {
  private schedulers: LRScheduler[];
  private milestones: number[];

  constructor(
    optimizer: Scheduled,
    { schedulers, milestones }: { schedulers: LRScheduler[]; milestones: number[] },
  ) {
    super(optimizer);
    if (schedulers.length === 0) refuse("schedulers", "one or more", "none");
    if (milestones.length !== schedulers.length - 1) {
      refuse("the number of milestones", `${schedulers.length - 1}`, milestones.length);
    }
    milestones.forEach((milestone, i) =>
      checkCount(`milestone ${i}`, milestone, i === 0 ? 1 : milestones[i - 1] + 1)
    );
    if (schedulers.some((scheduler) => scheduler["optimizer"] !== optimizer)) {
      throw new RangeError(
        "Cannot schedule the learning rate: the schedules have other optimisers",
      );
    }
    [this.schedulers, this.milestones] = [schedulers, milestones];
    this.last_epoch = 0;
    for (const group of optimizer.groups) group.lr = group.initial_lr!;
    this.undo();
    schedulers[0].start();
  }

  /** Within another SequentialLR its own count stays, so that its milestones come a step early, as in PyTorch. */
  override undo(): void {
    for (const scheduler of this.schedulers) scheduler.undo();
  }

  override start(): void {
    this.step();
  }

  override step(): void {
    this.last_epoch++;
    const index = this.milestones.filter((milestone) => milestone <= this.last_epoch).length;
    const scheduler = this.schedulers[index];
    if (index > 0 && this.milestones[index - 1] === this.last_epoch) scheduler.set(0);
    else scheduler.step();
  }

  /** Goes through all steps once more, from the initial rates. */
  override set(steps = this.last_epoch): void {
    checkCount("steps", steps, 0);
    this.schedulers[0].set(0);
    this.last_epoch = 0;
    while (this.last_epoch < steps) this.step();
  }

  protected override next(): number {
    throw new TypeError("A SequentialLR has no rates of its own");
  }

  protected override after(): number {
    throw new TypeError("A SequentialLR has no rates of its own");
  }

  override stateDict(): ScheduleState {
    return {
      last_epoch: this.last_epoch,
      schedulers: this.schedulers.map((scheduler) => scheduler.stateDict()),
    };
  }

  override loadStateDict(state: ScheduleState): void {
    const states = state.schedulers;
    if (!Array.isArray(states) || states.length !== this.schedulers.length) {
      refuse("the state", `one of ${this.schedulers.length} schedules`, JSON.stringify(states));
    }
    super.loadStateDict(state);
    // A schedule that has not begun is before its first step.
    states.forEach((state, i) => {
      if (state?.last_epoch === -1) this.schedulers[i].last_epoch = -1;
      else this.schedulers[i].loadStateDict(state);
    });
  }
}
