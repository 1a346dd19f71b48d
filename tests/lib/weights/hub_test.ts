import * as tf from "@tensorflow/tfjs";
import { assert, assertEquals, assertRejects } from "@std/assert";
import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { characterTokenizer } from "lib/tokenizers/mod.ts";
import {
  readSafetensors,
  type SafetensorsEntry,
  toFloat32,
  writeSafetensors,
} from "lib/weights/checkpoint.ts";
import { startDevice } from "lib/device.ts";
import { InputError } from "lib/io/errors.ts";
import { readGPT2Config, saveGPT2 } from "lib/weights/gpt2.ts";
import { openModel } from "lib/weights/open_model.ts";
import { pretrainedFolder, WeightFiles } from "lib/weights/hub.ts";
import { seedAll, torch } from "lib/random.ts";
import { values } from "lib/tensor.ts";
import { GPT } from "scripts/gpt.ts";
import { assertClose, readReference } from "../../helpers/compare.ts";
import { temporaryFolder } from "../../helpers/scripts.ts";

await startDevice("reference");
const reference = await readReference("gpt2-tiny.json");
const config = {
  model_type: "gpt2",
  n_layer: 2,
  n_head: 2,
  n_embd: 32,
  vocab_size: 97,
  n_positions: 24,
};
const file = (name: string) =>
  new URL(`../../reference/gpt2-tiny.${name}`, import.meta.url).pathname;

/** A folder with the reference's weights, and with config.json changed so. */
async function tinyFolder(weights = "safetensors", changed: Record<string, unknown> = {}) {
  const folder = await temporaryFolder();
  await Deno.copyFile(file(weights), `${folder}/model.safetensors`);
  await Deno.writeTextFile(`${folder}/config.json`, JSON.stringify({ ...config, ...changed }));
  return folder;
}

/** Rewrites the weights of a folder. */
async function edit(
  folder: string,
  change: (tensors: Map<string, SafetensorsEntry>) => Map<string, SafetensorsEntry> | void,
) {
  const { tensors } = await readSafetensors(`${folder}/model.safetensors`);
  const changed = change(tensors) ?? tensors;
  await writeSafetensors(`${folder}/model.safetensors`, changed, { format: "pt" });
}

async function logitsOf(folder: string): Promise<ArrayLike<number>> {
  const model = await GPT.fromPretrained(folder);
  model.eval();
  const ids = tf.tensor2d(reference.input, undefined, "int32");
  return await values(() => model.forward(ids));
}

async function assertReferenceLogits(folder: string, absolute = 1e-5) {
  assertClose(await logitsOf(folder), reference.logits.data, { absolute, relative: 0 });
}

const refused = (folder: string, message: string) =>
  assertRejects(() => GPT.fromPretrained(folder), InputError, message);

// ---- reading

Deno.test("fromPretrained() reads both namings of the hub, tied or not", async () => {
  await assertReferenceLogits(await tinyFolder("safetensors"));
  // Without the prefix and lm_head, with mask buffers.
  const folder = await tinyFolder("hub-names.safetensors");
  await assertReferenceLogits(folder);
  await edit(folder, (tensors) => {
    const mask = { dtype: "F32" as const, shape: [], data: new Float32Array(1) };
    tensors.set("h.1.attn.masked_bias", mask).set("h.0.attn.bias", {
      dtype: "U8",
      shape: [1, 1, 24, 24],
      data: new Uint8Array(576),
    });
  });
  await assertReferenceLogits(folder);
});

Deno.test("fromPretrained() draws no random numbers", async () => {
  const folder = await tinyFolder();
  torch.manualSeed(3);
  const expected = torch.rand(1);
  torch.manualSeed(3);
  await GPT.fromPretrained(folder);
  assertEquals(torch.rand(1), expected);
});

