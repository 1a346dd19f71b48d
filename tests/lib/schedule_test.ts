/** Schedules against the rates that PyTorch's have; tests/reference/README.md says how they were recorded. */
import * as tf from "@tensorflow/tfjs";
import { assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { parameter } from "lib/nn.ts";
import { AdamW, type AnyOptimizer, SGD } from "lib/optim.ts";
import {
  ConstantLR,
  CosineAnnealingLR,
  ExponentialLR,
  LambdaLR,
  LinearLR,
  type LRScheduler,
  OneCycleLR,
  ReduceLROnPlateau,
  type ScheduledGroup,
  SequentialLR,
  StepLR,
} from "lib/schedule.ts";
import { values } from "lib/tensor.ts";
import { assertClose, readReference } from "../helpers/compare.ts";
import { testOnDevices } from "../helpers/devices.ts";

const { cases } = await readReference("schedules.json");

const group = (lr: number) => ({ params: [parameter(tf.zeros([1]))], lr });
const sgd = (...lrs: number[]) => new SGD((lrs.length ? lrs : [0.1, 0.3]).map(group));
const rates = (optimizer: AnyOptimizer) => optimizer.groups.map(({ lr }) => lr);

/** Rows of rates (and momenta) after 0, 1, 2, ... steps. */
function record(
  name: string,
  optimizer: AnyOptimizer,
  schedules: { step(): void }[],
  edit: (step: number) => void = () => {},
) {
  const expected: number[][] = cases[name].rates;
  for (const [i, row] of expected.entries()) {
    if (i > 0) {
      edit(i - 1);
      for (const schedule of schedules) schedule.step();
    }
    const momenta = optimizer.groups.map(({ betas, momentum }) => betas?.[0] ?? momentum);
    const got = [...rates(optimizer), ...momenta].slice(0, row.length);
    assertEquals(got.length, row.length, name);
    got.forEach((x, j) => assertAlmostEquals(x, row[j], 1e-12, `${name}, step ${i}, number ${j}`));
  }
}

Deno.test("schedules have PyTorch's rates", () => {
  const kinds = { StepLR, ConstantLR, LinearLR, ExponentialLR, CosineAnnealingLR, OneCycleLR };
  let count = 0;
  for (const [name, { options }] of Object.entries<{ options: never }>(cases)) {
    const [kind, second] = name.split(" ");
    if (!Object.hasOwn(kinds, kind)) continue;
    const optimizer = kind !== "OneCycleLR"
      ? sgd()
      : second === "AdamW"
      ? new AdamW([0.1, 0.3].map(group))
      : new SGD([0.1, 0.3].map(group), { momentum: 0.9 });
    record(name, optimizer, [new kinds[kind as keyof typeof kinds](optimizer, options)]);
    count++;
  }
  assertEquals(count, 13);
  const optimizer = sgd();
  const factors = [(s: number) => 0.95 ** s, (s: number) => 1 / (1 + s)];
  record("LambdaLR", optimizer, [new LambdaLR(optimizer, factors)]);
});

Deno.test("schedules chain: two of one optimiser, one after the other, and one in the other", () => {
  let o = sgd();
  const warmup = { start_factor: 0.25, total_iters: 4 };
  const both = [new LinearLR(o, warmup), new StepLR(o, { step_size: 3, gamma: 0.5 })];
  record("both", o, both);
  const first = [.025, .04375, .0625, .040625, .05, .05, .025, .025];
  assertClose(cases.both.rates.slice(0, 8).map(([lr]: number[]) => lr), first);

  o = sgd();
  let schedulers: LRScheduler[] = [
    new ConstantLR(o, { factor: 0.1, total_iters: 2 }),
    new ExponentialLR(o, { gamma: 0.9 }),
    new StepLR(o, { step_size: 2, gamma: 0.5 }),
  ];
  record("SequentialLR", o, [new SequentialLR(o, { schedulers, milestones: [3, 7] })]);

  o = sgd();
  const rise = new LinearLR(o, { start_factor: 0.1, total_iters: 4 });
  const fall = new CosineAnnealingLR(o, { T_max: 8, eta_min: 0.01 });
  const warm = new SequentialLR(o, { schedulers: [rise, fall], milestones: [4] });
  record("SequentialLR warmup", o, [warm]);

  o = sgd();
  schedulers = [
    new LinearLR(o, { start_factor: 0.1, total_iters: 2 }),
    new ExponentialLR(o, { gamma: 0.9 }),
  ];
  const inner = new SequentialLR(o, { schedulers, milestones: [2] });
  const last = new StepLR(o, { step_size: 2, gamma: 0.5 });
  const outer = new SequentialLR(o, { schedulers: [inner, last], milestones: [5] });
  record("SequentialLR nested", o, [outer]);
});

Deno.test("a schedule goes on from a rate set by hand, and takes groups that come later", () => {
  const kinds: Record<string, (o: AnyOptimizer) => { step(): void }> = {
    StepLR: (o) => new StepLR(o, { step_size: 3, gamma: 0.5 }),
    LinearLR: (o) => new LinearLR(o, { start_factor: 0.25, total_iters: 8 }),
    CosineAnnealingLR: (o) => new CosineAnnealingLR(o, { T_max: 4, eta_min: 0.01 }),
    ExponentialLR: (o) => new ExponentialLR(o, { gamma: 0.9 }),
    ConstantLR: (o) => new ConstantLR(o, { factor: 0.25, total_iters: 8 }),
  };
  for (const [kind, make] of Object.entries(kinds)) {
    const o = sgd();
    record(`by hand ${kind}`, o, [make(o)], (step) => {
      if (step === 4) o.groups.forEach((group) => group.lr = 0.7);
    });
  }
  for (const kind of ["StepLR", "ExponentialLR"]) {
    const o = sgd(0.1);
    record(`late ${kind}`, o, [kinds[kind](o)], (step) => {
      if (step === 1) o.addParamGroup(group(0.3));
    });
  }
});

Deno.test("a schedule goes on with an optimiser's restored state", () => {
  const kinds: Record<string, (o: AnyOptimizer, last_epoch: number) => LRScheduler> = {
    StepLR: (o, last_epoch) => new StepLR(o, { step_size: 3, gamma: 0.5, last_epoch }),
    LinearLR: (o, last_epoch) =>
      new LinearLR(o, { start_factor: 0.25, total_iters: 8, last_epoch }),
    CosineAnnealingLR: (o, last_epoch) =>
      new CosineAnnealingLR(o, { T_max: 9, eta_min: 0.01, last_epoch }),
    ExponentialLR: (o, last_epoch) => new ExponentialLR(o, { gamma: 0.9, last_epoch }),
  };
  for (const [kind, make] of Object.entries(kinds)) {
    const stopped = sgd();
    const schedule = make(stopped, -1);
    for (let i = 0; i < 4; i++) schedule.step();
    const state = JSON.parse(JSON.stringify(schedule.stateDict()));

    const o = sgd();
    o.loadStateDict(stopped.stateDict());
    record(`last_epoch ${kind}`, o, [make(o, 3)]);

    // The same with the state of the schedule itself, and by `set`, from the first rates.
    const again = sgd();
    const resumed = make(again, -1);
    again.loadStateDict(stopped.stateDict());
    resumed.loadStateDict(state);
    schedule.step();
    resumed.step();
    assertEquals(rates(again), rates(stopped), kind);
    const other = sgd();
    make(other, -1).set(5);
    rates(other).forEach((lr, i) => assertAlmostEquals(lr, rates(stopped)[i], 1e-12, kind));
  }
  // A new schedule of a restored optimiser starts from where the run did, not from the rate that it had come to.
  const stopped = sgd(4e-3);
  const schedule = new StepLR(stopped, { step_size: 2, gamma: 0.5 });
  for (let i = 0; i < 4; i++) schedule.step();
  const o = sgd(4e-3);
  o.loadStateDict(stopped.stateDict());
  new StepLR(o, { step_size: 2, gamma: 0.5 }).set(4);
  assertAlmostEquals(rates(o)[0], 1e-3, 1e-15);
  assertThrows(
    () => new StepLR(sgd(), { step_size: 2, last_epoch: 3 }),
    RangeError,
    "no initial_lr",
  );
});

Deno.test("SequentialLR's state and set() go on in each of its parts", () => {
  const make = () => {
    const o = sgd();
    const rise = new LinearLR(o, { start_factor: 0.1, total_iters: 4 });
    const fall = new CosineAnnealingLR(o, { T_max: 8, eta_min: 0.01 });
    return [o, new SequentialLR(o, { schedulers: [rise, fall], milestones: [4] })] as const;
  };
  const expected: number[][] = cases["SequentialLR warmup"].rates;
  for (let at = 0; at < expected.length - 1; at++) {
    const [o, schedule] = make();
    for (let i = 0; i < at; i++) schedule.step();
    const state = JSON.parse(JSON.stringify(schedule.stateDict()));
    const [again, resumed] = make();
    again.loadStateDict(o.stateDict());
    resumed.loadStateDict(state);
    resumed.step();
    const [third, set] = make();
    set.set(at + 1);
    for (const optimizer of [again, third]) {
      rates(optimizer).forEach((lr, i) => assertAlmostEquals(lr, expected[at + 1][i], 1e-12));
    }
  }
});

Deno.test("ReduceLROnPlateau has PyTorch's rates, and goes on from its state", () => {
  for (const name of ["plateau", "plateau max abs", "plateau default"]) {
    const { options, metrics, rates: expected } = cases[name];
    const o = sgd();
    let schedule = new ReduceLROnPlateau(o, options);
    for (const [i, metric] of metrics.entries()) {
      if (i % 5 === 0) {
        const state = JSON.parse(JSON.stringify(schedule.stateDict()));
        schedule = new ReduceLROnPlateau(o, options);
        schedule.loadStateDict(state);
      }
      schedule.step(metric);
      rates(o).forEach((lr, g) => assertAlmostEquals(lr, expected[i][g], 1e-12, `${name} ${i}`));
    }
  }
});

Deno.test("schedules refuse impossible settings", () => {
  const o = sgd();
  const wrong: [() => unknown, string][] = [
    [() => new StepLR(o, { step_size: 0 }), "step_size must be a whole number from 1 on, got 0"],
    [() => new CosineAnnealingLR(o, { T_max: 0 }), "T_max must be a whole number from 1 on, got 0"],
    [() => new LinearLR(o, { start_factor: 0 }), "start_factor must be above 0 and at most 1"],
    [() => new LinearLR(o, { total_iters: -1 }), "total_iters must be a whole number from 0 on"],
    [() => new ExponentialLR(o, { gamma: NaN }), "gamma must be a number from 0 on, got NaN"],
    [() => new ConstantLR(o, { factor: 2 }), "factor must be above 0 and at most 1, got 2"],
    [() => new LambdaLR(o, [() => 1]), "the number of functions must be that of the groups, 2"],
    [() => new OneCycleLR(o, { max_lr: 1, total_steps: 0 }), "total_steps must be a whole number"],
    [() => new ReduceLROnPlateau(o, { factor: 1 }), "factor must be from 0 to below 1, got 1"],
    [() => new SequentialLR(o, { schedulers: [], milestones: [] }), "schedulers must be one or"],
    [
      () =>
        new SequentialLR(o, {
          schedulers: [new StepLR(sgd(), { step_size: 1 })],
          milestones: [],
        }),
      "other optimisers",
    ],
  ];
  for (const [make, problem] of wrong) assertThrows(make, RangeError, problem);
  const cycle = new OneCycleLR(o, { max_lr: 1, total_steps: 2 });
  cycle.step();
  cycle.step();
  assertThrows(() => cycle.step(), RangeError, "Cannot step the schedule 3 times");
});

testOnDevices("momentum that is switched on later starts with that step's gradient", async () => {
  const w = parameter(tf.tensor1d([1, -2]));
  const optimizer = new SGD([w], { lr: 0.1, weight_decay: 0.01 });
  for (const [i, expected] of cases["momentum later"].w.entries()) {
    if (i === 3) Object.assign(optimizer.groups[0], { momentum: 0.9, dampening: 0.5 });
    optimizer.step(() => w.mul(w).mul(tf.tensor1d([1, 0.5])).sum());
    assertClose(await values(w), expected, { absolute: 1e-6, what: `step ${i}` });
  }
});

Deno.test("initial_lr is part of an optimiser's state", () => {
  const o = sgd(0.1);
  new ConstantLR(o);
  const [saved] = o.stateDict().groups as unknown as (ScheduledGroup & { params: number[] })[];
  assertAlmostEquals(saved.lr, 0.1 / 3, 1e-15);
  assertEquals(saved.initial_lr, 0.1);
  assertEquals(saved.params, [0]);
});
