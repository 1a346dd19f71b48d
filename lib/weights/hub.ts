/**
 * Pretrained models: a folder with config.json and model.safetensors, as the Hugging Face hub has them, fetched from
 * there or one's own. What the names in them mean is a model's matter: gpt2.ts has GPT-2's.
 */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { download } from "../io/download.ts";
import { InputError } from "../io/errors.ts";
import { exists } from "../io/files.ts";
import { readObject } from "../io/json.ts";
import { SafetensorsReader, toFloat32 } from "./safetensors.ts";

/** The models that are fetched by their names. */
export const hubModels = ["gpt2", "gpt2-medium", "gpt2-large", "gpt2-xl"] as const;

/**
 * The folder of a pretrained model. A model of the hub is fetched into data/cache when it is first asked for: with
 * progress, going on where an earlier try broke off, and checked by the SHA-256 that the hub tells.
 *
 * @param source One of {@linkcode hubModels}, or a folder with config.json and model.safetensors (or
 * model.safetensors.index.json and its parts); the output folder of a run stands for the folder `model` in it
 * @param options.endpoint Where the hub is: by default the environment's HF_ENDPOINT, as for Hugging Face's own
 * programs, or https://huggingface.co
 * @param options.cache Where fetched models are kept (default data/cache)
 * @throws {InputError} If there is no such model, or it cannot be fetched
 */
export async function pretrainedFolder(
  source: string,
  { endpoint, cache }: { endpoint?: string; cache?: string } = {},
): Promise<string> {
  if ((hubModels as readonly string[]).includes(source)) {
    endpoint ??= Deno.env.get("HF_ENDPOINT") || "https://huggingface.co";
    if (!/^https?:$/.test(URL.parse(endpoint)?.protocol ?? "")) {
      throw new InputError(`Cannot fetch models from HF_ENDPOINT=${endpoint}: want https://HOST`);
    }
    cache ??= fileURLToPath(new URL("../../data/cache", import.meta.url));
    return await fetchModel(source, endpoint, join(cache, source));
  }
  for (const folder of [source, join(source, "model")]) {
    for (const file of ["model.safetensors", "model.safetensors.index.json"]) {
      if (await exists(join(folder, file))) return folder;
    }
  }
  const problem = await exists(join(source, "pytorch_model.bin"))
    ? "its weights are in pytorch_model.bin, PyTorch's own format: convert them in Python with save_pretrained"
    : await exists(source)
    ? "the folder has no model.safetensors"
    : `want ${hubModels.join(", ")} or a folder with config.json and model.safetensors`;
  throw new InputError(`Cannot find the model '${source}': ${problem}`);
}

/** Fetches the two files of a model into a folder, unless they are there. */
async function fetchModel(name: string, endpoint: string, folder: string): Promise<string> {
  const file = (name: string) => join(folder, name);
  if (await exists(file("config.json")) && await exists(file("model.safetensors"))) return folder;
  const address = `${endpoint.replace(/\/+$/, "")}/${name}/resolve/main`;
  const config = { to: file("config.json"), label: `${name}'s config.json` };
  await download(`${address}/config.json`, config).catch((error) => {
    if (!(error instanceof InputError)) throw error;
    throw new InputError(`${error.message}; its model.safetensors likewise`);
  });
  const sha256 = await linkedSHA256(`${address}/model.safetensors`);
  const weights = { to: file("model.safetensors"), label: `${name}'s model.safetensors`, sha256 };
  await download(`${address}/model.safetensors`, weights);
  return folder;
}

/**
 * The SHA-256 of a large file, which the hub tells before it sends its clients to the place where the file lies; undefined
 * if it tells none.
 */
async function linkedSHA256(url: string): Promise<string | undefined> {
  const { origin } = new URL(url);
  for (let hops = 0; hops < 5; hops++) {
    let response;
    try {
      const signal = AbortSignal.timeout(10_000);
      response = await fetch(url, { method: "HEAD", redirect: "manual", signal });
    } catch {
      return undefined; // the download will say what is wrong
    }
    await response.body?.cancel();
    const mark = response.headers.get("x-linked-etag")?.replaceAll('"', "").toLowerCase();
    if (mark !== undefined) return /^[0-9a-f]{64}$/.test(mark) ? mark : undefined;
    // A model that was renamed: the mark is at its new name.
    const location = response.headers.get("location");
    if (location === null) return undefined;
    url = new URL(location, url).href;
    if (new URL(url).origin !== origin) return undefined;
  }
}