Deno.test("fromPretrained() widens half precision", async () => {
  for (const [dtype, absolute] of [["F16", 5e-3], ["BF16", 5e-2], ["F64", 1e-5]] as const) {
    const folder = await tinyFolder();
    await edit(folder, (tensors) => {
      for (const [name, { shape, data }] of tensors) {
        const x = data as Float32Array;
        const upper = (x: number) => new Uint16Array(Float32Array.of(x).buffer)[1];
        const converted = dtype === "F16"
          ? new Float16Array(x)
          : dtype === "F64"
          ? new Float64Array(x)
          : Uint16Array.from(x, upper);
        tensors.set(name, { dtype, shape, data: converted });
      }
    });
    await assertReferenceLogits(folder, absolute);
  }
});

/** Divides the weights over two files with an index. */
async function shardedFolder(): Promise<string> {
  const folder = await tinyFolder();
  const { tensors } = await readSafetensors(`${folder}/model.safetensors`);
  await Deno.remove(`${folder}/model.safetensors`);
  const names = [...tensors.keys()].sort();
  const parts = [names.slice(0, 10), names.slice(10)];
  const weight_map: Record<string, string> = {};
  for (const [i, part] of parts.entries()) {
    const name = `model-0000${i + 1}-of-00002.safetensors`;
    for (const tensor of part) weight_map[tensor] = name;
    await writeSafetensors(`${folder}/${name}`, new Map(part.map((n) => [n, tensors.get(n)!])));
  }
  const index = { metadata: { total_size: 1 }, weight_map };
  await Deno.writeTextFile(`${folder}/model.safetensors.index.json`, JSON.stringify(index));
  return folder;
}

Deno.test("fromPretrained() reads sharded weights, and names what is wrong with their index", async () => {
  const folder = await shardedFolder();
  await assertReferenceLogits(folder);
  const path = `${folder}/model.safetensors.index.json`;
  const index = JSON.parse(await Deno.readTextFile(path));
  const set = (weight_map: unknown) => Deno.writeTextFile(path, JSON.stringify({ weight_map }));
  const map = index.weight_map;
  await set({ ...map, "h.9.x": "model-00001-of-00002.safetensors" });
  await refused(folder, 'it lacks the tensor "h.9.x"');
  await set({ ...map, "lm_head.weight": "../model.safetensors" });
  await refused(folder, '"lm_head.weight" should be in a .safetensors file of this folder');
  await set({ ...map, "lm_head.weight": "model-00003-of-00003.safetensors" });
  await refused(folder, "model-00003-of-00003.safetensors': no such file");
  await set([]);
  await refused(folder, "missing: wte.weight");
  await set(undefined);
  await refused(folder, 'it has no "weight_map"');
  await Deno.writeTextFile(path, "{");
  await refused(folder, "it is no JSON");
});

Deno.test("fromPretrained() names all weights that are missing, unused or of the wrong shape", async () => {
  const folder = await tinyFolder();
  await edit(folder, (tensors) => {
    const ln_f = tensors.get("transformer.ln_f.bias")!;
    tensors.delete("transformer.ln_f.bias");
    tensors.delete("transformer.h.1.attn.c_attn.bias");
    tensors.set("ln_f.scale", ln_f).set("wte.weight", tensors.get("transformer.wte.weight")!);
    const fc = tensors.get("transformer.h.0.mlp.c_fc.weight")!;
    tensors.set("transformer.h.0.mlp.c_fc.weight", { ...fc, shape: [128, 32] });
    tensors.set("transformer.wpe.weight", { ...fc, shape: [128, 32] });
  });
  const error = await assertRejects(() => GPT.fromPretrained(folder), InputError);
  assertEquals(
    error.message.replace(folder, "DIR").split("; "),
    [
      "Cannot load the weights in 'DIR': missing: h.1.attn.c_attn.bias, ln_f.bias",
      "unused: wte.weight, ln_f.scale",
      "of the wrong shape: transformer.wpe.weight (want (24, 32), got (128, 32)), " +
      "transformer.h.0.mlp.c_fc.weight (want (32, 128), got (128, 32))",
    ],
  );
  const integers = await tinyFolder();
  await edit(integers, (tensors) => {
    const data = new Int32Array(32);
    tensors.set("transformer.ln_f.bias", { dtype: "I32", shape: [32], data });
  });
  await refused(integers, "want F32, F16, BF16 or F64, got I32");
  const cut = await tinyFolder();
  await Deno.truncate(`${cut}/model.safetensors`, 100_000);
  await refused(cut, "it is cut short");
});

