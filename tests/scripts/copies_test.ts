/** A copy of a script, in any folder of the workspace and under any name, is the same program. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { characterTokenizer } from "lib/tokenizers/mod.ts";
import { startDevice } from "lib/device.ts";
import { GPT } from "scripts/gpt.ts";
import { temporaryFolder } from "../helpers/scripts.ts";

const workspace = fileURLToPath(new URL("../..", import.meta.url));
const scripts = [...Deno.readDirSync(join(workspace, "scripts"))].map(({ name }) => name)
  .filter((name) => name.endsWith(".ts")).sort();

/** Sizes that make a forward pass short. */
const small: Record<string, string[]> = {
  "bert.ts": ["--n_layers=1", "--d_model=16", "--d_ff=16", "--n_heads=2", "--d_k=8"],
  "transformer.ts": ["--n_layers=1", "--d_model=16", "--d_ff=16"],
  "chargpt.ts": ["--model_type=gpt-nano", "--block_size=16", `--text=${workspace}README.md`],
};

/** Scripts that write with a trained model: the flag that names its folder, and others for a short run. */
const writers: Record<string, [model: string, ...others: string[]]> = {
  "generate.ts": ["--model", "--num_samples=2", "--steps=5", "--prompt=the"],
  "picogpt.ts": ["--models_dir", "--n_tokens_to_generate=5", "--prompt=the"],
};

interface Script {
  main?: (args: readonly string[]) => Promise<unknown>;
}

/** What a script prints with these flags; a stack trace or an unexpected end fails the test. */
async function printed({ main }: Script, args: string[]): Promise<string> {
  const lines: string[] = [];
  const { log } = console;
  const { write, writeSync } = Deno.stdout;
  console.log = (...words: unknown[]) => void lines.push(words.join(" "));
  Deno.stdout.writeSync = (bytes) => lines.push(new TextDecoder().decode(bytes)) && bytes.length;
  Deno.stdout.write = (bytes) => Promise.resolve(Deno.stdout.writeSync(bytes));
  try {
    await main!(args);
  } finally {
    console.log = log;
    Object.assign(Deno.stdout, { write, writeSync });
  }
  return lines.join("\n");
}

/** The folder of a small model of characters, untrained; made once. */
let saved: Promise<string> | undefined;

async function saveModel(): Promise<string> {
  await startDevice("cpu");
  const characters = [..." abcdefghijklmnopqrstuvwxyz"];
  const model = new GPT(GPT.getDefaultConfig("gpt-nano", characters.length, 16));
  const folder = await temporaryFolder();
  await model.savePretrained(folder, { tokenizer: characterTokenizer(characters) });
  return folder;
}

/** Without what a clock measured. */
const timeless = (text: string) => text.replace(/[\d.,]+(?= (?:m?s\b|seconds|tokens|times))/g, "?");

for (const [i, name] of scripts.entries()) {
  Deno.test({
    name: `a copy of ${name} runs unchanged`,
    sanitizeOps: false, // the device's workers go on
    sanitizeResources: false,
    async fn() {
      await Deno.mkdir(join(workspace, "out"), { recursive: true });
      const folder = await Deno.makeTempDir({ dir: join(workspace, "out") });
      try {
        const path = join(folder, ...["a", "b", "c"].slice(0, i % 4), `mi ${i} copia-ñ of_${name}`);
        await Deno.mkdir(join(path, ".."), { recursive: true });
        await Deno.copyFile(join(workspace, "scripts", name), path);
        const original = await import(`scripts/${name}`) as Script;
        const copy = await import(pathToFileURL(path).href) as Script;
        assertEquals(Object.keys(copy), Object.keys(original));
        if (!copy.main) return;

        const help = await printed(copy, ["--help"]);
        assertStringIncludes(help, "of_"); // it calls itself by its own name
        const flags = (help: string) =>
          help.replace(/ +/g, " ").split("\n").filter((line) => !/Usage: | --out=/.test(line));
        assertEquals(flags(help), flags(await printed(original, ["--help"])));

        if (name in writers) {
          const [flag, ...others] = writers[name];
          const model = await (saved ??= saveModel());
          const write = (script: Script) =>
            printed(script, [`${flag}=${model}`, "--device=cpu", `--out=${folder}/out`, ...others]);
          const text = await write(copy);
          assert(text.split("\n").length > 1, text);
          assertEquals(timeless(text), timeless(await write(original)));
          return;
        }
        if (!help.includes("--trace")) return;
        const args = ["--trace", "--device=cpu", ...small[name] ?? []];
        const table = (text: string) => text.slice(text.search(/^module +operation/m));
        const trace = table(await printed(copy, [...args, `--out=${folder}/copy`]));
        assert(trace.split("\n").length > 3, trace);
        assertEquals(trace, table(await printed(original, [...args, `--out=${folder}/original`])));
      } finally {
        await Deno.remove(folder, { recursive: true });
      }
    },
  });
}
