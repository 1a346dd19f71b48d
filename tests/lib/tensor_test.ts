/** Reading tensors behind the computation of the next ones. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import * as tf from "@tensorflow/tfjs";
import { readBehind, type Tensor } from "lib/tensor.ts";
import { testOnDevices } from "../helpers/devices.ts";
import { withLateReads } from "../helpers/late.ts";

/** The first `count` squares; `made` is told of each. */
function* squares(count: number, made?: (i: number) => void): Generator<Tensor> {
  try {
    for (let i = 0; i < count; i++) {
      made?.(i);
      yield tf.tidy(() => tf.scalar(i).square());
    }
  } finally {
    made?.(-1);
  }
}

testOnDevices("readBehind() gives all values in their order and frees the tensors", async () => {
  const before = tf.memory().numTensors;
  for (const [count, behind] of [[0], [1], [40], [40, 0], [5, 7], [5, Infinity]]) {
    const read = await Array.fromAsync(readBehind(squares(count), behind));
    assertEquals(read.map(([x]) => x), Array.from({ length: count }, (_, i) => i * i));
    assertEquals(tf.memory().numTensors, before);
  }
});

Deno.test("readBehind() waits for each value at once where that costs nothing", async () => {
  await tf.setBackend("cpu");
  let made = -1;
  for await (const [x] of readBehind(squares(20, (i) => made = i))) {
    if (made >= 0) assertEquals(x, made ** 2);
  }
  assertEquals(made, -1);
});

Deno.test("readBehind() computes on while a GPU is asked", async () => {
  await withLateReads(20, async () => {
    const made: number[] = [];
    const began = performance.now();
    for await (const [x] of readBehind(squares(60, (i) => made.push(i)))) {
      const read = Math.sqrt(x);
      assertEquals(made.filter((i) => i >= 0).length, Math.min(60, read + 17));
    }
    const ms = performance.now() - began;
    assert(ms < 60 * 20 / 2, `${ms}`); // it is a sixteenth
  });
});

Deno.test("readBehind() ends its tensors' generator and frees the rest when nobody reads on", async () => {
  await withLateReads(2, async () => {
    const before = tf.memory().numTensors;
    const made: number[] = [];
    for await (const [x] of readBehind(squares(60, (i) => made.push(i)))) if (x === 9) break;
    assertEquals(made, [...Array.from({ length: 20 }, (_, i) => i), -1]);
    assertEquals(tf.memory().numTensors, before);
  });
});

Deno.test("readBehind() throws what a read or its tensors throw, once and in its turn", async () => {
  await withLateReads(2, async () => {
    const before = tf.memory().numTensors;
    const lost = () => {
      const t = tf.scalar(1);
      t.data = () => Promise.reject(new Error("lost"));
      return t;
    };
    const read: number[] = [];
    await assertRejects(
      async () => {
        for await (const [x] of readBehind([tf.scalar(5), lost(), lost(), tf.scalar(6)])) {
          read.push(x);
        }
      },
      Error,
      "lost",
    );
    assertEquals(read, [5]);
    function* failing() {
      yield* squares(3);
      throw new Error("cannot");
    }
    await assertRejects(() => Array.fromAsync(readBehind(failing())), Error, "cannot");
    assertEquals(tf.memory().numTensors, before);
  });
});
