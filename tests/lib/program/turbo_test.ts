import { assert, assertEquals } from "@std/assert";
import { turboActive } from "lib/engine/cpu/turbo.ts";

const library = new URL("../../../lib/program/turbo.ts", import.meta.url).href;

// A program that starts itself again, then does what its first argument says.
const source = `
import { maybeTurbo } from ${JSON.stringify(library)};
const [action, mode] = Deno.args;
const state = await maybeTurbo(mode === "auto" ? "auto" : "on", {
  long: action !== "short",
  replace: mode !== "child",
  flags: mode === "bad" ? ["--no-such-flag"] : undefined,
});
if (action === "wait") Deno.addSignalListener("SIGTERM", () => Deno.exit(9));
console.log(JSON.stringify({ ...state, args: Deno.args, cwd: Deno.cwd() }));
if (action === "read") console.log(await new Response(Deno.stdin.readable).text());
if (action.startsWith("wait")) await new Promise((done) => setTimeout(done, 20_000));
console.error("to standard error");
Deno.exit(5);
`;

const folder = Deno.makeTempDirSync();
const program = `${folder}/program.ts`;
Deno.writeTextFileSync(program, source);
addEventListener("unload", () => Deno.removeSync(folder, { recursive: true }));

// Without the flags, even if the tests themselves run with them.
const env = Deno.env.toObject();
delete env.DENO_V8_FLAGS;

function start(args: string[], flags = ["-A"]) {
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-config", "--no-lock", ...flags, program, ...args],
    clearEnv: true,
    env,
    cwd: folder,
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

async function run(args: string[], flags?: string[], input = "") {
  const child = start(args, flags);
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(input));
  await writer.close();
  const { code, stdout, stderr } = await child.output();
  const [first, ...rest] = new TextDecoder().decode(stdout).split("\n");
  return {
    code,
    state: JSON.parse(first),
    rest: rest.join("\n"),
    error: new TextDecoder().decode(stderr),
  };
}

const able = Deno.build.arch === "x86_64" && Deno.build.os !== "windows";

for (const mode of ["replace", "child"]) {
  Deno.test({
    name: `the program starts again with the flags, arguments, streams and exit code (${mode})`,
    ignore: !able,
    async fn() {
      const { code, state, rest, error } = await run(
        ["read", mode, "two words", ""],
        ["-A"],
        "héllo",
      );
      assert(state.active);
      assertEquals(state.args, ["read", mode, "two words", ""]);
      assertEquals(Deno.realPathSync(state.cwd), Deno.realPathSync(folder));
      assertEquals(rest.trim(), "héllo");
      assertEquals(error, "to standard error\n");
      assertEquals(code, 5);
    },
  });

  Deno.test({
    name: `a signal reaches the program, and ends it as it would without turbo (${mode})`,
    ignore: !able,
    async fn() {
      for (const action of ["wait", "wait-default"]) {
        const child = start([action, mode]);
        await child.stdin.close();
        const reader = child.stdout.getReader();
        await reader.read(); // It runs now.
        reader.releaseLock();
        child.kill("SIGTERM");
        const { code, signal } = await child.output();
        if (action === "wait") assertEquals(code, 9);
        else assertEquals(signal, "SIGTERM");
      }
    },
  });
}

Deno.test({
  name: "turbo is declined with a reason, and the run goes on",
  ignore: !able,
  async fn() {
    const refused = await run(["run", "bad"]);
    assertEquals(refused.state.active, false);
    assertEquals(refused.state.reason, "this Deno does not know --no-such-flag");
    assertEquals(refused.code, 5);
    const locked = await run(["run", "on"], ["--allow-read", "--allow-env"]);
    assertEquals(locked.state.reason, "turbo needs --allow-run");
    const short = await run(["short", "auto"]);
    assertEquals([short.state.active, short.state.reason], [false, undefined]);
    const long = await run(["long", "auto"]);
    assert(long.state.active);
  },
});

Deno.test("tests run without turbo unless the flags are given", () => {
  const given = Deno.env.get("DENO_V8_FLAGS") ?? "";
  assertEquals(turboActive(), given.includes("revectorize"));
});
