import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { encode as gpt2Ids } from "gpt-tokenizer/encoding/r50k_base";
import { InputError, UsageError } from "lib/io/errors.ts";
import {
  BPETokenizer,
  characterTokenizer,
  decodeAll,
  encodePrompt,
  openTokenizer,
  trainBPE,
} from "lib/tokenizers/mod.ts";
import { temporaryFolder } from "../../helpers/scripts.ts";

const gpt2 = await BPETokenizer.load();
const words = trainBPE("the cat and the hat and the rat", 270, { endOfText: true });
const text = "A relaxing cup of café con leche 🤗 in the Plaza Mayor";

/** A folder with these files. */
async function folderWith(files: Record<string, unknown>): Promise<string> {
  const folder = await temporaryFolder();
  for (const [name, content] of Object.entries(files)) {
    const written = typeof content === "string" ? content : JSON.stringify(content);
    await Deno.writeTextFile(`${folder}/${name}`, written);
  }
  return folder;
}

/** A tokenizer.json as Hugging Face's programs write it. */
function json(
  tokenizer: BPETokenizer,
  { id = (id: number) => id, model = {}, added_tokens = [] as unknown[], ...changed }: {
    id?: (id: number) => number;
    model?: Record<string, unknown>;
    added_tokens?: unknown[];
    [part: string]: unknown;
  } = {},
) {
  const byteLevel = { type: "ByteLevel", add_prefix_space: false, trim_offsets: true };
  const vocab = Object.fromEntries([...tokenizer.encoder].map(([token, i]) => [token, id(i)]));
  return {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: [
      { id: vocab["<|endoftext|>"], content: "<|endoftext|>", special: true },
      ...added_tokens,
    ],
    normalizer: null,
    pre_tokenizer: byteLevel,
    post_processor: byteLevel,
    decoder: byteLevel,
    model: {
      type: "BPE",
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: "",
      end_of_word_suffix: "",
      fuse_unk: false,
      vocab,
      merges: [...tokenizer.ranks.keys()],
      ...model,
    },
    ...changed,
  };
}

const open = async (files: Record<string, unknown>, vocab_size = 50257) =>
  (await openTokenizer(await folderWith(files), vocab_size))!;
const refused = (files: Record<string, unknown>, message: string, vocab_size?: number) =>
  assertRejects(() => open(files, vocab_size), InputError, message);

Deno.test("openTokenizer() reads the ids of tokenizer.json, whatever they are", async () => {
  const rotate = (id: number) => (id + 1000) % 50257;
  const pairs = [...gpt2.ranks.keys()].map((merge) => merge.split(" "));
  for (const model of [{}, { merges: pairs }]) {
    const tokenizer = await open({ "tokenizer.json": json(gpt2, { id: rotate, model }) });
    assertEquals(tokenizer.encode(text), gpt2Ids(text).map(rotate));
    assertEquals(tokenizer.decode(gpt2Ids(text).map(rotate)), text);
    assertEquals([tokenizer.size, ...tokenizer.start], [50257, rotate(50256)]);
    const again = await open(tokenizer.files());
    assertEquals(again.encode(text), tokenizer.encode(text));
  }
});

Deno.test("openTokenizer() reads tokens that were added, with their rules", async () => {
  const added_tokens = [
    { id: 270, content: "<mask>", lstrip: true, rstrip: true },
    { id: 280, content: "cat", single_word: true },
    { id: 281, content: "[+]", special: true },
  ];
  const tokenizer = await open({ "tokenizer.json": json(words, { added_tokens }) }, 282);
  assertEquals(tokenizer.size, 282);
  const encode = (text: string) => tokenizer.encode(text, { special: true });
  assertEquals(encode("a  <mask> [+]b"), [...words.encode("a"), 270, 281, ...words.encode("b")]);
  assertEquals(encode("cat."), [280, ...words.encode(".")]);
  assertEquals(encode("cats"), words.encode("cats"));
  assertEquals(tokenizer.encode("[+]"), words.encode("[+]"));
  assertEquals(tokenizer.decode([281, 280, 270]), "[+]cat<mask>");
  assertThrows(() => tokenizer.decode([275]), RangeError, "id 275"); // between the two
  assertEquals(decodeAll(tokenizer, [275, 281]), "\ufffd[+]");
  // The model may have fewer tokens than were added, and more than there are.
  const file = { "tokenizer.json": json(words, { added_tokens }) };
  assertEquals((await open(file, 270)).size, 282);
  assertEquals(encodePrompt(await open(file, 300), "[+]", 300), [281]);
  assertThrows(
    () => encodePrompt(tokenizer, "the [+]", 270),
    UsageError,
    "its token 281 is not one of the model's 270",
  );
  await refused(file, "it has 200 tokens, its vocabulary 282", 200);
});

Deno.test("openTokenizer() reads vocab.json and merges.txt with marks and line ends of all kinds", async () => {
  const files = words.files();
  assertEquals(Object.keys(files), ["vocab.json", "merges.txt"]);
  const odd = await open({
    "vocab.json": "\ufeff" + files["vocab.json"],
    "merges.txt": "\ufeff" + files["merges.txt"].replaceAll("\n", "\r\n"),
    "added_tokens.json": { "<pad>": 270, "[+]": 271 },
    "tokenizer_config.json": { added_tokens_decoder: { 271: { content: "[+]", rstrip: true } } },
  });
  assertEquals(odd.encode("the cat"), words.encode("the cat"));
  assertEquals(odd.encode("<pad>[+] a", { special: true }), [270, 271, ...words.encode("a")]);
  assertEquals([odd.size, ...odd.start], [272, 269]);
  assertEquals((await open(odd.files())).encode("<pad>", { special: true }), [270]);
  // Tokens in brackets that no merge makes, as Hugging Face's trainer puts them into the vocabulary.
  const vocab = JSON.parse(files["vocab.json"]);
  const bert = await open({ ...files, "vocab.json": { ...vocab, "[PAD]": 270 } });
  assertEquals(bert.encode("[PAD]", { special: true }), [270]);
  assertEquals(await openTokenizer(await temporaryFolder(), 5), undefined);
});

