import { assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { confusionCounts, macroF1 } from "lib/scores.ts";

Deno.test("confusionCounts() has a row for each true class", () => {
  const counts = confusionCounts([..."aabbc"], [..."abbba"], [..."abcd"]);
  assertEquals(counts, [[1, 1, 0, 0], [0, 2, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]]);
  // By hand: a has precision 1/2 and recall 1/2, b 2/3 and 1, c 0; d is nowhere.
  assertAlmostEquals(macroF1(counts), (0.5 + 0.8 + 0) / 3, 1e-12);
  assertThrows(() => confusionCounts(["a"], [], ["a"]), TypeError, "1 truths with 0");
  assertThrows(() => confusionCounts(["a"], ["z"], ["a"]), TypeError, '"z"');
});

Deno.test("macroF1() is 1 if all is right, 0 if nothing is, 1 for nothing", () => {
  assertEquals(macroF1([[3, 0], [0, 1]]), 1);
  assertEquals(macroF1([[0, 3], [1, 0]]), 0);
  assertEquals(macroF1([[0]]), 1);
  assertEquals(macroF1([]), 1);
});
