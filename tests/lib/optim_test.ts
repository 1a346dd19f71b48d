import * as tf from "@tensorflow/tfjs";
import { assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { type Parameter, parameter } from "lib/nn.ts";
import {
  Adam,
  AdamW,
  clipGradNorm,
  CosineAnnealingLR,
  LambdaLR,
  LinearLR,
  type LRScheduler,
  type Optimizer,
  SGD,
  StepLR,
} from "lib/optim.ts";
import { item, values } from "lib/tensor.ts";
import {
  assertClose,
  numbers,
  readReference,
  type ReferenceTensor,
  toTensor,
} from "../helpers/compare.ts";
import { testOnDevices } from "../helpers/devices.ts";

interface Step {
  loss: number;
  lr: number[];
  grad_norm?: number;
  W?: number[];
  c: number[];
  E?: number[];
}
interface Case {
  optimizer: string;
  settings: Record<string, unknown>;
  groups?: boolean;
  clip?: number;
  norm_type?: string;
  clip_value?: number;
  schedule?: string;
  steps: Step[];
}
type AnyOptimizer = Optimizer<{ lr: number }>;

const { problem, cases, awkward, awkward_clip, clip_exact } = (await readReference("optim.json"))
  .seeds["42"] as {
    problem: Record<string, ReferenceTensor>;
    cases: Case[];
    awkward: Record<string, number[]>;
    awkward_clip: { norm: string; grad: (number | string)[] };
    clip_exact: { norm: number; grad: number[] };
  };
const kinds = { SGD, Adam, AdamW } as unknown as Record<
  string,
  new (params: unknown[], settings: unknown) => AnyOptimizer
>;
const schedules: Record<string, (o: AnyOptimizer) => LRScheduler> = {
  cosine: (o) => new CosineAnnealingLR(o, { T_max: 8, eta_min: 1e-4 }),
  step: (o) => new StepLR(o, { step_size: 3, gamma: 0.5 }),
  linear_warmup: (o) => new LinearLR(o, { start_factor: 0.1, total_iters: 4 }),
  noam: (o) => new LambdaLR(o, (i) => 16 ** -0.5 * Math.min((i + 1) ** -0.5, (i + 1) * 4 ** -1.5)),
};
const ours = cases.filter(({ optimizer, settings, norm_type, clip_value, schedule }) =>
  optimizer in kinds && !settings.maximize && !settings.amsgrad && !norm_type && !clip_value &&
  (!schedule || schedule in schedules)
);

/** The reference's problem: mean of (tanh(A + E[ids]) W + c - b)^2. */
function makeProblem() {
  const [A, b, ids] = [problem.A, problem.b, problem.ids].map(toTensor);
  const [W, c, E] = [problem.W, problem.c, problem.E].map((t) => parameter(toTensor(t)));
  const loss = () =>
    tf.matMul(tf.tanh(A.add(tf.gather(E, ids as tf.Tensor1D))) as tf.Tensor2D, W as tf.Tensor2D)
      .add(c).sub(b).square().mean();
  return { W, c, E, loss };
}

testOnDevices("optimisers, clipping and schedules follow PyTorch's for ten steps", async () => {
  assertEquals(ours.length, 17);
  for (const { optimizer: kind, settings, groups, clip, schedule, steps } of ours) {
    const what = JSON.stringify({ kind, settings, groups, clip, schedule });
    const { W, c, E, loss } = makeProblem();
    const lr = settings.lr as number;
    const params = groups
      ? [{ params: [W, E], weight_decay: 0.1 }, { params: [c], weight_decay: 0, lr: 2 * lr }]
      : [W, c, E];
    const optimizer = new kinds[kind](params, settings);
    const scheduler = schedule ? schedules[schedule](optimizer) : undefined;
    for (const [i, step] of steps.entries()) {
      optimizer.groups.forEach((group, g) => assertAlmostEquals(group.lr, step.lr[g], 1e-9, what));
      const value = await item(optimizer.backward(loss));
      assertClose([value], [step.loss], { relative: 1e-5, what: `${what} loss ${i}` });
      if (clip) {
        const norm = clipGradNorm(optimizer, clip);
        assertClose([await item(norm)], [step.grad_norm!], { relative: 1e-5, what });
        norm.dispose();
      }
      optimizer.step();
      scheduler?.step();
      for (const [name, p] of Object.entries({ W, c, E })) {
        const expected = step[name as "W" | "c" | "E"];
        if (!expected) continue;
        const tolerances = { absolute: 5e-6, relative: 2e-5, what: `${what} ${name} after ${i}` };
        assertClose(await values(p), expected, tolerances);
      }
    }
    optimizer.dispose();
    tf.dispose([W, c, E]);
  }
});

testOnDevices(
  "AdamW leaves a parameter without a gradient alone and passes NaN on",
  async (device) => {
    const [w, u] = [parameter(tf.ones([2])), parameter(tf.ones([2]))];
    const optimizer = new AdamW([w, u], { lr: 0.1, weight_decay: 0.1 });
    optimizer.step(() => w.mul(0).sum());
    assertClose(await values(w), numbers(awkward.w_after_1));
    assertEquals([...await values(u)], [1, 1]);
    if (device !== "webgpu") {
      optimizer.step(() => w.mul(tf.tensor1d([NaN, 1])).sum());
      assertClose(await values(w), numbers(awkward.w_after_2));
    }
    assertEquals([...await values(u)], numbers(awkward.u_after_2));
  },
);

testOnDevices("clipGradNorm() scales as PyTorch does", async (device) => {
  const clipped = async (gradient: number[], max: number) => {
    const p = parameter(tf.zeros([2]));
    const optimizer = new SGD([p], { lr: 1 });
    optimizer.backward(() => p.mul(tf.tensor1d(gradient)).sum());
    const norm = await item(clipGradNorm(optimizer, max));
    return { norm, gradient: [...await values(optimizer.gradients.get(p)!)] };
  };
  const exact = await clipped([3, 4], 5);
  assertAlmostEquals(exact.norm, clip_exact.norm, 1e-6);
  assertClose(exact.gradient, clip_exact.grad, { relative: 1e-7, absolute: 0 });
  if (device === "webgpu") return;
  const infinite = await clipped([Infinity, 1], 1);
  assertEquals(infinite.norm, Infinity);
  assertClose(infinite.gradient, numbers(awkward_clip.grad));
});

testOnDevices("backward() adds up gradients until step()", async () => {
  const [a, b] = [parameter(tf.tensor1d([2])), parameter(tf.tensor1d([2]))];
  const [one, two] = [new SGD([a], { lr: 0.1 }), new SGD([b], { lr: 0.1 })];
  one.step(() => a.square().sum().add(a.mul(3).sum()));
  two.backward(() => b.square().sum());
  two.backward(() => b.mul(3).sum());
  two.step();
  assertClose(await values(b), await values(a));
  assertEquals(two.gradients.size, 0);
});

Deno.test("a schedule changes each group's own learning rate", () => {
  const groups = [0.1, 0.3].map((lr) => ({ params: [parameter(tf.zeros([1]))], lr }));
  const optimizer = new SGD(groups);
  const schedule = new StepLR(optimizer, { step_size: 2, gamma: 0.5 });
  const rates = () => optimizer.groups.map(({ lr }) => lr);
  schedule.step();
  assertEquals(rates(), [0.1, 0.3]);
  schedule.step();
  assertEquals(rates(), [0.05, 0.15]);
});

testOnDevices("200 training steps leak no tensor", async () => {
  for (const kind of ["SGD", "Adam", "AdamW"]) {
    const { W, c, E, loss } = makeProblem();
    const settings = kind === "SGD" ? { lr: 0.01, momentum: 0.9 } : { lr: 0.01 };
    const optimizer = new kinds[kind]([W, c, E], settings);
    optimizer.step(loss);
    await item(optimizer.step(loss));
    const before = tf.memory().numTensors;
    for (let i = 0; i < 200; i++) {
      optimizer.backward(loss);
      if (i % 20 === 0) optimizer.backward(loss); // adds to the gradients
      clipGradNorm(optimizer, 1).dispose();
      optimizer.step();
    }
    assertEquals(tf.memory().numTensors, before);
    optimizer.dispose();
    tf.dispose([W, c, E]);
  }
});

testOnDevices("an optimiser's state continues exactly in another one", async () => {
  const train = (optimizer: AnyOptimizer, loss: () => tf.Tensor, steps: number) => {
    for (let i = 0; i < steps; i++) optimizer.step(loss);
  };
  const through = makeProblem();
  const all = ({ W, c, E }: { W: Parameter; c: Parameter; E: Parameter }) => [W, c, E];
  const optimizer = new AdamW(all(through), { lr: 0.01 });
  train(optimizer, through.loss, 3);
  const stopped = makeProblem();
  all(stopped).forEach((p, i) => p.assign(all(through)[i].mul(1)));
  const resumed = new AdamW(all(stopped), { lr: 0.5 });
  resumed.loadStateDict(optimizer.stateDict());
  train(optimizer, through.loss, 3);
  train(resumed, stopped.loss, 3);
  assertEquals(resumed.groups[0].lr, 0.01);
  for (const i of [0, 1, 2]) {
    assertEquals(await values(all(stopped)[i]), await values(all(through)[i]));
  }
});

Deno.test("optimisers refuse impossible settings", () => {
  const p = parameter(tf.zeros([2]));
  assertThrows(() => new SGD([]), RangeError, "there are no parameters");
  assertThrows(
    () => new Adam([{ params: [p] }, { params: [p] }]),
    RangeError,
    "more than one group",
  );
  assertThrows(() => new SGD([p], { lr: -1 }), RangeError, "lr=-1");
  assertThrows(() => new Adam([p], { betas: [0.9, 1] }), RangeError, "betas=0.9,1");
  assertThrows(() => new SGD([p], { nesterov: true }), RangeError, "without momentum");
  assertThrows(() => clipGradNorm(new SGD([p]), 1), RangeError, "call backward() first");
});

Deno.test("optimisers refuse settings out of range and states that are not theirs, and stay as they were", () => {
  const [p, q, r] = [2, 3, 4].map((n) => parameter(tf.zeros([n])));
  const wrong: [() => unknown, string][] = [
    [() => new AdamW([p], { weight_decay: -0.1 }), "weight_decay=-0.1: it must be 0 or more"],
    [() => new SGD([p], { weight_decay: NaN }), "weight_decay=NaN: it must be 0 or more"],
    [() => new Adam([p], { eps: -1e-8 }), "eps=-1e-8: it must be 0 or more"],
    [() => new SGD([p], { momentum: -0.9 }), "momentum=-0.9: it must be 0 or more"],
    [() => new Adam([p], { betas: [-0.1, 0.9] }), "betas=-0.1,0.9: they must be from 0 to below 1"],
    [() => new SGD([p], { lr: Infinity }), "lr=Infinity: it must be 0 or more"],
    [() => new SGD([{ params: [p] }, { params: [q], lr: -1 }]), "lr=-1"],
    [() => new SGD([p]).addParamGroup({ params: [p] }), "more than one group"],
    [() => new SGD([p]).addParamGroup({ params: [q], momentum: -1 }), "momentum=-1"],
  ];
  for (const [make, problem] of wrong) assertThrows(make, RangeError, problem);

  const optimizer = new AdamW([{ params: [p, q] }, { params: [r] }], { lr: 0.1 });
  const saved = optimizer.stateDict();
  const edit = (change: (state: typeof saved) => unknown) => {
    const state = { ...saved, ...structuredClone({ steps: saved.steps, groups: saved.groups }) };
    change(state);
    return state;
  };
  const states: [typeof saved, string][] = [
    [edit(({ groups }) => groups.pop()), "groups: 2 needed, 1 given"],
    [edit(({ groups }) => groups[1].params = [1, 2]), "group 1: 1 parameters needed, 2 given"],
    [edit(({ groups }) => groups[0].lr = "0.1"), 'group 0: lr is "0.1", a number needed'],
    [edit(({ groups }) => groups[0].lr = null), "group 0: lr is null, a number needed"],
    [edit(({ groups }) => groups[0].betas = [0.9]), "group 0: betas is [0.9], a list of 2 needed"],
    [edit(({ groups }) => groups[0].betas = [0.9, 2]), "group 0: Cannot optimise with betas=0.9,2"],
    [edit((state) => state.steps = [1, 2]), "steps: 3 needed, 2 given"],
    [edit(({ steps }) => steps[1] = 1.5), "steps: number 1 is 1.5"],
    [edit((state) => state.tensors = {}), "0.exp_avg: shape (2) needed, nothing given"],
    [{} as typeof saved, "groups: 2 needed, none given"],
  ];
  for (const [state, problem] of states) {
    state.groups?.forEach((group) => group.eps = 0.5);
    assertThrows(() => optimizer.loadStateDict(state), TypeError, problem);
    assertEquals(optimizer.groups.map(({ eps }) => eps), [1e-8, 1e-8]);
  }
});
