/** The one-cycle schedule. */
import {
  checkCount,
  checkFactor,
  LRScheduler,
  refuse,
  type Scheduled,
  type ScheduledGroup,
  type ScheduleOptions,
} from "./scheduler.ts";

/** What {@linkcode OneCycleLR} takes. */
export interface OneCycleOptions extends ScheduleOptions {
  /** The largest rate; one for all groups or one a group. */
  max_lr: number | number[];
  /** All updates of the training; `step` cannot be called more often. */
  total_steps: number;
  /** The share of the steps in which the rate rises (0.3). */
  pct_start?: number;
  /** Along half a cosine, or in a line. */
  anneal_strategy?: "cos" | "linear";
  /** Whether momentum, or the first of the betas, falls as the rate rises, and the other way round (true). */
  cycle_momentum?: boolean;
  base_momentum?: number;
  max_momentum?: number;
  /** The first rate is `max_lr / div_factor` (25). */
  div_factor?: number;
  /** The last one is the first divided by this (10,000). */
  final_div_factor?: number;
  /** Down to the first rate as it came up, and only then to the last one. */
  three_phase?: boolean;
}

/** One rise and one fall over the whole training (Smith and Topin 2018). */
export class OneCycleLR extends LRScheduler {
  private total_steps: number;
  private cycle_momentum: boolean;
  private linear: boolean;
  private phases: { end: number; from: Extreme; to: Extreme }[];

  constructor(optimizer: Scheduled, options: OneCycleOptions) {
    const { max_lr, total_steps, pct_start = 0.3, anneal_strategy = "cos" } = options;
    const { cycle_momentum = true, base_momentum = 0.85, max_momentum = 0.95 } = options;
    const { div_factor = 25, final_div_factor = 1e4, three_phase = false, last_epoch } = options;
    checkCount("total_steps", total_steps, 1);
    checkFactor("pct_start", pct_start, 1);
    if (!["cos", "linear"].includes(anneal_strategy)) {
      refuse("anneal_strategy", "cos or linear", anneal_strategy);
    }
    if (!(div_factor > 0)) refuse("div_factor", "above 0", div_factor);
    if (!(final_div_factor > 0)) refuse("final_div_factor", "above 0", final_div_factor);
    const { groups } = optimizer;
    if (Array.isArray(max_lr) && max_lr.length !== groups.length) {
      refuse("the number of max_lr", `that of the groups, ${groups.length}`, max_lr.length);
    }
    if (cycle_momentum && !groups.every((group) => "betas" in group || "momentum" in group)) {
      throw new RangeError("Cannot cycle the momentum: the optimiser has none");
    }
    for (const [i, group] of last_epoch === undefined ? groups.entries() : []) {
      const max = Array.isArray(max_lr) ? max_lr[i] : max_lr;
      if (!(max >= 0)) refuse("max_lr", "a number from 0 on", max);
      const initial_lr = max / div_factor;
      Object.assign(group, { initial_lr, max_lr: max, min_lr: initial_lr / final_div_factor });
      if (cycle_momentum) {
        setMomentum(group, max_momentum);
        Object.assign(group, { max_momentum, base_momentum });
      }
    }
    super(optimizer, { last_epoch });
    this.total_steps = total_steps;
    this.cycle_momentum = cycle_momentum;
    this.linear = anneal_strategy === "linear";
    const [low, high, lowest]: Extreme[] = [
      { lr: "initial_lr", momentum: "max_momentum" },
      { lr: "max_lr", momentum: "base_momentum" },
      { lr: "min_lr", momentum: "max_momentum" },
    ];
    const top = pct_start * total_steps - 1;
    this.phases = three_phase
      ? [
        { end: top, from: low, to: high },
        { end: 2 * pct_start * total_steps - 2, from: high, to: low },
        { end: total_steps - 1, from: low, to: lowest },
      ]
      : [
        { end: top, from: low, to: high },
        { end: total_steps - 1, from: high, to: lowest },
      ];
    this.start();
  }

  protected override next(group: ScheduledGroup): number {
    const { last_epoch, total_steps, phases } = this;
    if (last_epoch > total_steps) {
      throw new RangeError(
        `Cannot step the schedule ${last_epoch} times: it has total_steps=${total_steps}`,
      );
    }
    const found = phases.findIndex(({ end }) => last_epoch <= end);
    const index = found < 0 ? phases.length - 1 : found;
    const { end, from, to } = phases[index];
    const begin = index === 0 ? 0 : phases[index - 1].end;
    const share = end === begin ? 1 : (last_epoch - begin) / (end - begin);
    const between = (a: number, b: number) =>
      this.linear ? a + (b - a) * share : b + (a - b) / 2 * (1 + Math.cos(Math.PI * share));
    if (this.cycle_momentum) {
      setMomentum(group, between(group[from.momentum]!, group[to.momentum]!));
    }
    return between(group[from.lr]!, group[to.lr]!);
  }

  protected override after(_: number, index: number): number {
    return this.next(this.optimizer.groups[index]);
  }
}

/** An end of a phase of {@linkcode OneCycleLR}: where in a group its rate and its momentum stand. */
interface Extreme {
  lr: "initial_lr" | "max_lr" | "min_lr";
  momentum: "max_momentum" | "base_momentum";
}

function setMomentum(
  group: ScheduledGroup & { betas?: [number, number]; momentum?: number },
  value: number,
) {
  if (group.betas) group.betas = [value, group.betas[1]];
  else group.momentum = value;
}
