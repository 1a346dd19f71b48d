/** Generation against PyTorch, against all texts that a tiny model can write, and against formulas on lists. */
import * as tf from "@tensorflow/tfjs";
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import * as F from "lib/functional.ts";
import {
  beamSearch,
  generate,
  type GenerateOptions,
  KVCache,
  type LanguageModel,
  repeatRows,
  streamTokens,
} from "lib/generation.ts";
import { InputError } from "lib/io/errors.ts";
import * as nn from "lib/nn.ts";
import { seedAll, torch, TorchGenerator } from "lib/random.ts";
import { banNgrams, minP, nextToken, penalizeRepetition } from "lib/sampling.ts";
import { type Tensor, values } from "lib/tensor.ts";
import { GPT } from "scripts/gpt.ts";
import { assertClose, readReference } from "../helpers/compare.ts";
import { testOnDevices } from "../helpers/devices.ts";
import { temporaryFolder } from "../helpers/scripts.ts";

const tests = new URL("../", import.meta.url).pathname;
const int32 = (rows: number[][]) => tf.tensor2d(rows, undefined, "int32");

/** An untrained GPT of V tokens whose scores are far apart. */
function smallGPT(vocab_size: number, block_size = 12, scale = 6): GPT {
  const dropout = { embd_pdrop: 0, resid_pdrop: 0, attn_pdrop: 0 };
  const sizes = { n_layer: 2, n_head: 2, n_embd: 8, vocab_size, block_size };
  const model = new GPT({ ...sizes, ...dropout });
  for (const p of model.parameters()) if (p.rank === 2) p.assign(p.mul(scale));
  return model.eval();
}

// ---- one step

testOnDevices("repetition penalty, banned n-grams and min-p are their formulas", async () => {
  const generator = new TorchGenerator(3);
  for (const [B, T, V] of [[1, 1, 1], [3, 7, 5], [2, 40, 7], [1, 31, 101]]) {
    const rows = Array.from({ length: B }, () => [...generator.randint(T, 0, V)]);
    const logits = Array.from({ length: B }, () => [...generator.randn(V)]);
    const [text, scores] = [int32(rows), tf.tensor2d(logits)];
    const penalized = logits.map((row, b) =>
      row.map((x, id) => !rows[b].includes(id) ? x : x > 0 ? x / 1.3 : x * 1.3)
    );
    assertClose(await values(() => penalizeRepetition(scores, text, 1.3)), penalized.flat());
    for (const n of [1, 2, 3, T, T + 1, T + 2]) {
      const banned = logits.map((row, b) =>
        row.map((x, id) => {
          const end = `,${[...rows[b].slice(rows[b].length - n + 1), id]},`; // the n-gram that id would end
          const whole = `,${rows[b]},`;
          return (n === 1 ? rows[b].includes(id) : n <= T && whole.includes(end)) ? -Infinity : x;
        })
      );
      const actual = await values(() => banNgrams(scores, text, n).clone());
      assertEquals([...actual], banned.flat().map(Math.fround), `n=${n} T=${T} V=${V}`);
    }
  }
  const p = tf.tensor2d([[0.5, 0.25, 0.125, 0.125], [0, 1, 0, 0], [0.25, 0.25, 0.25, 0.25]]);
  const kept = await values(() => minP(p, 0.5));
  assertEquals([...kept], [0.5, 0.25, 0, 0, 0, 1, 0, 0, 0.25, 0.25, 0.25, 0.25]);
  const wrong = tf.tensor2d([[1, 2]]);
  for (
    const options of [{ min_p: 1.5 }, { repetition_penalty: 0 }, { no_repeat_ngram_size: 1.5 }]
  ) {
    assertThrows(() => nextToken(wrong, options, int32([[0]])), RangeError, "Cannot sample");
  }
  assertThrows(() => nextToken(wrong, { repetition_penalty: 2 }), TypeError, "the text so far");
});

// ---- the cache