Deno.test("fromPretrained() refuses a config.json that is of another model", async () => {
  const cases: [Record<string, unknown>, string][] = [
    [{ model_type: "bert" }, 'want model_type "gpt2", got "bert"'],
    [{ activation_function: "relu" }, 'want activation_function "gelu_new", got "relu"'],
    [{ layer_norm_epsilon: 1e-12 }, "want layer_norm_epsilon 0.00001, got 1e-12"],
    [{ n_layer: undefined }, "want n_layer a whole number from 1 on, got none"],
    [{ n_embd: 31.5 }, "want n_embd a whole number from 1 on, got 31.5"],
    [{ n_inner: 64 }, "want n_inner 128 (4 n_embd), got 64"],
    [{ resid_pdrop: 2 }, "want resid_pdrop from 0 to 1, got 2"],
    [{ n_head: 5 }, "n_embd=32, n_head=5"],
    [{ n_layer: 1 }, "unused: transformer.h.1.ln_1.weight"],
  ];
  for (const [changed, message] of cases) {
    await refused(await tinyFolder(undefined, changed), message);
  }
  const folder = await tinyFolder();
  await Deno.writeTextFile(`${folder}/config.json`, "[]");
  await refused(folder, "want a JSON object");
  await Deno.remove(`${folder}/config.json`);
  await refused(folder, "config.json': no such file");
});

Deno.test("pretrainedFolder() finds the model of a run, and says what a folder lacks", async () => {
  const out = await temporaryFolder();
  await Deno.mkdir(`${out}/model`);
  await refused(out, "the folder has no model.safetensors");
  await Deno.copyFile(file("safetensors"), `${out}/model/model.safetensors`);
  assertEquals(await pretrainedFolder(out), `${out}/model`);
  await Deno.writeTextFile(`${out}/pytorch_model.bin`, "");
  await Deno.remove(`${out}/model`, { recursive: true });
  await refused(out, "save_pretrained");
  await refused(`${out}/nothing`, "want gpt2, gpt2-medium, gpt2-large, gpt2-xl or a folder");
});

// ---- writing

Deno.test("savePretrained() writes what GPT2LMHeadModel reads", async () => {
  seedAll(9);
  const model = new GPT(GPT.getDefaultConfig("gpt-nano", 31, 12));
  const folder = `${await temporaryFolder()}/a/b`;
  await model.savePretrained(folder);
  const json = JSON.parse(await Deno.readTextFile(`${folder}/config.json`));
  assertEquals(json.architectures, ["GPT2LMHeadModel"]);
  assertEquals(json.model_type, "gpt2");
  assertEquals(json.activation_function, "gelu_new");
  assertEquals([json.n_layer, json.n_head, json.n_embd, json.n_positions], [3, 3, 48, 12]);
  // Tied, that model would use the embedding as its output matrix.
  assertEquals(json.tie_word_embeddings, false);
  const { tensors, metadata } = await readSafetensors(`${folder}/model.safetensors`);
  assertEquals(metadata.format, "pt");
  const shapes = Object.fromEntries([...tensors].map(([name, { shape }]) => [name, shape]));
  assertEquals(shapes["transformer.h.2.attn.c_attn.weight"], [48, 144]); // (in, out)
  assertEquals(shapes["transformer.h.2.mlp.c_proj.weight"], [192, 48]);
  assertEquals(shapes["lm_head.weight"], [31, 48]);
  assertEquals(tensors.size, 41);
  const read = await GPT.fromPretrained(folder);
  for (const [name, p] of Object.entries(model.stateDict())) {
    assertEquals(await values(read.stateDict()[name]), await values(p), name);
  }
  assertEquals(read.config, model.config);
});

Deno.test("savePretrained() writes a tied output matrix once", async () => {
  const model = await GPT.fromPretrained(await tinyFolder());
  const folder = await temporaryFolder();
  await model.savePretrained(folder);
  const { tensors } = await readSafetensors(`${folder}/model.safetensors`);
  assert(!tensors.has("lm_head.weight"));
  assertEquals(
    JSON.parse(await Deno.readTextFile(`${folder}/config.json`)).tie_word_embeddings,
    true,
  );
  await assertReferenceLogits(folder);
  const original = await readSafetensors(file("safetensors"));
  for (const [name, entry] of tensors) {
    assertEquals(toFloat32(entry), toFloat32(original.tensors.get(name)!), name);
  }
});

