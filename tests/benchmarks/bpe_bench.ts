/**
 * Speed of `lib/tokenizers/bpe/` beside gpt-tokenizer and tiktoken, in MB of UTF-8 a second, on
 * the novel and on the files named:
 *
 *     deno run -A tests/bpe_bench.ts [--rounds N] [FILE...]
 *
 * Cold is the first pass over the text in a fresh process (the vocabulary is loaded, nothing else
 * has run); warm the fastest of four more passes. Each tokenizer runs in a process of its own, in
 * turns, and the best of the rounds counts. At the end: seconds for the texts that are worst for an
 * encoder, at four lengths.
 */
import { BPETokenizer } from "lib/tokenizers/bpe/mod.ts";
import { loadText } from "lib/data/texts.ts";

const names = ["lib/tokenizers/bpe/mod.ts", "gpt-tokenizer", "tiktoken"] as const;
type Name = typeof names[number];

async function load(name: Name): Promise<(text: string) => ArrayLike<number>> {
  if (name === "gpt-tokenizer") return (await import("gpt-tokenizer/encoding/r50k_base")).encode;
  if (name === "tiktoken") {
    const encoding = (await import("tiktoken")).get_encoding("gpt2");
    return (text) => encoding.encode(text, [], []);
  }
  const tokenizer = await BPETokenizer.load();
  return (text) => tokenizer.encode(text);
}

/** In the child process: prints the MB/s of the first pass and of the fastest later one. */
async function measure(name: Name, file: string): Promise<void> {
  const text = await loadText(file);
  const encode = await load(name);
  const megabytes = new TextEncoder().encode(text).length / 1e6;
  const passes = Array.from({ length: 5 }, () => {
    const start = performance.now();
    encode(text);
    return megabytes / ((performance.now() - start) / 1000);
  });
  console.log(JSON.stringify([passes[0], Math.max(...passes.slice(1))]));
}

async function compare(file: string, rounds: number): Promise<void> {
  const best = new Map(names.map((name) => [name, [0, 0]]));
  for (let round = 0; round < rounds; round++) {
    for (const name of names) {
      const args = ["run", "-A", import.meta.url, "--measure", name, file];
      const { stdout } = await new Deno.Command(Deno.execPath(), { args }).output();
      const speeds: number[] = JSON.parse(new TextDecoder().decode(stdout));
      best.set(name, speeds.map((speed, i) => Math.max(speed, best.get(name)![i])));
    }
  }
  console.log(`\n${file}, best of ${rounds}, MB/s    cold     warm`);
  for (const [name, [cold, warm]] of best) {
    console.log(
      `  ${name.padEnd(24)} ${cold.toFixed(1).padStart(8)} ${warm.toFixed(1).padStart(8)}`,
    );
  }
  const [ours, ...others] = [...best.values()];
  const [cold, warm] = [0, 1].map((i) => ours[i] / Math.max(...others.map((speeds) => speeds[i])));
  console.log(
    `  times the faster other   ${cold.toFixed(1).padStart(8)} ${warm.toFixed(1).padStart(8)}`,
  );
}

async function worst(): Promise<void> {
  const tokenizer = await BPETokenizer.load();
  const letters = (await loadText("moby-dick")).replaceAll(/[^a-z]/g, "").repeat(5);
  const sizes = [500_000, 1_000_000, 2_000_000, 4_000_000];
  console.log(`\nWorst texts, seconds for ${sizes.map((size) => `${size / 1e6} MB`).join(", ")}`);
  const texts = {
    "one letter": "a".repeat(4e6),
    "no blank": letters,
    "only blanks": " ".repeat(4e6),
  };
  for (const [name, text] of Object.entries(texts)) {
    tokenizer.encode(text.slice(0, 100_000));
    const seconds = sizes.map((size) => {
      const start = performance.now();
      tokenizer.encode(text.slice(0, size));
      return ((performance.now() - start) / 1000).toFixed(2).padStart(8);
    });
    console.log(`  ${name.padEnd(24)} ${seconds.join(" ")}`);
  }
}

if (import.meta.main) {
  const args = [...Deno.args];
  if (args[0] === "--measure") {
    await measure(args[1] as Name, args[2]);
  } else {
    const rounds = args[0] === "--rounds" ? Number(args.splice(0, 2)[1]) : 5;
    for (const file of ["moby-dick", ...args]) await compare(file, rounds);
    await worst();
  }
}
