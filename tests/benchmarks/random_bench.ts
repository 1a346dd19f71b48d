/** How fast the generators fill arrays. Run: deno bench -A tests/random_bench.ts */

import { numpy, python, torch } from "../../lib/random.ts";

const million = 1_000_000;
const cases: Record<string, () => unknown> = {
  "torch.rand, 10 million": () => torch.rand(10 * million),
  "torch.normal, 10 million": () => torch.normal(10 * million, 0, 0.02),
  "torch.dropoutMask, 1 million": () => torch.dropoutMask(million, 0.1),
  "torch.randperm, 1 million": () => torch.randperm(million),
  "torch.randint, 1 million": () => torch.randint(million, 0, 100),
  "torch.multinomial, 1 of 50257": () => torch.multinomial(weights, 1),
  "numpy.randomSample, 1 million": () => numpy.randomSample(million),
  "numpy.randn, 1 million": () => numpy.randn(million),
  "numpy.permutation, 100,000": () => numpy.permutation(100_000),
  "python.random, 1 million": () => {
    for (let i = 0; i < million; i++) python.random();
  },
};
const weights = torch.rand(50257);

for (const [name, fn] of Object.entries(cases)) {
  Deno.bench(name, { n: 10, warmup: 3 }, () => void fn());
}