testOnDevices("a KVCache grows, computes once, changes its rows and owns its tensors", async () => {
  const before = tf.memory().numTensors;
  const cache = new KVCache();
  assertEquals(cache.length, 0);
  const part = (from: number, T: number) => tf.range(from, from + 2 * T).reshape([2, 1, T, 1]); // (B, H, T, D)
  tf.tidy(() => {
    cache.layer(0).extend(part(0, 2), part(10, 2));
    const [k, v] = cache.layer(0).extend(part(20, 1), part(30, 1));
    assertEquals([k.shape, v.shape], [[2, 1, 3, 1], [2, 1, 3, 1]]);
    let calls = 0;
    const once = () => cache.layer(1).once(() => (calls++, [part(40, 2), part(50, 2)]));
    assertEquals([once()[0].id, once()[0].id, calls], [once()[0].id, once()[0].id, 1]);
  });
  assertEquals([cache.length, tf.memory().numTensors], [3, before + 4]);
  cache.reorder([0, 1]);
  assertEquals([...await cache.layer(0).k!.data()], [0, 1, 20, 2, 3, 21]);
  cache.reorder([1, 1, 0]);
  assertEquals(cache.layer(1).v!.shape, [3, 1, 2, 1]);
  assertEquals([...await cache.layer(0).v!.data()], [12, 13, 31, 12, 13, 31, 10, 11, 30]);
  assertEquals(tf.memory().numTensors, before + 4);
  cache.clear();
  assertEquals([cache.length, tf.memory().numTensors], [0, before]);
});

// ---- the loop

testOnDevices(
  "all options continue a GPT-2 as PyTorch does, with the cache and without",
  async () => {
    const reference = await readReference("gpt2-tiny-generation.json");
    const { input } = await readReference("gpt2-tiny.json");
    const model = (await GPT.fromPretrained(await tinyGPT2())).eval();
    for (const use_cache of [true, false]) {
      for (const { options, do_sample, rows } of reference.sampling) {
        torch.manualSeed(reference.seed);
        const all = { ...options, do_sample, use_cache };
        assertEquals(await model.generate(input, reference.steps, all), rows, JSON.stringify(all));
      }
    }
  },
  ["cpu"],
);

/** A folder with the weights of gpt2-tiny. */
async function tinyGPT2(): Promise<string> {
  const folder = await temporaryFolder();
  await Deno.copyFile(
    `${tests}reference/gpt2-tiny.hub-names.safetensors`,
    `${folder}/model.safetensors`,
  );
  const sizes = { n_layer: 2, n_head: 2, n_embd: 32, vocab_size: 97, n_positions: 24 };
  await Deno.writeTextFile(
    `${folder}/config.json`,
    JSON.stringify({ model_type: "gpt2", ...sizes }),
  );
  return folder;
}

testOnDevices("a batch is what its rows are alone, and nothing is left behind", async () => {
  seedAll(3);
  const model = smallGPT(11);
  const rows = [[1, 2, 3], [10, 0, 10], [5, 5, 5]];
  const cases: GenerateOptions[] = [
    {},
    { repetition_penalty: 1.5 },
    { no_repeat_ngram_size: 2 },
    { stop: [3, 4, 5, 6] },
    { num_beams: 3, stop: [4, 5] },
    { num_beams: 3, num_return_sequences: 2, no_repeat_ngram_size: 2, length_penalty: 0.5 },
  ];
  const before = tf.memory().numTensors;
  for (const options of cases) {
    const together = await model.generate(rows, 14, options); // outgrows the block of 12
    const alone = await Promise.all(rows.map((row) => model.generate([row], 14, options)));
    assertEquals(together, alone.flat(), JSON.stringify(options));
    const slow = await model.generate(int32(rows), 14, { ...options, use_cache: false });
    assertEquals(slow, together, JSON.stringify(options));
  }
  const [one, ...more] = await model.generate([rows[0]], 5, {
    do_sample: true,
    num_return_sequences: 6,
  });
  assert(more.length === 5 && more.some((row) => String(row) !== String(one)));
  for await (const _ of streamTokens(model, rows, 9)) break; // who stops early leaves nothing either
  assertEquals(tf.memory().numTensors, before + cases.length); // the prompts of this test
}, ["cpu"]);

