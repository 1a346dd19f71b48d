import type { Tensor } from "lib/tensor.ts";
import type * as nn from "lib/nn.ts";
import { body, exercise } from "../framework/exercise.ts";
import { random, tensor } from "../framework/tools.ts";

export default exercise({
  level: 2,
  title: { en: "the norm in front of the layer", es: "la normalización antes de la capa" },
  task: {
    en: `
      The paper normalises after the residual sum (post-LN); GPT-2 and nearly all later models normalise what goes
      into the layer (pre-LN): x + layer(norm(x)). Change PoswiseFeedForwardNet.forward to pre-LN. Then do the same in
      MultiHeadAttention, and compare how the loss falls.`,
    es: `
      El artículo normaliza tras la suma residual (post-LN); GPT-2 y casi todos los modelos posteriores normalizan lo
      que entra en la capa (pre-LN): x + layer(norm(x)). Cambia PoswiseFeedForwardNet.forward a pre-LN. Después haz lo
      mismo en MultiHeadAttention y compara cómo baja la pérdida.`,
  },
  hints: [
    {
      en: "The residual path carries x itself, untouched; where does the norm go then?",
      es: "El camino residual lleva la propia x, intacta; ¿dónde va entonces la normalización?",
    },
    {
      en: "Feed this.layer_norm.forward(x) into conv1, and add the old x at the end.",
      es: "Pasa this.layer_norm.forward(x) a conv1 y suma al final la x original.",
    },
  ],
  look: "PoswiseFeedForwardNet.forward()",
  start: [body("PoswiseFeedForwardNet.forward", undefined, { keep: true })],
  solution: `
    const normed = this.layer_norm.forward(x); // (B, T, C)
    const hidden = F.relu(this.conv1.forward(normed.transpose([0, 2, 1]))); // (B, d_ff, T)
    return this.conv2.forward(hidden).transpose([0, 2, 1]).add(x); // (B, T, C)`,
  others: [`
    const { weight, bias } = this.layer_norm;
    const centred = x.sub(x.mean(2, true));
    const normed = centred.div(centred.square().mean(2, true).add(1e-5).sqrt()).mul(weight).add(bias!);
    const linear = (x: Tensor, { weight, bias }: nn.Conv1d) => F.linear(x, weight.squeeze([2]), bias);
    return x.add(linear(linear(normed, this.conv1).relu(), this.conv2));`],
  diagnoses: {
    post: {
      means: {
        en: "this is still post-LN: the sum is normalised",
        es: "esto sigue siendo post-LN: se normaliza la suma",
      },
      wrong: [`
        const hidden = F.relu(this.conv1.forward(x.transpose([0, 2, 1])));
        return this.layer_norm.forward(this.conv2.forward(hidden).transpose([0, 2, 1]).add(x));`],
    },
    normedResidual: {
      means: {
        en: "the residual path carries the normalised x: add the x that came in",
        es: "el camino residual lleva la x normalizada: suma la x que ha entrado",
      },
      wrong: [`
        const normed = this.layer_norm.forward(x);
        const hidden = F.relu(this.conv1.forward(normed.transpose([0, 2, 1])));
        return this.conv2.forward(hidden).transpose([0, 2, 1]).add(normed);`],
    },
    noResidual: {
      means: {
        en: "the residual is missing: x itself is to be added to what the layer gives",
        es: "falta el camino residual: a lo que da la capa hay que sumarle la propia x",
      },
      wrong: [`
        const normed = this.layer_norm.forward(x);
        const hidden = F.relu(this.conv1.forward(normed.transpose([0, 2, 1])));
        return this.conv2.forward(hidden).transpose([0, 2, 1]);`],
    },
    branch: {
      means: {
        en: "the norm stands behind the layer: it belongs in front of conv1",
        es: "la normalización está detrás de la capa: va delante de conv1",
      },
      wrong: [`
        const hidden = F.relu(this.conv1.forward(x.transpose([0, 2, 1])));
        return this.layer_norm.forward(this.conv2.forward(hidden).transpose([0, 2, 1])).add(x);`],
    },
  },
  async check(t) {
    type Net = nn.Module & {
      conv1: nn.Conv1d;
      conv2: nn.Conv1d;
      layer_norm: nn.LayerNorm;
      forward(x: Tensor): Tensor;
    };
    type Sizes = { d_model: number; d_ff: number };
    const { PoswiseFeedForwardNet } = t.exports<
      { PoswiseFeedForwardNet: new (sizes: Sizes) => Net }
    >(
      "PoswiseFeedForwardNet",
    );
    const [T, C, d_ff] = [3, 4, 6];
    const x: number[][] = random(41, T, C);
    const [w1, w2]: number[][][] = [random(42, d_ff, C), random(43, C, d_ff)];
    const [b1, b2, g, b]: number[][] = [
      random(44, d_ff),
      random(45, C),
      random(46, C),
      random(47, C),
    ];
    const net = await t.run(
      "new PoswiseFeedForwardNet()",
      () => new PoswiseFeedForwardNet({ d_model: C, d_ff }),
    );
    net.conv1.weight.assign(tensor(w1).expandDims(2));
    net.conv2.weight.assign(tensor(w2).expandDims(2));
    net.conv1.bias!.assign(tensor(b1));
    net.conv2.bias!.assign(tensor(b2));
    net.layer_norm.weight.assign(tensor(g));
    net.layer_norm.bias!.assign(tensor(b));
    const affine = (x: number[], w: number[][], b: number[]) =>
      w.map((row, k) => row.reduce((sum, value, j) => sum + value * x[j], b[k]));
    const layer = (x: number[]) => affine(affine(x, w1, b1).map((z) => Math.max(0, z)), w2, b2);
    const norm = (x: number[]) => {
      const mean = x.reduce((a, b) => a + b) / C;
      const variance = x.reduce((sum, value) => sum + (value - mean) ** 2, 0) / C;
      return x.map((value, j) => (value - mean) / Math.sqrt(variance + 1e-5) * g[j] + b[j]);
    };
    const add = (x: number[], y: number[]) => x.map((value, j) => value + y[j]);
    await t.equal({
      what: "forward(x)",
      got: () => net.forward(tensor([x])),
      want: [x.map((x) => add(x, layer(norm(x))))],
      input: "seeds 41 to 47, x (1, 3, 4), d_ff 6",
      suspects: {
        post: [x.map((x) => norm(add(x, layer(x))))],
        normedResidual: [x.map((x) => add(norm(x), layer(norm(x))))],
        noResidual: [x.map((x) => layer(norm(x)))],
        branch: [x.map((x) => add(x, norm(layer(x))))],
      },
    });
  },
});