Deno.test("openTokenizer() keeps to the parts of tokenizer.json that change the ids", async () => {
  const byteLevel = { type: "ByteLevel", add_prefix_space: true };
  const prefixed = await open({ "tokenizer.json": json(words, { pre_tokenizer: byteLevel }) });
  assertEquals(prefixed.encode("the"), words.encode(" the"));
  const normalizer = { type: "Sequence", normalizers: [{ type: "NFC" }] };
  const composed = await open({ "tokenizer.json": json(words, { normalizer }) });
  assertEquals(composed.encode("e\u0301"), words.encode("é"));
  // A vocabulary that lacks the byte of "z".
  const vocab = Object.fromEntries([...words.encoder].filter(([token]) => token !== "z"));
  const partial = json(words, { model: { vocab } });
  const lacking = await open({ "tokenizer.json": partial });
  assertEquals(lacking.encode("hat"), words.encode("hat"));
  assertThrows(() => lacking.encode("haz"), UsageError, 'no token for "z"');
  const model = { vocab, unk_token: "<|endoftext|>" };
  const unknown = await open({ "tokenizer.json": json(words, { model }) });
  assertEquals(unknown.encode("az"), [...words.encode("a"), 269]);
});

Deno.test("openTokenizer() refuses in one line what it does not compute", async () => {
  const split = { type: "Sequence", pretokenizers: [{ type: "Split" }, { type: "ByteLevel" }] };
  const deep = (n: number) => "[".repeat(n) + "]".repeat(n);
  const long = "x".repeat(1_000_000);
  const files = words.files();
  const cases: [Record<string, unknown>, string][] = [
    [{ "tokenizer.json": json(words, { model: { type: "Unigram" } }) }, 'of the type "Unigram"'],
    [{ "tokenizer.json": json(words, { model: { type: long } }) }, 'of the type "xxx'],
    [{ "tokenizer.json": json(words, { pre_tokenizer: split }) }, 'pre_tokenizer is "Sequence"'],
    [{ "tokenizer.json": json(words, { pre_tokenizer: null }) }, "pre_tokenizer is none"],
    [{ "tokenizer.json": json(words, { normalizer: { type: "Lowercase" } }) }, '"Lowercase"'],
    [{ "tokenizer.json": json(words, { decoder: { type: "WordPiece" } }) }, 'is "WordPiece"'],
    [{ "tokenizer.json": json(words, { model: { dropout: 0.1 } }) }, "model.dropout is 0.1"],
    [
      { "tokenizer.json": json(words, { model: { ignore_merges: true } }) },
      "ignore_merges is true",
    ],
    [{ "tokenizer.json": json(words, { model: { merges: [["a", 3]] } }) }, 'merges[0] is ["a",3]'],
    [{ "tokenizer.json": json(words, { model: { merges: [["é", "é"]] } }) }, "which"],
    [{ "tokenizer.json": json(words, { model: { vocab: { a: -1 } } }) }, '"a" has the id -1'],
    [{ "tokenizer.json": json(words, { model: { vocab: { a: 1e12 } } }) }, "id 1000000000000"],
    [{ "tokenizer.json": json(words, { added_tokens: [{ id: 5, content: "<x>" }] }) }, "the id 5"],
    [{ "tokenizer.json": json(words, { added_tokens: [{ content: "<x>" }] }) }, '{"content":"<x>"'],
    [{ "tokenizer.json": "{" }, "it is no JSON"],
    [{ "tokenizer.json": {} }, "it has no model"],
    [{ ...files, "vocab.json": `{"a": ${deep(100_000)}}` }, "nested too deeply"],
    [{ ...files, "vocab.json": deep(100_000) }, "nested too deeply"],
    [{ ...files, "vocab.json": { [long]: "a" } }, "has the id"],
    [{ ...files, "merges.txt": `#version: 0.2\n${long}\n` }, "line 2"],
    [{ ...files, "merges.txt": `${long}\n` }, "line 1 should begin"],
    [{ ...files, "merges.txt": files["merges.txt"].slice(0, 30) }, "merges.txt"],
    [{ "vocab.json": files["vocab.json"] }, "merges.txt': no such file"],
    [{ "characters.json": deep(100_000) }, "nested too deeply"],
  ];
  for (const [files, message] of cases) {
    const { message: line } = await refused(files, message);
    assert(line.length < 400 && !line.includes("\n"), line.slice(0, 1000));
  }
});

Deno.test("a stream ends with U+FFFD if half a character is left", () => {
  const decode = gpt2.decoder();
  const ids = gpt2.encode("a🤗");
  assertEquals(ids.slice(0, -1).map((id) => decode(id)).join(""), "a");
  assertEquals([decode.end(), decode.end()], ["\ufffd", ""]);
  assertEquals(decodeAll(gpt2, ids.slice(0, -1)), "a\ufffd");
  assertEquals(decodeAll(gpt2, ids), "a🤗");
  assertEquals(decodeAll(gpt2, [ids[1], 50300, 64]), "\ufffd\ufffda");
  const characters = characterTokenizer(["a", "🤗"]);
  assertEquals(decodeAll(characters, [1, 0, 9]), "🤗a\ufffd");
  assertThrows(() => characters.decode([9]), RangeError, "id 9");
});
