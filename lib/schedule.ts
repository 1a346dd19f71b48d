/**
 * Learning-rate schedules, as PyTorch's torch.optim.lr_scheduler has them: in its chainable form, in which a schedule
 * changes the rate that it finds. So two schedules of one optimiser multiply, a rate set by hand stays the base of what
 * follows, and a parameter group that is added later takes part.
 *
 * Where a group started is its `initial_lr`, which is in the optimiser's state, too.
 */
export * from "./schedule/curves.ts";
export * from "./schedule/one_cycle.ts";
export * from "./schedule/plateau.ts";
export {
  LRScheduler,
  type Scheduled,
  type ScheduledGroup,
  type ScheduleOptions,
  type ScheduleState,
} from "./schedule/scheduler.ts";
export * from "./schedule/sequential.ts";
