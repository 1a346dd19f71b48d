/** The benchmark: it measures all that it names, and compares runs. */
import { assert, assertAlmostEquals, assertEquals, assertRejects } from "@std/assert";
import { InputError, UsageError } from "lib/io/errors.ts";
import { dots } from "lib/plot/mod.ts";
import { leastTime, main } from "scripts/bench.ts";
import * as tf from "@tensorflow/tfjs";
import { withLateReads } from "../helpers/late.ts";
import { run, temporaryFolder } from "../helpers/scripts.ts";

const quick = ["--quick", "--device=cpu"];

Deno.test({
  name:
    "bench measures kernels on each backend, and models; a second run is compared with the first",
  sanitizeOps: false, // the device's workers go on
  sanitizeResources: false,
  async fn() {
    const first = await run(main, ...quick);
    const { results } = JSON.parse(await Deno.readTextFile(`${first.out}/bench.json`));
    assertEquals(results, first.result);
    const on = (backend: string) => first.result.filter((result) => result.backend === backend);
    assertEquals(
      on("tfjs cpu").map(({ name }) => name),
      on("cpu").map(({ name }) => name).filter((name) => !name.startsWith("gpt-")),
    );
    assert(on("tfjs wasm").length > 20);
    for (const { ms, rate } of first.result) assert(ms > 0 && rate > 0 && Number.isFinite(rate));
    // rate = work / time: 2 * 16^3 operations
    const product = on("cpu").find(({ name }) => name === "matmul 16")!;
    assertAlmostEquals(product.rate, 2 * 16 ** 3 / (product.ms * 1e6), 1e-9);
    for (const file of ["kernels.svg", "kernels.png", "models.svg", "models.png"]) {
      assert((await Deno.stat(`${first.out}/${file}`)).size > 1000);
    }

    const second = await run(
      main,
      ...[...quick, "--only=training", "--dropout=0", `--compare=${first.out}/bench.json`],
    );
    const [training] = second.result;
    assertEquals(training.name, "gpt-nano, training");
    assertEquals(second.result.length, 1);
    const before = on("cpu").find(({ name }) => name === training.name)!;
    const last = second.printed.at(-1)!.trim().split(/\s+/);
    assertEquals(last.at(-1), (before.ms / training.ms).toFixed(2));
  },
});

Deno.test("bench refuses a file that is no earlier run's, and a model that it does not know", async () => {
  const folder = await temporaryFolder();
  const wrong = { "text.json": "?", "null.json": "null", "other.json": '{"results":[{"ms":"1"}]}' };
  for (const [name, text] of Object.entries(wrong)) {
    await Deno.writeTextFile(`${folder}/${name}`, text);
    const compare = `--compare=${folder}/${name}`;
    await assertRejects(() => run(main, ...quick, compare), InputError, name);
  }
  await assertRejects(() => run(main, ...quick, "--compare=none.json"), InputError, "none.json");
  await assertRejects(() => run(main, ...quick, "--models=gpt-huge"), UsageError, "gpt-huge");
});

/** A call that takes some milliseconds, the first time so many more. */
function busy(ms: number, more: number) {
  return () => {
    for (const end = performance.now() + ms + more; performance.now() < end;);
    more = 0;
    return tf.scalar(1);
  };
}

Deno.test("leastTime() is about what the calls take, without what the first one takes longer", async () => {
  await tf.setBackend("cpu");
  const ms = await leastTime(busy(5, 100), 30);
  assert(ms >= 5 && ms < 50, `${ms}`);
});

Deno.test("leastTime() is not the time that a GPU takes to answer a read", async () => {
  await withLateReads(11, async () => {
    const ms = await leastTime(busy(1, 100), 1000);
    assert(ms >= 1 && ms < 1.5, `${ms}`);
    assert(await leastTime(busy(0, 0), 0) < 100, "no budget, no more than a batch of one");
  });
});

Deno.test("dots() shows each number that can be shown, and says how many cannot", async () => {
  const rows = { first: { ours: 10, theirs: 0 }, second: { ours: 100, theirs: NaN } };
  const svg = await dots({ rows, xLog: true }).svg();
  for (const text of ["first", "second", "ours", "theirs", "2 of 4 values left out"]) {
    assert(svg.includes(text), text);
  }
  assert((await dots({ rows: { none: { ours: NaN } } }).svg()).includes("no finite values"));
});
