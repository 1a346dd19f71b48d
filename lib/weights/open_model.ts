/**
 * One way from a model's files to its weights, whatever the files are: a name of the hub, a folder in
 * Hugging Face's form, the output folder of a run, or a checkpoint of nanogpt's. What is in them is
 * checked once, here, before a model is made: the settings, and by them every name and every shape.
 */
import { join } from "node:path";
import * as tf from "@tensorflow/tfjs";
import { readCharactersOf } from "../data/tokens.ts";
import { InputError } from "../io/errors.ts";
import { exists } from "../io/files.ts";
import { readObject } from "../io/json.ts";
import type { Parameter } from "../nn.ts";
import type { Tensor } from "../tensor.ts";
import {
  BPETokenizer,
  characterTokenizer,
  checkCharacters,
  openTokenizer,
  readCharacters,
  type Tokenizer,
  VOCABULARY_FILES,
} from "../tokenizers/mod.ts";
import {
  checkGPT2Sizes,
  type GPT2Config,
  gpt2Name,
  gpt2Shapes,
  isConv1D,
  readGPT2Config,
} from "./gpt2.ts";
import { pretrainedFolder, WeightFiles } from "./hub.ts";
import { readSafetensorsHeader } from "./safetensors.ts";

/** What the settings of a GPT say beyond its sizes. */
export interface GPT2Form {
  /** Whether linear layers and norms have biases. */
  bias: boolean;
  /** GELU: GPT-2's, by tanh, or the exact one ("none"). */
  gelu: "tanh" | "none";
}

/** An open model: its settings and its weights, each read when it is asked for. Declare it with `using`. */
export class OpenModel {
  /** GPT-2's name -> the name in the file. */
  readonly #names = new Map<string, string>();

