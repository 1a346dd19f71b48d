/** Small models for checks. */
import type { GPT } from "scripts/gpt.ts";
import { random, tensor } from "./tools.ts";

/** A GPT with 7 tokens and a block of 16, in evaluation mode; its weights are large enough to tell inputs apart. */
export function tinyGPT(Model: typeof GPT): GPT {
  const model = new Model({
    n_layer: 2,
    n_head: 2,
    n_embd: 4,
    vocab_size: 7,
    block_size: 16,
    embd_pdrop: 0,
    resid_pdrop: 0,
    attn_pdrop: 0,
  });
  for (const [i, p] of model.parameters().entries()) p.assign(tensor(random(i + 1, ...p.shape)));
  return model.eval();
}

/** Notes how many tokens go into a GPT at each forward pass. */
export function countTokens(model: GPT): number[] {
  const passes: number[] = [];
  const { wte } = model.transformer;
  const forward = wte.forward.bind(wte);
  wte.forward = (ids) => {
    passes.push(ids.size);
    return forward(ids);
  };
  return passes;
}
