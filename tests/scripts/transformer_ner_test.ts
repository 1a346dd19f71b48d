import * as tf from "@tensorflow/tfjs";
import { assertEquals, assertMatch, assertRejects, assertThrows } from "@std/assert";
import { readCoNLL } from "lib/data/mod.ts";
import { InputError, UsageError } from "lib/io/errors.ts";
import * as nn from "lib/nn.ts";
import { torch } from "lib/random.ts";
import { type Tensor, values } from "lib/tensor.ts";
import {
  defaults,
  EncoderTransformer,
  entities,
  entityF1,
  main,
  MultiHeadAttentionOriginal,
  MultiHeadAttentionSimple,
  OwnLayerNorm,
} from "scripts/transformer-ner.ts";
import { assertClose, numbers, readReference, toTensor } from "../helpers/compare.ts";
import { testOnDevices } from "../helpers/devices.ts";
import { run, temporaryFolder } from "../helpers/scripts.ts";

const reference = (await readReference("transformer-ner.json")).runs[0];
const fused = await readReference("transformer-ner-batched-heads.json");
const recorded = await readReference("transformer-ner-predictions.json");

/** The tolerance for a step that drift.json suggests: what PyTorch differs from itself by, with a margin. */
const tolerance = (step: number) => step <= 100 ? 2e-6 : step <= 500 ? 7e-5 : 2e-4;

testOnDevices("the tagger has PyTorch's losses, tags and logits", async (device) => {
  const steps = { cpu: 1000, reference: 8, webgpu: 3 }[device];
  const flags = [`--device=${device}`, "--log_every=1"];
  const { result, metrics, printed } = await run(main, ...flags, `--steps=${steps}`);
  const { steps: listed, loss } = reference.losses;
  for (const [i, step] of listed.entries()) {
    if (step > steps) break;
    const what = `loss at step ${step}`;
    const relative = device === "webgpu" ? 1e-5 : tolerance(step);
    assertClose([metrics[step - 1].loss], [loss[i]], { relative, absolute: 0, what });
  }
  assertEquals(printed.slice(1, 4), reference.printed.slice(0, 3));
  assertEquals(result!.vocabulary.words, recorded.vocabulary);
  assertEquals(result!.vocabulary.tags, recorded.tags);
  if (device !== "cpu") return;
  assertEquals(result!.predicted, recorded.predicted_ids);
  assertEquals(result!.accuracy, 100);
  assertEquals(result!.f1, 1);
  assertEquals(printed.at(-1), "F1 of the tags, their mean: 100.00%");
  const inputs = tf.tensor2d(recorded.first_inputs, undefined, "int32");
  const logits = await values(() => result!.model.forward(inputs));
  assertClose(logits, recorded.final_logits.data, { absolute: 5e-3, relative: 1e-3 });
});

testOnDevices("the fused attention's run is PyTorch's too", async () => {
  const flags = ["--device=cpu", "--attention=fused", "--log_every=1", "--steps=200"];
  const { metrics } = await run(main, ...flags);
  for (const [step, loss] of Object.entries(fused.losses).filter(([step]) => +step <= 200)) {
    const relative = Math.max(tolerance(+step), 1e-5);
    assertClose([metrics[+step - 1].loss], [loss as number], { relative, absolute: 0, what: step });
  }
}, ["cpu"]);

testOnDevices("initial weights are PyTorch's to the last bit", async () => {
  torch.manualSeed(42);
  const model = new EncoderTransformer(31, 11, defaults);
  for (const [name, p] of model.namedParameters()) {
    const { shape, first, sum } = reference.initial[name];
    assertEquals(p.shape, shape, name);
    const data = [...await values(p)];
    assertEquals(data.slice(0, first.length), first.map(Math.fround), name);
    assertClose([data.reduce((a, b) => a + b)], [sum], { absolute: 1e-9, what: name });
  }
  assertEquals(model.namedParameters().length, Object.keys(reference.initial).length);
}, ["reference"]);

testOnDevices("both attentions are one function when their weights are copied over", async () => {
  torch.manualSeed(3);
  const [C, H] = [12, 3];
  const options = { ...defaults, n_embd: C, n_head: H };
  const simple = new MultiHeadAttentionSimple(options).eval();
  const original = new MultiHeadAttentionOriginal(options).eval();
  const layers = (["q_lin", "k_lin", "v_lin"] as const).flatMap((name) =>
    [...simple.heads].map((head) => head[name])
  );
  original.loadStateDict({
    "c_attn.weight": tf.concat(layers.map(({ weight }) => weight)),
    "c_attn.bias": tf.concat(layers.map(({ bias }) => bias!)),
    "c_proj.weight": simple.c_proj.weight,
    "c_proj.bias": simple.c_proj.bias!,
  });
  const x = tf.tensor3d(torch.randn(2 * 5 * C), [2, 5, C]);
  const mask = tf.tensor2d([[0, 0, 0, 1, 1], [0, 0, 0, 0, 0]], undefined, "bool");
  assertClose(
    await values(() => original.forward(x, mask)),
    await values(() => simple.forward(x, mask)),
    { absolute: 1e-6 },
  );
});

