import * as tf from "@tensorflow/tfjs";
import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { loadCheckpoint } from "lib/weights/checkpoint.ts";
import { DataLoader, TensorDataset } from "lib/data/mod.ts";
import { mnist } from "lib/data/mnist.ts";
import { InputError } from "lib/io/errors.ts";
import * as F from "lib/functional.ts";
import { SGD } from "lib/optim.ts";
import { torch } from "lib/random.ts";
import { item, values } from "lib/tensor.ts";
import {
  main,
  readDigits,
  SoftmaxRegressor,
  SoftmaxRegressor2,
} from "scripts/softmax-regressor.ts";
import { assertClose, readReference } from "../helpers/compare.ts";
import { testOnDevices } from "../helpers/devices.ts";
import { run, temporaryFolder } from "../helpers/scripts.ts";

const reference = (await readReference("softmax-regressor.json")).runs[0];

testOnDevices("softmax-regressor is PyTorch's whole run on MNIST", async () => {
  const { result, printed, metrics, out } = await run(main, "--device=cpu", "--log_every=1");
  assertEquals(metrics.length, 1200);
  for (const [i, step] of reference.losses.steps.entries()) {
    const what = `loss at step ${step}`;
    assertClose([metrics[step - 1].loss], [reference.losses.loss[i]], { relative: 2e-6, what });
  }
  const { model, accuracy, predicted, logProbabilities } = result!;
  for (const [name, { first, sum, sum_of_squares }] of Object.entries<Checksum>(reference.final)) {
    const weights = [...await values(model.stateDict()[name])];
    assertClose(weights.slice(0, first.length), first, { absolute: 1e-6, what: name });
    assertClose([weights.reduce((a, b) => a + b)], [sum], { absolute: 1e-4 });
    assertClose([weights.reduce((a, b) => a + b * b, 0)], [sum_of_squares], { relative: 1e-5 });
  }
  assertClose([accuracy], [77.48], { absolute: 0.05 });
  const digits = reference["first 25 training digits"];
  assertEquals(predicted, digits.predicted);
  assertClose(logProbabilities, digits.log_prob, { absolute: 1e-5 });
  const epochs = printed.filter((line) => line.startsWith("Epoch"));
  assertEquals(epochs, reference.printed.slice(0, epochs.length));
  assertEquals(printed.at(-1), "Accuracy of the model on the 10000 test images: 77.48");
  const saved = await loadCheckpoint(`${out}/model.safetensors`);
  assertEquals(await values(saved["linear.weight"]), await values(model.linear.weight));
  assertMatch(await Deno.readTextFile(`${out}/digits.svg`), /3, p=0.20 \[5\]/);
}, ["cpu"]);

interface Checksum {
  first: number[];
  sum: number;
  sum_of_squares: number;
}

testOnDevices("both classes start and learn as PyTorch's on every device", async () => {
  const { images, labels } = await mnist("train");
  const dataset = new TensorDataset({ ...images, divisor: 255 }, labels);
  for (const Model of [SoftmaxRegressor, SoftmaxRegressor2]) {
    const before = tf.memory().numTensors;
    torch.manualSeed(10);
    const model = new Model(784, 10);
    const initial = reference.initial["linear.weight"].first;
    assertEquals([...await values(model.linear.weight)].slice(0, 6), initial.map(Math.fround));
    const optimizer = new SGD(model.parameters(), { lr: 0.001 });
    let step = 0;
    for (const [x, y] of new DataLoader(dataset, { batch_size: 100, shuffle: true })) {
      const loss = optimizer.step(() => F.nllLoss(model.forward(x.reshape([-1, 784])), y));
      assertClose([await item(loss)], [reference.losses.loss[step]], { relative: 2e-6 });
      if (++step === 15) break;
    }
    optimizer.dispose();
    model.dispose();
    assertEquals(tf.memory().numTensors, before);
  }
});

testOnDevices("--data=FILE trains on digits of one's own", async () => {
  const file = `${await temporaryFolder()}/digits.csv`;
  const row = (i: number) => Array.from({ length: 4 }, (_, j) => j === i % 2 ? 16 : 0);
  const rows = Array.from({ length: 60 }, (_, i) => [...row(i), i % 2].join(","));
  await Deno.writeTextFile(file, ["a,b,c,d,label", ...rows].join("\n"));
  const flags = ["--batch_size=7", "--learning_rate=0.5", "--log_softmax=module"];
  const { result, printed } = await run(main, "--device=cpu", `--data=${file}`, ...flags);
  assertEquals(result!.accuracy, 100);
  assertMatch(printed[1], /^Epoch \[1\/2\], Step \[8\/8\], Loss: /);
}, ["cpu"]);

Deno.test("readDigits() names what is wrong in a file", async () => {
  const folder = await temporaryFolder();
  const cases = {
    "a,b,label\n1,2,3": "got 2",
    "a,label\n1,12": "row 1 has the label 12",
    "a,label\nx,1": 'line 2, column "a"',
    "a,label\n1,1\n,1": 'line 3, column "a"',
    "a,label\n1,1,1": "line 2",
    "a\n1": 'no column "label"',
    "a,label\n1,2": "want six images at least",
    "": "empty",
  };
  for (const [text, message] of Object.entries(cases)) {
    await Deno.writeTextFile(`${folder}/bad.csv`, text);
    await assertRejects(() => readDigits(`${folder}/bad.csv`), InputError, message);
  }
  await assertRejects(() => readDigits(`${folder}/none.csv`), InputError, "none.csv");
});