/** The open weights of a model, in one file or in several. Declare it with `using`, which closes them. */
export class WeightFiles {
  private constructor(
    /** The folder. */
    readonly folder: string,
    /** Name of each tensor -> the file that has it. */
    private files: Map<string, SafetensorsReader>,
    private readers: SafetensorsReader[],
  ) {}

  /**
   * Opens model.safetensors, or the files that model.safetensors.index.json names.
   *
   * @throws {InputError} If a file is missing or malformed, or lacks a tensor that the index says it has
   */
  static async open(folder: string): Promise<WeightFiles> {
    const readers: SafetensorsReader[] = [];
    const open = async (file: string) => {
      const reader = await SafetensorsReader.open(join(folder, file));
      readers.push(reader);
      return reader;
    };
    try {
      const files = new Map<string, SafetensorsReader>();
      if (await exists(join(folder, "model.safetensors"))) {
        const reader = await open("model.safetensors");
        for (const name of reader.header.tensors.keys()) files.set(name, reader);
      } else {
        const opened = new Map<string, SafetensorsReader>();
        for (const [name, file] of await readIndex(folder)) {
          const reader = opened.get(file) ?? await open(file);
          opened.set(file, reader);
          if (!reader.header.tensors.has(name)) {
            throw new InputError(
              `Cannot read '${
                join(folder, file)
              }': it lacks the tensor "${name}" that the index says it has`,
            );
          }
          files.set(name, reader);
        }
      }
      return new WeightFiles(folder, files, readers);
    } catch (error) {
      for (const reader of readers) reader[Symbol.dispose]();
      throw error;
    }
  }

  /**
   * Opens one file.
   *
   * @throws {InputError} If it is missing or malformed
   */
  static async openFile(path: string): Promise<WeightFiles> {
    const reader = await SafetensorsReader.open(path);
    const files = Array.from(reader.header.tensors.keys(), (name) => [name, reader] as const);
    return new WeightFiles(path, new Map(files), [reader]);
  }

  /** The names of all tensors. */
  get names(): string[] {
    return [...this.files.keys()];
  }

  /** The shape of a tensor. */
  shape(name: string): number[] {
    return this.files.get(name)!.header.tensors.get(name)!.shape;
  }

  /**
   * The values of a tensor, F16 and BF16 widened.
   *
   * @throws {InputError} If it holds integers or booleans
   */
  async read(name: string): Promise<Float32Array> {
    const reader = this.files.get(name)!;
    const { dtype } = reader.header.tensors.get(name)!;
    if (!["F32", "F16", "BF16", "F64"].includes(dtype)) {
      throw new InputError(
        `Cannot use the tensor "${name}" in '${this.folder}' as a weight: want F32, F16, BF16 or F64, got ${dtype}`,
      );
    }
    return toFloat32(await reader.read(name));
  }

  /** Closes the files. */
  [Symbol.dispose](): void {
    for (const reader of this.readers) reader[Symbol.dispose]();
  }
}

/** The pairs of model.safetensors.index.json: tensor, file. */
async function readIndex(folder: string): Promise<[string, string][]> {
  const path = join(folder, "model.safetensors.index.json");
  const { weight_map } = await readObject(path);
  if (typeof weight_map !== "object" || weight_map === null) {
    throw new InputError(`Cannot read '${path}': it has no "weight_map"`);
  }
  return Object.entries(weight_map).map(([name, file]) => {
    if (typeof file !== "string" || !/^[^/\\]+\.safetensors$/.test(file)) {
      throw new InputError(
        `Cannot read '${path}': "${name}" should be in a .safetensors file of this folder, not in ${
          JSON.stringify(file)
        }`,
      );
    }
    return [name, file];
  });
}
