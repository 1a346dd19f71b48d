/**
 * GPT-2's files as the Hugging Face hub has them: what its config.json says, how its weights are named and laid out, and
 * what PyTorch's programs call the same. A folder that is written here opens there (GPT2LMHeadModel.from_pretrained),
 * and theirs open here.
 *
 * The weights have the names of the modules, with "transformer." in front or, on the hub, without. Those of c_attn,
 * c_fc and c_proj are (in, out), the other way round from nn.Linear. Old files have masks besides, which are no weights.
 * The output matrix, lm_head, is the token embedding if it is missing.
 *
 * A model that reads characters has one more file, characters.json: the list of its characters, the one with id 0 first.
 */
import { join } from "node:path";
import * as tf from "@tensorflow/tfjs";
import { InputError } from "../io/errors.ts";
import { exists, readText, writeError, writeFileAtomic } from "../io/files.ts";
import { readJSON, WeightFiles } from "./hub.ts";
import type { Parameter } from "../nn.ts";
import { type SafetensorsEntry, writeSafetensors } from "./safetensors.ts";

/** The sizes of a GPT-2, and the dropout that it was trained with. */
export interface GPT2Config {
  n_layer: number;
  n_head: number;
  n_embd: number;
  vocab_size: number;
  block_size: number;
  embd_pdrop: number;
  resid_pdrop: number;
  attn_pdrop: number;
}

/** What config.json may say otherwise for a model that computes something else; not said, it is as here. */
const fixed = {
  model_type: "gpt2",
  activation_function: "gelu_new",
  layer_norm_epsilon: 1e-5,
  scale_attn_weights: true,
  scale_attn_by_inverse_layer_idx: false,
  add_cross_attention: false,
};

/**
 * Reads the config.json of a folder.
 *
 * @throws {InputError} If a size is missing or impossible, or the model is no GPT-2
 */
export async function readGPT2Config(folder: string): Promise<GPT2Config> {
  const path = join(folder, "config.json");
  const config = await readJSON(path);
  const refuse = (name: string, wanted: unknown, value: unknown) =>
    new InputError(
      `Cannot use '${path}': want ${name} ${wanted}, got ${JSON.stringify(value) ?? "none"}`,
    );
  for (const [name, value] of Object.entries(fixed)) {
    if ((config[name] ?? value) !== value) throw refuse(name, JSON.stringify(value), config[name]);
  }
  const size = (name: string) => {
    const value = config[name];
    if (!(Number.isSafeInteger(value) && value as number > 0)) {
      throw refuse(name, "a whole number from 1 on", value);
    }
    return value as number;
  };
  const probability = (name: string) => {
    const value = config[name] ?? 0.1;
    if (!(typeof value === "number" && value >= 0 && value <= 1)) {
      throw refuse(name, "from 0 to 1", value);
    }
    return value;
  };
  const n_embd = size("n_embd");
  const n_inner = config.n_inner ?? 4 * n_embd;
  if (n_inner !== 4 * n_embd) throw refuse("n_inner", `${4 * n_embd} (4 n_embd)`, n_inner);
  return {
    n_layer: size("n_layer"),
    n_head: size("n_head"),
    n_embd,
    vocab_size: size("vocab_size"),
    block_size: size("n_positions"),
    embd_pdrop: probability("embd_pdrop"),
    resid_pdrop: probability("resid_pdrop"),
    attn_pdrop: probability("attn_pdrop"),
  };
}

/** Whether a weight of this name is stored as (in, out). */
export function isConv1D(name: string): boolean {
  return /\.(c_attn|c_fc|c_proj)\.weight$/.test(name);
}

/** A tensor's name without the prefix; undefined for a mask. */
export function gpt2Name(name: string): string | undefined {
  const short = name.replace(/^transformer\./, "");
  return /^h\.\d+\.attn\.(bias|masked_bias)$/.test(short) ? undefined : short;
}

/**
 * Copies the weights of a folder into the parameters of a model, one after the other, so that beside the model there is
 * little more in memory than its largest tensor, as it was read and on the device.
 *
 * @param parameters The model's state dict: names as in PyTorch's programs, layouts as in nn.Linear
 * @throws {InputError} If weights are missing, left over or of another shape: the message names all of them
 */
