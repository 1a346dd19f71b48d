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
import { readObject, short } from "../io/json.ts";
import { writeError, writeFileAtomic } from "../io/files.ts";
import { checkFinite } from "./checkpoint.ts";
import type { Tokenizer } from "../tokenizers/mod.ts";
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

/** The files of vocabularies, of which a folder has one kind. */
const VOCABULARY = [
  ...["characters.json", "tokenizer.json", "vocab.json", "merges.txt", "added_tokens.json"],
  ...["encoder.json", "vocab.bpe"],
];

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
  const config = await readObject(path);
  const refuse = (name: string, wanted: unknown, value: unknown) =>
    new InputError(
      `Cannot use '${path}': want ${name} ${wanted}, got ${short(value)}`,
    );
  for (const [name, value] of Object.entries(fixed)) {
    if ((config[name] ?? value) !== value) throw refuse(name, JSON.stringify(value), config[name]);
  }
  const probability = (name: string) => {
    const value = config[name] ?? 0.1;
    if (!(typeof value === "number" && value >= 0 && value <= 1)) {
      throw refuse(name, "from 0 to 1", value);
    }
    return value;
  };
  const sizes = checkGPT2Sizes(path, config, "n_positions");
  const n_inner = config.n_inner ?? 4 * sizes.n_embd;
  if (n_inner !== 4 * sizes.n_embd) {
    throw refuse("n_inner", `${4 * sizes.n_embd} (4 n_embd)`, n_inner);
  }
  return {
    ...sizes,
    embd_pdrop: probability("embd_pdrop"),
    resid_pdrop: probability("resid_pdrop"),
    attn_pdrop: probability("attn_pdrop"),
  };
}

/**
 * The sizes that a file says a GPT has.
 *
 * @param path The file, for the message
 * @param positions What the file calls the longest text that the model sees
 * @throws {InputError} If one is missing, no whole number from 1 on, or the channels are not to be divided among the heads
 */
export function checkGPT2Sizes(
  path: string,
  config: Record<string, unknown>,
  positions: "n_positions" | "block_size",
): Omit<GPT2Config, "embd_pdrop" | "resid_pdrop" | "attn_pdrop"> {
  const size = (name: string): number => {
    const value = config[name];
    if (Number.isSafeInteger(value) && value as number > 0) return value as number;
    throw new InputError(
      `Cannot use '${path}': want ${name} a whole number from 1 on, got ${short(value)}`,
    );
  };
  const [n_head, n_embd] = [size("n_head"), size("n_embd")];
  if (n_embd % n_head !== 0) {
    throw new InputError(
      `Cannot use '${path}': n_embd=${n_embd}, n_head=${n_head}: the channels are not to be divided among the heads`,
    );
  }
  return {
    n_layer: size("n_layer"),
    n_head,
    n_embd,
    vocab_size: size("vocab_size"),
    block_size: size(positions),
  };
}

/** The names and shapes of a GPT-2's weights, as the hub has them: matrices of linear layers are (in, out). */
export function gpt2Shapes(
  { n_layer, n_embd: C, vocab_size, block_size, bias }:
    & Pick<GPT2Config, "n_layer" | "n_embd" | "vocab_size" | "block_size">
    & { bias: boolean },
): Map<string, number[]> {
  const affine = (name: string, ...shape: number[]): [string, number[]][] => [
    [`${name}.weight`, shape],
    ...bias ? [[`${name}.bias`, shape.slice(-1)] as [string, number[]]] : [],
  ];
  return new Map([
    ["wte.weight", [vocab_size, C]],
    ["wpe.weight", [block_size, C]],
    ...Array.from({ length: n_layer }, (_, i) => [
      ...affine(`h.${i}.ln_1`, C),
      ...affine(`h.${i}.attn.c_attn`, C, 3 * C),
      ...affine(`h.${i}.attn.c_proj`, C, C),
      ...affine(`h.${i}.ln_2`, C),
      ...affine(`h.${i}.mlp.c_fc`, C, 4 * C),
      ...affine(`h.${i}.mlp.c_proj`, 4 * C, C),
    ]).flat(),
    ...affine("ln_f", C),
    ["lm_head.weight", [vocab_size, C]],
  ]);
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
 * Writes config.json and model.safetensors into a folder, which is made if it is missing. If the output matrix is the
 * token embedding, it is not written and config.json says that the two are tied; otherwise it says that they are not,
 * without which Hugging Face's GPT2LMHeadModel would use the embedding in its place.
 *
 * @param parameters The model's state dict, as for {@linkcode loadGPT2}
 * @param options.tokenizer What the ids stand for; its files are written as well, so that the folder opens alone
 * @throws {InputError} If a number is NaN or infinite, or a file cannot be written; the old one is still there then
 */
export async function saveGPT2(
  folder: string,
  { block_size, ...config }: GPT2Config,
  parameters: Record<string, Parameter>,
  { tokenizer }: { tokenizer?: Tokenizer } = {},
): Promise<void> {
  const entries = new Map<string, SafetensorsEntry>();
  for (const [name, p] of Object.entries(parameters)) {
    const stored = tf.tidy(() => isConv1D(name) ? p.transpose() : p.clone());
    const data = await stored.data() as Float32Array;
    stored.dispose();
    checkFinite(folder, name, data);
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
    const stale = tokenizer ? VOCABULARY : ["characters.json"];
    for (const file of stale) await Deno.remove(join(folder, file)).catch(() => {});
  } catch (error) {
    throw writeError(folder, error);
  }
  await writeFileAtomic(join(folder, "config.json"), JSON.stringify(json, null, 2) + "\n");
  for (const [file, text] of Object.entries(tokenizer?.files() ?? {})) {
    await writeFileAtomic(join(folder, file), text);
  }
  await writeSafetensors(join(folder, "model.safetensors"), entries, { format: "pt" });
}