async function charactersIn(folder: string): Promise<string[] | undefined> {
  using opened = await openModel(folder);
  return await opened.characters();
}

Deno.test("a model of characters keeps them", async () => {
  seedAll(9);
  const model = new GPT(GPT.getDefaultConfig("gpt-nano", 3, 4));
  const folder = await temporaryFolder();
  await model.savePretrained(folder, { tokenizer: characterTokenizer(["\n", "é", "🤗"]) });
  assertEquals(await charactersIn(folder), ["\n", "é", "🤗"]);
  for (
    const [list, message] of [
      ['["a", "b"]', "has 3 characters, the list 2"],
      ['["a", "b", "b"]', "different characters"],
      ['["a", "b", "cd"]', "different characters"],
      ["{}", "different characters"],
      ['["a"', "it is no JSON"],
    ]
  ) {
    await Deno.writeTextFile(`${folder}/characters.json`, list);
    await assertRejects(() => charactersIn(folder), InputError, message);
  }
  await model.savePretrained(folder);
  assertEquals(await charactersIn(folder), undefined);
});

Deno.test("a model that cannot be written leaves the old one", async () => {
  const folder = await tinyFolder();
  const model = await GPT.fromPretrained(folder);
  await Deno.mkdir(`${folder}/x`);
  await Deno.writeTextFile(`${folder}/x/file`, "");
  await assertRejects(() => model.savePretrained(`${folder}/x/file`), InputError, "Cannot write");
  // A full disk, in the middle of the weights.
  const open = Deno.open;
  const full = new Error("No space left on device (os error 28)");
  Deno.open = async (path, options) => {
    const opened = await open(path, options);
    if (!`${path}`.includes("model.safetensors")) return opened;
    return Object.assign(opened, { write: () => Promise.reject(full) });
  };
  try {
    await assertRejects(() => model.savePretrained(folder), InputError, "No space left");
  } finally {
    Deno.open = open;
  }
  await assertReferenceLogits(folder);
  assertEquals([...Deno.readDirSync(folder)].filter(({ name }) => /tmp/.test(name)), []);
});

Deno.test("openModel() and saveGPT2() leave no tensors behind", async () => {
  const folder = await tinyFolder();
  const model = await GPT.fromPretrained(folder);
  const before = tf.memory().numTensors;
  {
    using opened = await openModel(folder);
    await opened.load(model.stateDict());
  }
  await saveGPT2(await temporaryFolder(), await readGPT2Config(folder), model.stateDict());
  assertEquals(tf.memory().numTensors, before);
  using weights = await WeightFiles.open(folder);
  assertEquals(weights.shape("transformer.wpe.weight"), [24, 32]);
});

// ---- the hub

/** A server like the hub: large files lie elsewhere, and their SHA-256 is told on the way there. */
class Hub {
  asked: string[] = [];
  weights = Deno.readFileSync(file("safetensors"));
  sha256 = createHash("sha256").update(this.weights).digest("hex");
  /** After how many bytes the next answers break off. */
  breaks: number[] = [];
  endpoint = "";

  answer(request: IncomingMessage, response: ServerResponse) {
    const { method, url, headers: { range } } = request;
    this.asked.push([method, url, range].filter(Boolean).join(" "));
    if (url === "/gpt2/resolve/main/config.json") return response.end(JSON.stringify(config));
    if (url === "/gpt2/resolve/main/model.safetensors") { // the model was renamed
      return response.writeHead(307, { location: "/org/gpt2/resolve/main/model.safetensors" })
        .end();
    }
    if (url === "/org/gpt2/resolve/main/model.safetensors") {
      const location = `${this.endpoint}/store`;
      return response.writeHead(302, { location, "x-linked-etag": `"${this.sha256}"` }).end();
    }
    if (url !== "/store") return response.writeHead(404).end();
    const start = Number(/bytes=(\d+)-/.exec(range ?? "")?.[1] ?? 0);
    const rest = this.weights.subarray(start);
    const { length } = this.weights;
    response.writeHead(start > 0 ? 206 : 200, {
      etag: '"store"',
      "content-length": rest.length,
      ...start > 0 && { "content-range": `bytes ${start}-${length - 1}/${length}` },
    });
    const end = this.breaks.shift();
    if (end === undefined || method === "HEAD") return response.end(rest);
    response.write(rest.subarray(0, end));
    response.socket!.end(); // sends what was written; destroy() may throw it away
  }
}