export async function loadGPT2(
  folder: string,
  parameters: Record<string, Parameter>,
): Promise<void> {
  using weights = await WeightFiles.open(folder);
  const unused: string[] = [];
  const given = new Map<string, string>(); // short name -> name in the file
  for (const name of weights.names) {
    const short = gpt2Name(name);
    if (short === undefined) continue;
    if (given.has(short)) unused.push(name);
    else given.set(short, name);
  }

  const wanted = new Map<string, Parameter>(); // short name -> parameter
  for (const [name, p] of Object.entries(parameters)) wanted.set(gpt2Name(name)!, p);
  const sourceOf = (short: string) =>
    given.get(short) ?? (short === "lm_head.weight" ? given.get("wte.weight") : undefined);
  const missing: string[] = [], misshapen: string[] = [];
  for (const [short, p] of wanted) {
    const name = sourceOf(short);
    if (name === undefined) {
      missing.push(short);
      continue;
    }
    const shape = isConv1D(short) ? p.shape.toReversed() : p.shape;
    const got = weights.shape(name);
    if (String(got) !== String(shape)) {
      misshapen.push(`${name} (want (${shape.join(", ")}), got (${got.join(", ")}))`);
    }
  }
  for (const [short, name] of given) if (!wanted.has(short)) unused.push(name);
  const problems = [
    missing.length && `missing: ${missing.join(", ")}`,
    unused.length && `unused: ${unused.join(", ")}`,
    misshapen.length && `of the wrong shape: ${misshapen.join(", ")}`,
  ].filter(Boolean);
  if (problems.length > 0) {
    throw new InputError(`Cannot load the weights in '${folder}': ${problems.join("; ")}`);
  }

  // The largest first: what they replace has room for those that follow. A tied matrix is read once.
  let last = "";
  let data: Float32Array = new Float32Array();
  for (const [short, p] of [...wanted].sort(([, a], [, b]) => b.size - a.size)) {
    const name = sourceOf(short)!;
    if (name !== last) data = await weights.read(last = name);
    tf.tidy(() => {
      const stored = tf.tensor(data, weights.shape(name));
      p.assign(isConv1D(short) ? stored.transpose() : stored);
    });
  }
}

/**
 * Writes config.json and model.safetensors into a folder, which is made if it is missing. If the output matrix is the
 * token embedding, it is not written and config.json says that the two are tied; otherwise it says that they are not,
 * without which Hugging Face's GPT2LMHeadModel would use the embedding in its place.
 *
 * @param parameters The model's state dict, as for {@linkcode loadGPT2}
 * @param options.characters What the ids stand for, in a model that reads characters; written to characters.json
 * @throws {InputError} If a file cannot be written; the old one is still there then
 */
export async function saveGPT2(
  folder: string,
  { block_size, ...config }: GPT2Config,
  parameters: Record<string, Parameter>,
  { characters }: { characters?: readonly string[] } = {},
): Promise<void> {
  const entries = new Map<string, SafetensorsEntry>();
  for (const [name, p] of Object.entries(parameters)) {
    const stored = tf.tidy(() => isConv1D(name) ? p.transpose() : p.clone());
    const data = await stored.data() as Float32Array;
    stored.dispose();
    entries.set(name, { dtype: "F32", shape: stored.shape, data });
  }
  const head = entries.get("lm_head.weight")?.data;
  const embedding = entries.get("transformer.wte.weight")!.data;
  const tied = head === undefined || head.every((x, i) => x === embedding[i]);
  if (tied) entries.delete("lm_head.weight");

  const endOfText = config.vocab_size === 50257 ? 50256 : null; // only GPT-2's vocabulary is known to have it
  const json = {
    architectures: ["GPT2LMHeadModel"],
    ...fixed,
    ...config,
    n_positions: block_size,
    n_ctx: block_size,
    n_inner: null,
    initializer_range: 0.02,
    tie_word_embeddings: tied,
    bos_token_id: endOfText,
    eos_token_id: endOfText,
    torch_dtype: "float32",
  };
  try {
    await Deno.mkdir(folder, { recursive: true });
    if (!characters) await Deno.remove(join(folder, "characters.json")).catch(() => {});
  } catch (error) {
    throw writeError(folder, error);
  }
  await writeFileAtomic(join(folder, "config.json"), JSON.stringify(json, null, 2) + "\n");
  if (characters) {
    await writeFileAtomic(join(folder, "characters.json"), JSON.stringify(characters) + "\n");
  }
  await writeSafetensors(join(folder, "model.safetensors"), entries, { format: "pt" });
}

/**
 * The characters that a model's ids stand for; undefined if the folder has no characters.json.
 *
 * @throws {InputError} If the file is no list of different characters, as many as the vocabulary has
 */
export async function readCharacters(folder: string): Promise<string[] | undefined> {
  const path = join(folder, "characters.json");
  if (!await exists(path)) return undefined;
  const { vocab_size } = await readGPT2Config(folder);
  const text = (await readText(path)).replace(/^\ufeff/, "");
  let list: unknown;
  try {
    list = JSON.parse(text);
  } catch (error) {
    throw new InputError(`Cannot read '${path}': it is no JSON: ${(error as Error).message}`);
  }
  const isCharacter = (x: unknown) => typeof x === "string" && Array.from(x).length === 1;
  if (!Array.isArray(list) || !list.every(isCharacter) || new Set(list).size !== list.length) {
    throw new InputError(`Cannot use '${path}': want a list of different characters, ["\\n", " "]`);
  }
  if (list.length !== vocab_size) {
    throw new InputError(
      `Cannot use '${path}': the model's vocabulary has ${vocab_size} characters, the list ${list.length}`,
    );
  }
  return list;
}