testOnDevices("a row ends with a stop token, and the others go on", async () => {
  /** Counts upwards from a row's last token: token t is followed by t + 1. */
  const counter: LanguageModel = {
    forward: (ids) => tf.oneHot(ids.add(1).minimum(9).toInt(), 10).toFloat(),
  };
  const told: number[][] = [];
  const onToken = (ids: number[]) => void told.push(ids);
  const options = { use_cache: false, stop: [5, 7], onToken };
  assertEquals(await generate(counter, [[3], [5], [0]], 20, options), [
    [3, 4, 5],
    [5, 6, 7], // a stop token of the prompt does not count
    [0, 1, 2, 3, 4, 5],
  ]);
  assertEquals(told, [[4, 6, 1], [5, 7, 2], [-1, -1, 3], [-1, -1, 4], [-1, -1, 5]]);
  assertEquals(await generate(counter, [[3]], 20, { ...options, num_beams: 2 }), [[3, 4, 5]]);
  assertEquals(await generate(counter, [[3]], 0, { num_beams: 2, use_cache: false }), [[3]]);
});

// ---- beam search

testOnDevices("beam search finds PyTorch's texts and scores", async () => {
  const reference = await readReference("gpt2-tiny-generation.json");
  const { input } = await readReference("gpt2-tiny.json");
  const model = (await GPT.fromPretrained(await tinyGPT2())).eval();
  for (const { options, rows, scores } of reference.beams) {
    for (const use_cache of [true, false]) {
      const all = { block_size: 24, ...options, use_cache };
      const found = (await beamSearch(model, input, reference.beam_steps, all)).flat();
      assertEquals(found.map(({ ids }) => ids), rows, JSON.stringify(all));
      assertClose(found.map(({ score }) => score), scores, { absolute: 1e-4, relative: 1e-4 });
    }
  }
}, ["cpu"]);

testOnDevices("beam search as wide as all texts finds the best of all", async () => {
  const [V, steps, end] = [4, 4, 3];
  const prompt = [1, 0];
  const texts: number[][] = []; // all continuations: up to the end token, or as long as can be
  const grow = (text: number[]) => {
    if (text.at(-1) === end || text.length === steps) return void texts.push(text);
    for (let id = 0; id < V; id++) grow([...text, id]);
  };
  grow([]);
  for (const seed of [1, 2, 3]) {
    seedAll(seed);
    const model = smallGPT(V, 8, 9);
    const padded = texts.map((text) => [...prompt, ...text, ...Array(steps - text.length).fill(0)]);
    const logp = await tf.tidy(() => F.logSoftmax(model.forward(int32(padded))))
      .array() as number[][][];
    const sums = texts.map((text, b) => text.reduce((sum, id, t) => sum + logp[b][t + 1][id], 0));
    for (const length_penalty of [0, 1, 2.5, -1]) {
      const score = (b: number) => sums[b] / texts[b].length ** length_penalty;
      const order = [...texts.keys()].sort((a, b) => score(b) - score(a)).slice(0, 5);
      const [found] = await beamSearch(model, [prompt], steps, {
        num_beams: V ** steps,
        num_return_sequences: 5,
        length_penalty,
        early_stopping: "never",
        stop: [end],
      });
      assertClose(found.map(({ score }) => score), order.map(score), { absolute: 1e-4 });
      assertEquals(found[0].ids, [...prompt, ...texts[order[0]]]);
    }
    // One beam takes the most probable token at each step.
    const [[one]] = await beamSearch(model, [prompt], steps, { stop: [end] });
    assertEquals([one.ids], await generate(model, [prompt], steps, { stop: [end] }));
    model.dispose();
  }
}, ["cpu"]);