async function withHub(body: (hub: Hub, cache: string) => Promise<void>) {
  const hub = new Hub();
  const server = createServer((request, response) => hub.answer(request, response));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  hub.endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  try {
    await body(hub, await temporaryFolder());
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
}

Deno.test("pretrainedFolder() fetches a model of the hub once", () =>
  withHub(async (hub, cache) => {
    const folder = await pretrainedFolder("gpt2", { endpoint: `${hub.endpoint}/`, cache });
    assertEquals(folder, `${cache}/gpt2`);
    assertEquals(hub.asked, [
      "GET /gpt2/resolve/main/config.json",
      "HEAD /gpt2/resolve/main/model.safetensors",
      "HEAD /org/gpt2/resolve/main/model.safetensors",
      "GET /gpt2/resolve/main/model.safetensors",
      "GET /org/gpt2/resolve/main/model.safetensors",
      "GET /store",
    ]);
    await assertReferenceLogits(folder);
    hub.asked = [];
    await pretrainedFolder("gpt2", { endpoint: hub.endpoint, cache });
    assertEquals(hub.asked, []);
    Deno.env.set("HF_ENDPOINT", hub.endpoint);
    try {
      await pretrainedFolder("gpt2", { cache: await temporaryFolder() });
      assertEquals(hub.asked.length, 6);
    } finally {
      Deno.env.delete("HF_ENDPOINT");
    }
  }));

Deno.test("pretrainedFolder() goes on where the hub broke off", () =>
  withHub(async (hub, cache) => {
    hub.breaks = [50_000, 30_000];
    const folder = await pretrainedFolder("gpt2", { endpoint: hub.endpoint, cache });
    const ranges = hub.asked.filter((line) => line.includes("/store"));
    assertEquals(ranges, ["GET /store", "GET /store bytes=50000-", "GET /store bytes=80000-"]);
    await assertReferenceLogits(folder);
  }));

Deno.test("pretrainedFolder() refuses weights of the wrong checksum, and then gets the right ones", () =>
  withHub(async (hub, cache) => {
    const { weights } = hub;
    hub.weights = weights.with(1000, weights[1000] ^ 1);
    const fetched = () => pretrainedFolder("gpt2", { endpoint: hub.endpoint, cache });
    const error = await assertRejects(fetched, InputError, `want SHA-256 ${hub.sha256}`);
    assert(error.message.includes("gpt2's model.safetensors"), error.message);
    assertEquals([...Deno.readDirSync(`${cache}/gpt2`)].map(({ name }) => name), ["config.json"]);
    hub.weights = weights;
    await assertReferenceLogits(await fetched());
  }));

Deno.test("pretrainedFolder() says in one line what to fetch where there is no hub", () =>
  withHub(async (hub, cache) => {
    const message = async (name: string, endpoint: string) =>
      (await assertRejects(() => pretrainedFolder(name, { endpoint, cache }), InputError)).message;
    const absent = await message("gpt2-xl", hub.endpoint);
    assert(absent.includes("answers 404"), absent);
    const closed = await message("gpt2", "http://127.0.0.1:1");
    for (
      const part of [
        "Cannot download gpt2's config.json: no connection to 127.0.0.1:1",
        "fetch http://127.0.0.1:1/gpt2/resolve/main/config.json by hand",
        `save it as ${cache}/gpt2/config.json; its model.safetensors likewise`,
      ]
    ) assert(closed.includes(part), closed);
    assertEquals(closed.split("\n").length, 1);
    assert((await message("gpt2", "hub")).includes("HF_ENDPOINT=hub"));
  }));
