/** Where an operation finds its kernel, and what happens where a kernel declines. */
import * as tf from "@tensorflow/tfjs";
import { assertEquals } from "@std/assert";
import { registerOverrides } from "lib/engine/overrides.ts";
import { fused, observer, registerKernels } from "lib/engine/registry.ts";

await tf.setBackend("cpu");

Deno.test("fused() runs the kernel of the active backend, and the formula where there is none", () => {
  const twice = fused("test: twice", (x: number) => `formula ${2 * x}`);
  assertEquals(twice(2), "formula 4");
  registerKernels("another backend", { "test: twice": () => "another" });
  assertEquals(twice(2), "formula 4");
  registerKernels("cpu", { "test: twice": (x: number) => `kernel ${2 * x}` });
  assertEquals(twice(2), "kernel 4");
  assertEquals(twice.reference(2), "formula 4");
  registerKernels("cpu", { "test: twice": (x: number) => `newer ${2 * x}` });
  assertEquals(twice(2), "newer 4");
});

Deno.test("a kernel that returns undefined declines: the formula runs, and is observed once", () => {
  const ran: string[] = [];
  const inner = fused("test: inner", (x: number) => x);
  const half = fused("test: half", (x: number) => {
    ran.push("formula");
    return inner(x) / 2;
  });
  registerKernels("cpu", {
    "test: half": (x: number) => {
      ran.push("kernel");
      return x % 2 === 0 ? x / 2 : undefined;
    },
  });
  const seen: unknown[] = [];
  observer.current = (name, args, result) => seen.push([name, args, result]);
  try {
    assertEquals([half(4), half(5), half(0)], [2, 2.5, 0]);
  } finally {
    observer.current = undefined;
  }
  assertEquals(ran, ["kernel", "kernel", "formula", "kernel"]);
  assertEquals(seen, [["test: half", [4], 2], ["test: half", [5], 2.5], ["test: half", [0], 0]]);
});

Deno.test("an operation without a result is done once where its kernel returns true", () => {
  const done: string[] = [];
  const update = fused("test: update", (x: number): void => void done.push(`formula ${x}`));
  registerKernels("cpu", {
    "test: update": (x: number) => {
      if (x < 0) return;
      done.push(`kernel ${x}`);
      return true;
    },
  });
  update(1);
  update(-1);
  assertEquals(done, ["kernel 1", "formula -1"]);
});

Deno.test("registerOverrides() replaces tfjs's kernels, which run where an override declines", () => {
  tf.registerBackend("test: overridden", () => tf.findBackend("cpu"), 0);
  tf.copyRegisteredKernels("cpu", "test: overridden");
  registerOverrides("test: overridden", {
    Square: ({ x }, _, inherited) => {
      if (x.shape.length === 1) return;
      return x.shape.length === 0 ? x : inherited();
    },
  });
  const before = tf.getBackend();
  tf.setBackend("test: overridden");
  try {
    assertEquals([...tf.square(tf.scalar(3)).dataSync()], [3]); // the override's own
    assertEquals([...tf.square(tf.tensor1d([3])).dataSync()], [9]); // declined
    assertEquals([...tf.square(tf.tensor2d([[4]])).dataSync()], [16]); // called
  } finally {
    tf.setBackend(before);
  }
});