testOnDevices("an encoder-decoder's keys are computed once and follow the beams", async () => {
  seedAll(4);
  const [V, C] = [9, 8];
  const embed = new nn.Embedding(V, C), head = new nn.Linear(C, V);
  for (const p of [embed.weight, head.weight]) p.assign(p.mul(3));
  const source = tf.tensor3d([...torch.randn(2 * 5 * C)], [2, 5, C]); // what an encoder gave: (B, Ts, C)
  const heads = (x: Tensor) => x.expandDims(1); // (B, 1, T, C)
  let encoded = 0;
  /** Attends to the text and to the source; `cached` keeps the source's keys in the cache. */
  const decoder = (cached: boolean): LanguageModel => ({
    forward(ids, cache) {
      const x = heads(embed.forward(ids)); // (N, 1, t, C)
      const [k, v] = cache ? cache.layer(0).extend(x, x) : [x, x];
      const own = F.scaledDotProductAttention(x, k, v, { causal: x.shape[2] === k.shape[2] });
      const keys = (): [Tensor, Tensor] => {
        encoded++;
        const rows = heads(repeatRows(source, ids.shape[0] / 2));
        return [rows, rows.neg()];
      };
      const [sk, sv] = cached && cache ? cache.layer(1).once(keys) : keys();
      const cross = F.scaledDotProductAttention(own, sk, sv); // (N, 1, t, C)
      return head.forward(own.add(cross).squeeze([1])); // (N, t, V)
    },
  });
  const search = { num_beams: 4, num_return_sequences: 4, stop: [2] };
  const before = tf.memory().numTensors;
  const fast = await generate(decoder(true), [[0], [0]], 7, search);
  assertEquals(encoded, 1);
  assertEquals(tf.memory().numTensors, before);
  assertEquals(await generate(decoder(false), [[0], [0]], 7, search), fast);
  assertEquals(
    await generate(decoder(false), [[0], [0]], 7, { ...search, use_cache: false }),
    fast,
  );
  assertEquals(fast.length, 8);
}, ["cpu", "webgpu"]);

// ---- what cannot be

testOnDevices("numbers that are not finite are said with their place, drawn or not", async () => {
  const ways: GenerateOptions[] = [{}, { do_sample: true, top_k: 3 }, { num_beams: 2 }];
  for (const bad of [NaN, Infinity]) {
    seedAll(5);
    const model = smallGPT(7);
    const weight = model.transformer.h[1].attn.c_attn.weight;
    weight.assign(tf.tidy(() => tf.concat([tf.fill([1, 8], bad), weight.slice([1, 0])])));
    const before = tf.memory().numTensors;
    for (const options of ways) {
      const place = "not finite is first the parameter transformer.h.1.attn.c_attn.weight";
      await assertRejects(() => model.generate([[1, 2]], 3, options), InputError, place);
      assertEquals(tf.memory().numTensors, before, JSON.stringify(options));
    }
    model.dispose();
  }
  // Finite weights can give infinite numbers, too.
  const model = smallGPT(7);
  for (const p of [model.transformer.ln_f.weight, model.lm_head.weight]) nn.init.constant(p, 3e38);
  const place = "not finite is first the output of transformer.ln_f";
  await assertRejects(() => model.generate([[1, 2]], 3), InputError, place);
});

testOnDevices("what cannot be generated is refused, and banned tokens end a text", async () => {
  seedAll(6);
  const model = smallGPT(5);
  const before = tf.memory().numTensors;
  const refused: [number[][], GenerateOptions, string][] = [
    [[[]], {}, "from nothing"],
    [[], {}, "from nothing"],
    [[[1], [1, 2]], {}, "different lengths"],
    [[[1]], { num_beams: 2, do_sample: true }, "do_sample=true"],
    [[[1]], { num_beams: 2, num_return_sequences: 3 }, "num_return_sequences=3"],
    [[[1]], { num_beams: 2.5 }, "num_beams=2.5"],
    [[[1]], { num_beams: 2, length_penalty: NaN }, "length_penalty=NaN"],
  ];
  for (const [rows, options, message] of refused) {
    await assertRejects(() => model.generate(rows, 3, options), RangeError, message);
  }
  // Five tokens, none twice: nothing is left for a sixth.
  const once = { no_repeat_ngram_size: 1 };
  await assertRejects(() => model.generate([[1]], 5, once), InputError, "no_repeat_ngram_size=1");
  const texts = await model.generate([[1]], 9, { ...once, num_beams: 3, num_return_sequences: 3 });
  assertEquals(texts.map((text) => text.toSorted().join("")), Array(3).fill("01234"));
  assertEquals(tf.memory().numTensors, before);
}, ["reference", "cpu"]);