  constructor(
    /** The folder or the file, for messages. */
    readonly place: string,
    readonly config: GPT2Config & GPT2Form,
    /** Whether it is a checkpoint: there c_attn, c_fc and c_proj are stored (out, in), on the hub (in, out). */
    readonly isCheckpoint: boolean,
    private readonly files: WeightFiles,
    /** Whether a tensor of the file is a weight of the model. */
    isWeight: (name: string) => boolean,
    /** What the ids stand for, if they are characters. */
    readonly characters: () => Promise<string[] | undefined>,
    /** The tokenizer, or an error that says which files it lacks. */
    readonly tokenizer: () => Promise<Tokenizer>,
    /** Whether the output matrix is the token embedding. */
    readonly isTied: boolean,
  ) {
    const twice: string[] = [];
    for (const name of files.names.filter(isWeight)) {
      const short = gpt2Name(name.replace(/^model\./, ""));
      if (short === undefined) continue;
      if (this.#names.has(short)) twice.push(name);
      else this.#names.set(short, name);
    }
    this.#check(twice);
  }

  /** GPT-2's names of the weights; without lm_head.weight the output matrix is the embedding. */
  get names(): string[] {
    return [...this.#names.keys()];
  }

  #check(unused: string[]): void {
    // Each block has weights of its own: of a million blocks that are not there no list is made.
    const { n_layer } = this.config;
    if (n_layer > this.#names.size + 1000) {
      throw new InputError(
        `Cannot use '${this.place}': it has ${this.#names.size} weights, too few for n_layer=${n_layer}`,
      );
    }
    const wanted = gpt2Shapes(this.config);
    const missing: string[] = [], misshapen: string[] = [];
    for (const [short, shape] of wanted) {
      const name = this.#names.get(short);
      if (name === undefined) {
        if (short !== "lm_head.weight") missing.push(short);
        continue;
      }
      const stored = !this.isCheckpoint || !isConv1D(short) ? shape : shape.toReversed();
      const got = this.files.shape(name);
      if (String(got) !== String(stored)) {
        misshapen.push(`${name} (want (${stored.join(", ")}), got (${got.join(", ")}))`);
      }
    }
    for (const [short, name] of this.#names) if (!wanted.has(short)) unused.push(name);
    const problems = [
      missing.length && `missing: ${missing.join(", ")}`,
      unused.length && `unused: ${unused.join(", ")}`,
      misshapen.length && `of the wrong shape: ${misshapen.join(", ")}`,
    ].filter(Boolean);
    if (problems.length > 0) {
      throw new InputError(`Cannot load the weights in '${this.place}': ${problems.join("; ")}`);
    }
  }

  /** A weight on the device: matrices of linear layers as (in, out), the embeddings as (V, C) and (T, C). */
  async tensor(name: string): Promise<Tensor> {
    const stored = this.#names.get(name)!;
    const values = await this.files.read(stored);
    return tf.tidy(() => {
      const tensor = tf.tensor(values, this.files.shape(stored));
      return isConv1D(name) && this.isCheckpoint ? tensor.transpose() : tensor.clone();
    });
  }

  /**
   * Copies the weights into the parameters of a model, one after the other, so that beside the model
   * there is little more in memory than its largest tensor, as it was read and on the device.
   *
   * @param parameters The model's state dict: names as in PyTorch's programs, layouts as in nn.Linear
   */
  async load(parameters: Record<string, Parameter>): Promise<void> {
    const sourceOf = (short: string) =>
      this.#names.has(short) || short !== "lm_head.weight" ? short : "wte.weight";
    // The largest first: what they replace has room for those that follow. A tied matrix is read once.
    const wanted = Object.entries(parameters).sort(([, a], [, b]) => b.size - a.size);
    let last = "";
    let tensor: Tensor | undefined;
    for (const [name, p] of wanted) {
      const short = sourceOf(gpt2Name(name)!);
      if (short !== last) {
        tensor?.dispose();
        tensor = await this.tensor(last = short);
      }
      tf.tidy(() => p.assign(isConv1D(short) ? tensor!.transpose() : tensor!));
    }
    tensor?.dispose();
  }

  /** Closes the files. */
  [Symbol.dispose](): void {
    this.files[Symbol.dispose]();
  }
}

/**
 * Opens a GPT, GPT-2's or one of our runs'.
 *
 * @param source A name of the hub, a folder with config.json and model.safetensors, the output folder
 * of a run, or a checkpoint of nanogpt's; of a folder's checkpoints the best one, ckpt.safetensors,
 * comes before last.safetensors
 * @param form What the model that gets the weights computes; weights for another form are refused
 * @throws {InputError} If there is none, its settings are impossible, or weights are missing, left
 * over or of another shape: the message names all of them
 */
export async function openModel(
  source: string,
  form: Partial<GPT2Form> = {},
): Promise<OpenModel> {
  const own = source.endsWith(".safetensors")
    ? [source]
    : ["ckpt.safetensors", "last.safetensors"].map((file) => join(source, file));
  let model: OpenModel | undefined;
  for (const path of own) if (!model && await exists(path)) model = await openCheckpoint(path);
  model ??= await openFolder(await pretrainedFolder(source));
  for (const [name, wanted] of Object.entries(form)) {
    const given = model.config[name as keyof GPT2Form];
    if (given === wanted) continue;
    model[Symbol.dispose]();
    throw new InputError(
      `Cannot use the weights in '${model.place}': they are of a model with ${name}=${given}, this one has ${name}=${wanted}`,
    );
  }
  return model;
}

async function openFolder(folder: string): Promise<OpenModel> {
  const sizes = await readGPT2Config(folder);
  const config = { ...sizes, bias: true, gelu: "tanh" } as const;
  const { tie_word_embeddings } = await readObject(join(folder, "config.json"));
  const list = join(folder, "characters.json");
  const characters = async () =>
    await exists(list) ? await readCharacters(list, sizes.vocab_size) : undefined;
  const tokenizer = () => folderTokenizer(folder, sizes.vocab_size);
  const isTied = tie_word_embeddings !== false;
  return opened(
    await WeightFiles.open(folder),
    (files) =>
      new OpenModel(folder, config, false, files, () => true, characters, tokenizer, isTied),
  );
}

/** The vocabulary in a folder, or GPT-2's for GPT-2. */
async function folderTokenizer(folder: string, vocab_size: number): Promise<Tokenizer> {
  const own = await openTokenizer(folder, vocab_size);
  if (own) return own;
  const gpt2 = await BPETokenizer.load();
  const { eos_token_id } = await readObject(join(folder, "config.json"));
  // GPT-2's own config.json says where its <|endoftext|> is; another 50,257 tokens need files of theirs.
  const isGPT2 = vocab_size === gpt2.size && (eos_token_id ?? vocab_size - 1) === vocab_size - 1;
  if (isGPT2) return gpt2;
  throw new InputError(
    `Cannot read or write with the model '${folder}': it has ${vocab_size} tokens, GPT-2's vocabulary ${gpt2.size}; ` +
      `put ${VOCABULARY_FILES} into the folder`,
  );
}

async function openCheckpoint(path: string): Promise<OpenModel> {
  const state = await readState(path);
  const args = state.model_args as Record<string, unknown>;
  const sizes = checkGPT2Sizes(path, args, "block_size");
  const { bias = true, gelu = "none" } = args; // PyTorch's nanoGPT has the exact GELU
  if (typeof bias !== "boolean" || (gelu !== "none" && gelu !== "tanh")) {
    throw new InputError(`Cannot use '${path}': want bias true or false and gelu none or tanh`);
  }
  const config = { ...sizes, embd_pdrop: 0, resid_pdrop: 0, attn_pdrop: 0, bias, gelu } as const;
  const characters = async () => {
    const list = await readCharactersOf(state);
    return list && checkCharacters(path, list, sizes.vocab_size);
  };
  const tokenizer = async () => {
    const list = await characters();
    if (list) return characterTokenizer(list);
    const gpt2 = await BPETokenizer.load(); // what prepare makes of a text without characters
    if (sizes.vocab_size >= gpt2.size) return gpt2;
    throw new InputError(
      `Cannot read or write with the model '${path}': it has ${sizes.vocab_size} tokens, GPT-2's vocabulary ${gpt2.size}, ` +
        "and the data set that it was trained with is gone",
    );
  };
  // lm_head is the embedding in these models, and stands in the file a second time.
  const isWeight = (name: string) => /^model\.(?!lm_head\.)/.test(name);
  return opened(
    await WeightFiles.openFile(path),
    (files) => new OpenModel(path, config, true, files, isWeight, characters, tokenizer, true),
  );
}

/** What a checkpoint of nanogpt's holds beside its tensors. */
async function readState(path: string): Promise<Record<string, unknown>> {
  const { metadata } = await readSafetensorsHeader(path);
  let state: Record<string, unknown> | undefined;
  try {
    state = JSON.parse(metadata?.trainer ?? "null");
  } catch {
    // It is no JSON: refused below.
  }
  if (typeof state?.model_args !== "object" || state.model_args === null) {
    throw new InputError(`Cannot open '${path}': it is no checkpoint of nanogpt's`);
  }
  return state;
}

/** Closes the files if they are refused. */
function opened(files: WeightFiles, open: (files: WeightFiles) => OpenModel): OpenModel {
  try {
    return open(files);
  } catch (error) {
    files[Symbol.dispose]();
    throw error;
  }
}
