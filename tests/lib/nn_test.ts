import * as tf from "@tensorflow/tfjs";
import { assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import { InputError } from "lib/io/errors.ts";
import * as nn from "lib/nn.ts";
import { torch } from "lib/random.ts";
import { causalMask, format, item, type Tensor, values } from "lib/tensor.ts";
import { traceRows } from "lib/trace.ts";
import { assertClose, readReference } from "../helpers/compare.ts";
import { testOnDevices } from "../helpers/devices.ts";

/** A small model with all that Module handles: own parameters, children, lists, a shared weight, a frozen table. */
class Model extends nn.Module {
  scale;
  wte;
  h;
  heads;
  lm_head;
  positions;

  constructor() {
    super();
    this.scale = nn.parameter(tf.ones([1]));
    this.wte = new nn.Embedding(5, 4);
    this.h = new nn.ModuleList([new nn.Linear(4, 4), new nn.Linear(4, 4, { bias: false })]);
    this.heads = new nn.ModuleDict({ norm: new nn.LayerNorm(4), drop: new nn.Dropout(0.5) });
    this.lm_head = new nn.Linear(4, 5, { bias: false });
    this.lm_head.weight = this.wte.weight;
    this.positions = nn.Embedding.fromPretrained(tf.ones([3, 4]));
  }

  forward(ids: Tensor): Tensor {
    let x = this.wte.forward(ids).add(this.positions.forward(tf.range(0, 3, 1, "int32")));
    for (const layer of this.h) x = layer.forward(x);
    x = this.heads.drop.forward(this.heads.norm.forward(x)).mul(this.scale);
    return this.lm_head.forward(x);
  }
}

const names = [
  "scale",
  "wte.weight",
  "h.0.weight",
  "h.0.bias",
  "h.1.weight",
  "heads.norm.weight",
  "heads.norm.bias",
  "positions.weight",
];

testOnDevices("Module names its parameters as PyTorch does", () => {
  const model = new Model();
  assertEquals(model.namedParameters().map(([name]) => name), names);
  assertEquals(Object.keys(model.stateDict()), [
    ...names.slice(0, 7),
    "lm_head.weight",
    "positions.weight",
  ]);
  assertEquals(model.countParameters(), 1 + 20 + 20 + 16 + 8 + 12);
  assertEquals(model.countParameters(true), 1 + 20 + 20 + 16 + 8);
  assertEquals(model.h.length, 2);
  assertEquals(model.h[1].bias, undefined);
  model.dispose();
}, ["reference"]);

testOnDevices(
  "loadStateDict() copies, and refuses what does not fit without changing anything",
  async () => {
    torch.manualSeed(1);
    const [one, two] = [new Model(), new Model()];
    two.loadStateDict(one.stateDict());
    assertEquals(await values(two.h[0].weight), await values(one.h[0].weight));
    one.h[0].weight.assign(tf.zeros([4, 4]));
    assertEquals((await values(two.h[0].weight)).some((x) => x !== 0), true);

    const { scale: _, ...rest } = one.stateDict();
    const bad = { ...rest, "h.0.bias": tf.ones([3]), extra: tf.ones([1]) };
    assertThrows(
      () => two.loadStateDict(bad),
      InputError,
      "missing: scale; unexpected: extra; of the wrong shape: h.0.bias ((3) given, (4) needed)",
    );
    assertEquals((await values(two.h[0].weight)).some((x) => x !== 0), true);
    const result = two.loadStateDict({ ...rest, extra: tf.ones([1]) }, { strict: false });
    assertEquals(result, { missing: ["scale"], unexpected: ["extra"] });
    assertEquals((await values(two.h[0].weight)).every((x) => x === 0), true);
  },
);

testOnDevices("train() and eval() reach every module", async () => {
  const model = new Model().eval();
  const ids = tf.tensor2d([0, 1, 2], [1, 3], "int32");
  const state = torch.getState();
  assertEquals(await values(() => model.forward(ids)), await values(() => model.forward(ids)));
  assertEquals(torch.getState(), state);
  model.train();
  await values(() => model.forward(ids));
  assertEquals(model.heads.drop.training, true);
  assertNotEquals(torch.getState(), state);
});

testOnDevices("layers draw PyTorch's initial values in PyTorch's order", async () => {
  torch.manualSeed(42);
  const layer = new nn.Linear(2, 3);
  // torch.manual_seed(42); torch.nn.Linear(2, 3)
  assertClose(await values(layer.weight), [
    0.5406,
    0.5869,
    -0.1657,
    0.6496,
    -0.1549,
    0.1427,
  ], { absolute: 1e-4 });
  assertClose(await values(layer.bias!), [-0.3443, 0.4153, 0.6233], { absolute: 1e-4 });
}, ["reference"]);

testOnDevices("init.xavierUniform() draws PyTorch's recorded values", async () => {
  const seeds = (await readReference("rng.json")).seeds;
  let compared = 0;
  for (const [seed, { torch: calls }] of Object.entries<{ torch: RecordedCall[] }>(seeds)) {
    const recorded = calls.find(({ call }) => call === "nn.init.xavier_uniform_ on (6, 4)");
    if (!recorded) continue;
    torch.manualSeed(Number(seed));
    const weight = nn.parameter(tf.zeros([6, 4]));
    nn.init.xavierUniform(weight);
    assertEquals([...await values(weight)], recorded.values[0].data.map(Math.fround));
    compared++;
  }
  assertEquals(compared > 0, true);
}, ["reference"]);

interface RecordedCall {
  call: string;
  values: { data: number[] }[];
}

testOnDevices("apply() visits children before their parents", () => {
  const visited: string[] = [];
  new Model().apply((module) => visited.push(module.constructor.name));
  assertEquals(visited.at(-1), "Model");
  assertEquals(visited.slice(0, 4), ["Embedding", "Linear", "Linear", "ModuleList"]);
}, ["reference"]);

testOnDevices("a padding row is zero and gets no gradient", async () => {
  const layer = new nn.Embedding(3, 2, { padding_idx: -1 });
  const [gradient] = Object.values(
    tf.variableGrads(() => layer.forward(tf.tensor1d([0, 2, 2], "int32")).sum(), [layer.weight])
      .grads,
  );
  assertEquals([...await values(gradient)], [1, 1, 0, 0, 0, 0]);
  assertEquals([...await values(layer.weight)].slice(4), [0, 0]);
});

testOnDevices("LayerNorm adds PyTorch's eps to the variance", async () => {
  // torch.nn.LayerNorm(2)(torch.tensor([0., 0.01])): +-0.005 / sqrt(0.005^2 + 1e-5)
  const y = await values(() => new nn.LayerNorm(2).forward(tf.tensor2d([[0, 0.01]])));
  assertClose(y, [-0.845154, 0.845154]);
});

Deno.test("layers refuse what cannot be", () => {
  assertThrows(() => new nn.Dropout(1.5), RangeError, "1.5");
  assertThrows(
    () => new nn.Linear(3, 2).forward(tf.ones([2, 4])),
    TypeError,
    "the last size must be 3",
  );
});

testOnDevices("traceRows() names modules, operations, shapes and parameters", () => {
  const model = new Model().eval();
  const rows = traceRows(() => model.forward(tf.tensor2d([0, 1, 2], [1, 3], "int32")), model);
  const linear = rows.find(({ module }) => module === "h.0")!;
  assertEquals(linear, {
    module: "h.0",
    operation: "linear",
    inputs: [[1, 3, 4], [4, 4], [4]],
    output: [1, 3, 4],
    parameters: ["h.0.weight (4, 4)", "h.0.bias (4)"],
  });
  assertEquals(rows.at(-1)!.output, [1, 3, 5]);
  assertEquals(rows.filter(({ operation }) => operation === "linear").length, 3);
  assertEquals(Object.hasOwn(model.h[0], "forward"), false);
});

testOnDevices("item(), values() and format() read tensors", async () => {
  const before = tf.memory().numTensors;
  assertEquals(await item(() => tf.scalar(2).add(1)), 3);
  assertEquals([...await values(() => tf.ones([2]))], [1, 1]);
  assertEquals(tf.memory().numTensors, before);
  assertEquals(await format(tf.tensor2d([[1, -0.5]])), "tensor([[1.0000, -0.5000]]) (1, 2)");
  assertEquals(await format(tf.tensor1d([3], "int32")), "tensor([3]) (1)");
  assertEquals([...await values(causalMask(2))], [1, 0, 1, 1]);
});
