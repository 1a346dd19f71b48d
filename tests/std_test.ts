import { assertEquals, AssertionError, assertThrows } from "@std/assert";

Deno.test("assertEquals() accepts deep equals and shows the lines that differ", () => {
  assertEquals({ a: [1, NaN] }, { a: [1, NaN] });
  assertEquals(new Float32Array([0]), new Float32Array([-0]));
  const error = assertThrows(
    () => assertEquals({ a: 1, b: 2 }, { a: 1, b: 3 }),
    AssertionError,
    "Values are not equal.",
  );
  assertEquals(error.message.includes("-     b: 2"), true);
  assertEquals(error.message.includes("+     b: 3"), true);
});