testOnDevices(
  "padding does not change the words' logits, and words do know their order",
  async () => {
    for (const attention of ["heads", "fused"]) {
      torch.manualSeed(5);
      const model = new EncoderTransformer(9, 4, { ...defaults, attention, max_len: 8 }).eval();
      nn.init.normal(model.transformer.wte.weight, 0, 1);
      nn.init.normal(model.transformer.wpe.weight, 0, 1);
      const logits = (ids: number[]) =>
        values(() => model.forward(tf.tensor2d([ids], undefined, "int32")).slice([0, 0], [1, 3]));
      const short = await logits([4, 5, 6]);
      assertClose(await logits([4, 5, 6, 0, 0, 0, 0, 0]), short, { absolute: 1e-5 });
      const swapped = await logits([5, 4, 6]);
      assertEquals(swapped.some((x, i) => Math.abs(x - short[i]) > 1e-3), true);
      // Without positions the order of the other words does not matter to the last one.
      nn.init.zeros(model.transformer.wpe.weight);
      const [one, two] = [await logits([4, 5, 6]), await logits([5, 4, 6])];
      assertClose(two.slice(8), one.slice(8), { absolute: 1e-5 });
    }
  },
);

testOnDevices("the course's own layer norm is PyTorch's in its values and gradients", async () => {
  const all = (await readReference("functional.json")).seeds["42"];
  // deno-lint-ignore no-explicit-any
  const { inputs, output, grads } = all.find(({ op }: any) => op.startsWith("LayerNorm of"));
  const layer = new OwnLayerNorm(5);
  layer.a_2.assign(toTensor(inputs.a));
  layer.b_2.assign(toTensor(inputs.b));
  const x = toTensor(inputs.x);
  assertClose(await values(() => layer.forward(x)), numbers(output.data));
  const upstream = tf.tensor(output.data.map((_: number, i: number) => Math.cos(i + 1)), x.shape);
  const dx = tf.grad((x: Tensor) => layer.forward(x))(x, upstream);
  assertClose(await values(dx), numbers(grads.x.data), { absolute: 1e-5, relative: 1e-5 });
});

testOnDevices(
  "the course's own layer norm adds its eps to the deviation, a constant row is no NaN",
  async () => {
    const layer = new OwnLayerNorm(3);
    const y = await values(() => layer.forward(tf.tensor2d([[5, 5, 5], [0, 1e-6, 2e-6]])));
    assertClose(y, [0, 0, 0, -0.5, 0, 0.5]); // the deviation is eps itself
  },
);

Deno.test("entities() and entityF1() count named entities", () => {
  const tags = "B-PER I-PER O B-LOC B-LOC I-PER".split(" ");
  assertEquals(entities(tags), ["PER 0 2", "LOC 3 4", "LOC 4 5", "PER 5 6"]);
  assertEquals(entities(["O", "O"]), []);
  assertEquals(entities(["I-LOC"]), ["LOC 0 1"]);
  assertEquals(entityF1([tags], [tags]), 1);
  // 1 of 2 predicted is right, 1 of 4 true is found: precision 1/2, recall 1/4, F1 1/3.
  assertClose([entityF1([["B-PER", "I-PER", "O", "B-PER", "O", "O"]], [tags])], [1 / 3]);
  assertEquals(entityF1([[]], [[]]), 1);
});

testOnDevices(
  "--train and --test read CoNLL columns, with unknown words and entities",
  async () => {
    const folder = await temporaryFolder();
    const [train, test] = [`${folder}/train.txt`, `${folder}/test.txt`];
    const sentence = (name: string) =>
      `${name} NNP B-PER\nlives VB O\nin IN O\nAlicante NNP B-LOC\n`;
    await Deno.writeTextFile(
      train,
      "-DOCSTART- O\n\n" + ["Ana", "Ana", "Ana", "Luis", "Eva"].map(sentence).join("\n"),
    );
    await Deno.writeTextFile(test, sentence("Zoe"));
    const flags = ["--device=cpu", "--steps=150", `--train=${train}`, `--test=${test}`];
    const { result, printed } = await run(main, ...flags);
    assertEquals(result!.vocabulary.words.slice(4), ["[UNK]", "Alicante", "Ana", "in", "lives"]);
    assertEquals(result!.f1, 1);
    assertMatch(printed.join("\n"), /F1 of the entities: 100\.00%/);
  },
  ["cpu"],
);

Deno.test("the tagger names what is wrong with its input", async () => {
  const folder = await temporaryFolder();
  const write = async (name: string, text: string) => {
    await Deno.writeTextFile(`${folder}/${name}`, text);
    return `${folder}/${name}`;
  };
  const good = await write("good.txt", "a X\nb Y\n\nb Y\n");
  const noTag = await write("no-tag.txt", "a X\nb\n");
  await assertRejects(() => readCoNLL(noTag), InputError, 'line 2 has the word "b" but no tag');
  const empty = await write("empty.txt", "\n\n");
  await assertRejects(() => readCoNLL(empty), InputError, "no sentences");
  const unseen = await write("unseen.txt", "a Z\n");
  const reference = "--device=reference";
  await assertRejects(
    () => run(main, reference, `--train=${good}`, `--test=${unseen}`, "--steps=1"),
    InputError,
    `sentence 1 of '${unseen}', "a": its tag Z is in no training sentence`,
  );
  await assertRejects(
    () => run(main, reference, `--train=${good}`, "--max_len=1"),
    UsageError,
    "it has 2 words, --max_len is 1",
  );
  await assertRejects(
    () => run(main, reference, "--n_head=3"),
    UsageError,
    "n_embd=64, n_head=3",
  );
  assertThrows(() => new EncoderTransformer(5, 2, { ...defaults, n_embd: 7 }), UsageError);
});
