import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
  fail,
} from "@std/assert";
import { initWasm, Resvg } from "@resvg/resvg-wasm";
import { decode } from "fast-png";
import {
  confusionMatrix,
  type Figure,
  heatmap,
  heatmapGrid,
  imageGrid,
  lines,
  type Point,
  scatter,
} from "lib/plot/mod.ts";
import { Font } from "../../../lib/plot/font.ts";

// ---- reading an SVG

/** The group of the marks of one layer; layers are counted from 0 in drawing order. */
function layer(svg: string, kind: string, index: number | string): string {
  const start = svg.indexOf(`mark-${kind} role-mark layer_${index}_`);
  if (start < 0) return "";
  return svg.slice(start, svg.indexOf("</g>", start));
}

/** How many elements of a kind a text holds. */
function count(text: string, element: string): number {
  return text.split(`<${element} `).length - 1;
}

/** Positions and contents of the texts. */
function texts(svg: string): { x: number; y: number; text: string }[] {
  const found = svg.matchAll(
    /<text [^>]*transform="translate\(([-\d.e]+),([-\d.e]+)\)[^>]*>([^<]*)<\/text>/g,
  );
  return [...found].map(([, x, y, text]) => ({ x: Number(x), y: Number(y), text }));
}

function contents(svg: string): string[] {
  return texts(svg).map(({ text }) => text);
}

/** The pictures inside an SVG. */
function images(svg: string) {
  return [...svg.matchAll(/data:image\/png;base64,([^"]*)"/g)]
    .map(([, base64]) => decode(Uint8Array.fromBase64(base64)));
}

function fills(group: string): string[] {
  return [...group.matchAll(/fill="([^"]*)"/g)].map(([, color]) => color);
}

function size(svg: string) {
  const [, width, height] = svg.match(/^<svg [^>]*width="([\d.]+)" height="([\d.]+)"/)!;
  return { width: Number(width), height: Number(height) };
}

/** Numbers from 0 to 1 that are the same in each run. */
function noise(seed: number) {
  return () => (seed = (seed * 1103515245 + 12345) % 2147483648) / 2147483648;
}

/** Runs `body` and demands that nothing is written to the console: the drawing library warns there. */
async function silently<T>(body: () => Promise<T>): Promise<T> {
  const { warn, error } = console;
  const written: unknown[][] = [];
  console.warn = console.error = (...args) => written.push(args);
  try {
    return await body();
  } finally {
    console.warn = warn;
    console.error = error;
    assertEquals(written, []);
  }
}

const svgOf = (figure: Figure) => silently(() => figure.svg());

// ---- the figure

Deno.test("save() writes an SVG and a PNG of twice its size in which the texts can be seen", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const figure = lines({ series: { loss: [3, 2, 1] }, title: "Títle" });
    await figure.save(`${folder}/loss`);
    assertEquals([...Deno.readDirSync(folder)].map(({ name }) => name).sort(), [
      "loss.png",
      "loss.svg",
    ]);
    const svg = await Deno.readTextFile(`${folder}/loss.svg`);
    assertEquals(svg, await figure.svg());
    const png = await Deno.readFile(`${folder}/loss.png`);
    assertEquals(png.slice(0, 8), new Uint8Array([137, 80, 78, 71, 13, 10, 26, 10]));
    const { width, height, data, channels } = decode(png);
    assertEquals({ width, height }, { width: 2 * size(svg).width, height: 2 * size(svg).height });
    // The title is the only thing in the uppermost 60 rows.
    let dark = 0;
    for (let i = 0; i < 60 * width; i++) dark += data[i * channels] < 100 ? 1 : 0;
    assert(dark > 300, `${dark} dark pixels where the title should be`);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("save() into a missing folder fails and names the file", async () => {
  const figure = lines({ series: { loss: [1] } });
  await assertRejects(() => figure.save("/nonexistent-folder/loss"), Error, "/nonexistent-folder");
});

Deno.test("the same data give the same SVG and PNG, also if other figures are drawn in between", async () => {
  const one = () => scatter({ points: [{ x: 1, y: 2 }], field: { probability: (x) => x / 3 } });
  const other = () => heatmap({ values: [[1, 2], [3, 4]] });
  const first = await one().svg();
  const [a, b, c] = await Promise.all([one().svg(), other().svg(), one().svg()]);
  assertEquals(a, first);
  assertEquals(c, first);
  assertEquals(await other().png(), await other().png());
  const ids = (svg: string) => [...svg.matchAll(/ id="([^"]*)"/g)].map(([, id]) => id);
  assert(ids(a).length > 0 && ids(b).length > 0);
  assertEquals(ids(a).filter((id) => ids(b).includes(id)), []); // two figures may share a page
  for (const [, id] of a.matchAll(/url\(#([^)]*)\)/g)) assert(ids(a).includes(id), id);
});

Deno.test("a figure shows itself in a notebook", async () => {
  const figure = lines({ series: { loss: [1, 2] } });
  const display = (figure as unknown as Record<symbol, () => Promise<unknown>>)[
    Symbol.for("Jupyter.display")
  ];
  assertEquals(await display.call(figure), { "image/svg+xml": await figure.svg() });
});

/** The rasteriser, in this thread. */
let started: Promise<unknown> | undefined;
async function rasteriser() {
  const wasm = new URL(import.meta.resolve("@resvg/resvg-wasm/index_bg.wasm"));
  await (started ??= Deno.readFile(wasm).then(initWasm));
}

Deno.test("png() paints pictures as the rasteriser draws them", async () => {
  await rasteriser();
  const pixels = Float32Array.from({ length: 35 }, (_, i) => i % 11 / 10);
  const images = [{ pixels }, { pixels: pixels.toReversed(), wrong: true }];
  const figures = [
    imageGrid({ images, width: 7, height: 5 }),
    scatter({ points: [{ x: 1, y: 2 }], field: { probability: (x) => x - 0.5 } }),
  ];
  for (const figure of figures) {
    // Of two words for sharp pixels the rasteriser knows the first alone.
    const svg = (await figure.svg()).replaceAll(" image-rendering: pixelated;", "");
    const image = new Resvg(svg, { fitTo: { mode: "zoom", value: 2 } }).render();
    const expected = image.pixels; // a copy each time
    const { data, channels, width, height } = decode(await figure.png());
    assertEquals([width, height, channels], [image.width, image.height, 3]);
    // It has no font here: the middle of the figure is compared, where there are no texts.
    for (let y = height >> 2; y < height >> 1; y++) {
      for (let x = width >> 2; x < width >> 1; x++) {
        for (let c = 0; c < 3; c++) {
          const ours = data[3 * (y * width + x) + c], its = expected[4 * (y * width + x) + c];
          if (Math.abs(ours - its) > 2) fail(`${ours}, not ${its}, at ${x}, ${y}`);
        }
      }
    }
  }
});

Deno.test("Font.width() agrees with the rasteriser", async () => {
  await rasteriser();
  const url = import.meta.resolve("dejavu-fonts-ttf/ttf/DejaVuSans.ttf");
  const bytes = await Deno.readFile(new URL(url));
  const font = new Font(bytes);
  for (const text of ["wiiide MMMM", "señal, cigüeña", "αβγ 123", "HamburgefonstivHH"]) {
    // Between two bars, so that the margins of the outer letters do not count.
    const width = (inner: string) =>
      new Resvg(
        `<svg xmlns="http://www.w3.org/2000/svg" width="900" height="50"><text x="5" y="30" font-family="DejaVu Sans" font-size="20">${inner}</text></svg>`,
        { font: { fontBuffers: [bytes] } },
      ).getBBox()!.width;
    const expected = width(`|${text}|`) - width("||");
    const received = font.width(text, 20);
    assert(Math.abs(received - expected) < 0.02 * expected, `${text}: ${received}, ${expected}`);
  }
});

// ---- scatter

const blobs: Point[] = Array.from({ length: 30 }, (_, i) => ({
  x: i % 7,
  y: i % 5,
  series: `class ${i % 2}`,
  shape: i % 3 === 0 ? "test" : "train",
}));

Deno.test("scatter() draws a mark per point and a legend for classes, shapes and boundary", async () => {
  const svg = await svgOf(scatter({
    points: blobs,
    title: "Title",
    xLabel: "x₁",
    yLabel: "x₂",
    boundary: { weights: [1, 1], bias: -5 },
  }));
  assertEquals(count(layer(svg, "symbol", 0), "path"), 30);
  assertEquals(new Set(fills(layer(svg, "symbol", 0))), new Set(["#0072b2", "#d55e00"]));
  for (
    const text of ["Title", "x₁", "x₂", "class 0", "class 1", "train", "test", "decision boundary"]
  ) {
    assert(contents(svg).includes(text), text);
  }
  // Train points are the more frequent ones, and therefore circles.
  const shapes = new Set([...layer(svg, "symbol", 0).matchAll(/ d="([^"]*)"/g)].map(([, d]) => d));
  assertEquals(shapes.size, 2);
});

Deno.test("scatter() cuts the boundary at the edges: sloped, vertical, horizontal, outside", async () => {
  const points = [{ x: 0, y: 0 }, { x: 10, y: 10 }]; // axes from -0.6 to 10.6
  const draw = (weights: number[], bias: number) =>
    svgOf(scatter({ points, width: 112, height: 112, boundary: { weights, bias } }));
  const ends = (svg: string) => {
    const [, x, y, x2, y2] = layer(svg, "rule", 1).match(
      /<line aria-hidden="true" transform="translate\(([-\d.]+),([-\d.]+)\)" x2="([-\d.]+)" y2="([-\d.]+)"/,
    )!.map(Number);
    return [[x, y], [x + x2, y + y2]].sort((a, b) => a[0] - b[0] || a[1] - b[1])
      .map((end) => end.map(Math.round));
  };
  assertEquals(ends(await draw([1, -1], 0)), [[0, 112], [112, 0]]);
  assertEquals(ends(await draw([1, 0], -5)), [[56, 0], [56, 112]]);
  assertEquals(ends(await draw([0, -2], 4)), [[0, 86], [112, 86]]);
  for (const [weights, bias] of [[[1, 0], -50], [[0, 0], 1], [[NaN, 1], 0]] as const) {
    const svg = await draw([...weights], bias);
    assertEquals(count(layer(svg, "rule", 1), "line"), 0);
    assert(contents(svg).some((text) => text.includes("outside the picture")));
  }
});

Deno.test("scatter() paints the field from the first to the second class's colour", async () => {
  const svg = await svgOf(scatter({
    points: [{ x: 0, y: 0, series: "a" }, { x: 1, y: 1, series: "b" }],
    field: { probability: (x) => x < 0.4 ? 0 : x > 0.6 ? 1 : NaN, name: "p(b)" },
  }));
  const [{ width, height, data, channels }] = images(svg);
  const pixel = (x: number, y: number) => {
    const at = (Math.floor(y * height) * width + Math.floor(x * width)) * channels;
    return [...data.slice(at, at + 3)];
  };
  const [r, , b] = pixel(0.05, 0.5);
  assert(b > r, "blue where the probability is 0");
  const [r2, , b2] = pixel(0.95, 0.1);
  assert(r2 > b2, "red where the probability is 1");
  assertEquals(pixel(0.5, 0.5), [0xc8, 0xc8, 0xc8]);
  assert(contents(svg).includes("p(b)"));
});

Deno.test("scatter() places names so that none covers another or leaves the plot", async () => {
  const random = noise(5);
  const words = "rey reina hombre mujer manzana plátano pera perro gato árbol cigüeña niño".split(
    " ",
  );
  const sets: Record<string, Point[]> = {};
  for (const n of [1, 8, 24, 60]) {
    sets[`${n} spread`] = Array.from({ length: n }, (_, i) => (
      { x: random(), y: random(), label: words[i % words.length] + i }
    ));
  }
  sets["24 in tight groups"] = Array.from({ length: 24 }, (_, i) => (
    { x: (i % 6) + 0.01 * random(), y: (i % 3) + 0.01 * random(), label: `word${i}` }
  ));
  sets["30 on one spot"] = Array.from(
    { length: 30 },
    (_, i) => ({ x: 1, y: 1, label: `word${i}` }),
  );
  const url = import.meta.resolve("dejavu-fonts-ttf/ttf/DejaVuSans.ttf");
  const font = new Font(await Deno.readFile(new URL(url)));
  for (const [name, points] of Object.entries(sets)) {
    const svg = await svgOf(scatter({ points }));
    const labels = new Set(points.map(({ label }) => label));
    const boxes = texts(svg).filter(({ text }) => labels.has(text))
      .map(({ x, y, text }) => ({ x, y, text, half: font.width(text, 12) / 2 }));
    assertEquals(boxes.length, points.length, name);
    const { width, height } = size(svg);
    boxes.forEach((a, i) => {
      assert(a.x - a.half >= 0 && a.x + a.half <= width && a.y >= 0 && a.y <= height, a.text);
      for (const b of boxes.slice(i + 1)) {
        const apart = Math.abs(a.x - b.x) >= a.half + b.half || Math.abs(a.y - b.y) >= 12;
        assert(apart, `${name}: ${a.text} and ${b.text} overlap`);
      }
    });
  }
});

Deno.test("scatter() leaves out what is not finite, says so, and survives odd data", async () => {
  const svg = await svgOf(scatter({
    points: [{ x: NaN, y: 1 }, { x: 1, y: Infinity }, { x: 1, y: 1, label: "<i>&amp;\"'ñ" }],
  }));
  assertEquals(count(layer(svg, "symbol", 0), "path"), 1);
  assertStringIncludes(svg, "2 of 3 points left out");
  assertStringIncludes(svg, "&lt;i&gt;&amp;amp;");
  for (const points of [[], [{ x: NaN, y: 0 }]]) {
    assert(contents(await svgOf(scatter({ points }))).includes("no finite values"));
  }
  const long = await svgOf(scatter({ points: [{ x: 0, y: 0, label: "long ".repeat(60) }] }));
  assert(contents(long).some((text) => text.startsWith("long long") && text.endsWith("…")));
  // deno-lint-ignore no-explicit-any
  assertThrows(() => scatter({ points: 3 as any }), TypeError, "'points'");
  const boundary = { weights: [1, 2, 3], bias: 0 };
  assertThrows(() => scatter({ points: [], boundary }), TypeError, "received 3");
});

// ---- lines

Deno.test("lines() draws a path per curve, and a legend if there is more than one", async () => {
  const one = await svgOf(lines({ series: { train: [3, 2, 1] }, xLabel: "step", yLabel: "loss" }));
  assertEquals(count(layer(one, "symbol", 1), "path"), 3); // few values have markers
  assert(!contents(one).includes("train"));
  const series = {
    train: new Float32Array(100).map((_, i) => 1 / (1 + i)),
    valid: { x: [0, 50, 99], y: [1, 0.5, 0.2] },
  };
  const two = await svgOf(lines({ series }));
  assert(contents(two).includes("train") && contents(two).includes("valid"));
  assertEquals(new Set([...two.matchAll(/stroke="(#0072b2|#d55e00)"/g)].map(([, c]) => c)).size, 2);
  assertEquals(layer(two, "symbol", 1), ""); // and many values have not
  const twelve = Object.fromEntries(Array.from({ length: 12 }, (_, i) => [`dim = ${i}`, [i, 1]]));
  const many = await svgOf(lines({ series: twelve, markers: false }));
  assertEquals(contents(many).filter((text) => text.startsWith("dim = ")).length, 12);
});

Deno.test("lines() breaks a curve where a value is not finite and marks a value that stands alone", async () => {
  const y = Array.from({ length: 40 }, (_, i) => i);
  y[10] = NaN;
  y[12] = Infinity; // the value at 11 stands alone
  const svg = await svgOf(lines({ series: { loss: y } }));
  const [, path] = svg.match(/ d="(M[^"]*)" stroke="#0072b2"/)!;
  assertEquals(path.split("M").length - 1, 3);
  assertEquals(count(layer(svg, "symbol", 1), "path"), 1);
  assertStringIncludes(svg, "loss: 2 of 40 values left out: not finite");
});

Deno.test("lines() with logarithmic axes has ticks at round values and leaves out zeros", async () => {
  const svg = await svgOf(lines({
    series: { loss: { x: [1, 100, 1e4, 1e6], y: [5, 0.3, 0, 1] } },
    xLog: true,
    yLog: true,
  }));
  for (const tick of ["10²", "10⁶", "0.5", "1", "2", "5"]) {
    assert(contents(svg).includes(tick), tick);
  }
  assertStringIncludes(svg, "1 of 4 values left out: not finite or not positive");
  await svgOf(lines({ series: { flat: [2, 2, 2] }, yLog: true }));
  await svgOf(lines({ series: { narrow: [1.51, 1.52] }, yLog: true }));
});

Deno.test("lines() keeps the extremes of a curve of many thousands of values", async () => {
  const y = new Float32Array(200_000).fill(1);
  y[123_457] = 9;
  y[33_333] = -5;
  const svg = await svgOf(lines({ series: { loss: y }, height: 340 }));
  assert(svg.length < 200_000, `${svg.length} characters`);
  const [, path] = svg.match(/ d="(M[^"]*)" stroke="#0072b2"/)!;
  const heights = [...path.matchAll(/[ML][-\d.]+,([-\d.]+)/g)].map(([, height]) => Number(height));
  assert(Math.abs(Math.min(...heights) - 340 * 0.06 / 1.12) < 1);
  assert(Math.abs(Math.max(...heights) - 340 * 1.06 / 1.12) < 1);
});

Deno.test("lines() survives odd data and refuses what it cannot draw", async () => {
  for (const values of [[], [NaN, NaN]]) {
    const svg = await svgOf(lines({ series: { loss: values } }));
    assert(contents(svg).includes("no finite values"));
  }
  const one = await svgOf(lines({ series: { loss: [0.25] }, title: "A long title ".repeat(12) }));
  assertEquals(count(layer(one, "symbol", 1), "path"), 1);
  await svgOf(lines({ series: { "a <b> & 'c' [d].e ñ": [1, 1, 1], "__proto": [1e300, -1e300] } }));
  assertThrows(() => lines({ series: {} }), RangeError, "no curve");
  const uneven = { loss: { x: [1, 2], y: [1] } };
  assertThrows(() => lines({ series: uneven }), TypeError, "2 x values and 1 y values");
});

// ---- heat maps

const words = ["el", "niño", "<b>", 'a"\\\u2028', "el"]; // a name may repeat

Deno.test("heatmap() draws a coloured cell, its number and its names", async () => {
  const values = [[0, 0.25, 0.5, 0.75, 1], [1, 0.5, 0.123, NaN, -0.0]];
  const svg = await svgOf(heatmap({
    values,
    rows: ["uno", "dos"],
    columns: words,
    title: "Attention",
    colorLabel: "weight",
    xLabel: "key",
  }));
  const colors = fills(layer(svg, "rect", 0));
  assertEquals(colors.length, 10);
  assertEquals(colors[0], "#f7fbff");
  assertEquals(colors[4], "#08306b");
  assertEquals(colors[8], "#c8c8c8");
  const numbers = contents(layer(svg, "text", 1));
  assertEquals(numbers, [
    "0.00",
    "0.25",
    "0.50",
    "0.75",
    "1.00",
    "1.00",
    "0.50",
    "0.12",
    "NaN",
    "0.00",
  ]);
  assertEquals(fills(layer(svg, "text", 1)).filter((ink) => ink === "white").length, 3);
  const all = contents(svg);
  assertEquals(all.filter((text) => text === "el").length, 2);
  for (const text of ["uno", "dos", "niño", "&lt;b&gt;", "Attention", "weight", "key"]) {
    assert(all.includes(text), text);
  }
});

Deno.test("heatmap() chooses a diverging scale around 0 if both signs occur", async () => {
  const svg = await svgOf(heatmap({ values: [[-1, 0, 2], [-2, 1, -0.001]] }));
  const colors = fills(layer(svg, "rect", 0));
  assertEquals([colors[1], colors[2], colors[3]], ["#f7f7f7", "#8a0b25", "#14497f"]);
  assert(contents(svg).includes("−2.00") && contents(svg).includes("0.00")); // no -0.00
  const fixed = await svgOf(heatmap({ values: [[0, 5]], domain: [0, 10], scheme: "diverging" }));
  assertEquals(fills(layer(fixed, "rect", 0)), ["#14497f", "#f7f7f7"]);
});

Deno.test("heatmap() of a large matrix is one image, a pixel a value", async () => {
  const values = Array.from(
    { length: 128 },
    (_, r) =>
      Float32Array.from({ length: 512 }, (_, c) => r === 127 && c === 0 ? 1 : c === 511 ? 0 : 0.5),
  );
  const svg = await svgOf(heatmap({ values, xLabel: "dimension", yLabel: "position" }));
  const [{ width, height, data }] = images(svg);
  assertEquals([width, height], [512, 128]);
  assertEquals([...data.slice(511 * 3, 512 * 3)], [0xf7, 0xfb, 0xff]);
  assertEquals([...data.slice(127 * 512 * 3, 127 * 512 * 3 + 3)], [0x08, 0x30, 0x6b]);
  assert(contents(svg).includes("500") && contents(svg).includes("120"));
  // The rasteriser keeps the edges of the pixels sharp: no colour but those of the scale inside.
  const png = decode(await heatmap({ values: [new Float32Array(100).map((_, i) => i % 2)] }).png());
  const row = Math.floor(png.height / 4);
  const line = new Set(
    Array.from({ length: 300 }, (_, i) => png.data[(row * png.width + 200 + i) * png.channels]),
  );
  assertEquals(line, new Set([0xf7, 0x08]));
});

Deno.test("heatmap() accepts odd matrices and refuses unusable ones", async () => {
  for (
    const values of [[[0.25]], [[NaN]], [[-Infinity, Infinity]], [[0, 0], [0, 0]], [[1e-9, 3e7]]]
  ) {
    await svgOf(heatmap({ values }));
  }
  assertThrows(() => heatmap({ values: [] }), RangeError, "empty");
  assertThrows(() => heatmap({ values: [[]] }), RangeError, "empty");
  assertThrows(
    () => heatmap({ values: [[1, 2], [3]] }),
    TypeError,
    "row 1 has 1 values, row 0 has 2",
  );
  assertThrows(() => heatmap({ values: [[1]], rows: ["a", "b"] }), TypeError, "2 names for 1 rows");
  assertThrows(() => heatmap({ values: [[1]], domain: [1, 1] }), RangeError, "1, 1");
});

Deno.test("heatmapGrid() draws each head with its title and one colour bar", async () => {
  const maps = Array.from({ length: 6 }, (_, h) => (
    {
      title: `head ${h}`,
      values: [[h / 6, 1], [0, 0.5]],
      rows: ["el", "niño"],
      columns: ["el", "niño"],
    }
  ));
  const svg = await svgOf(
    heatmapGrid({ maps, title: "Heads", colorLabel: "attention", across: 3 }),
  );
  const all = contents(svg);
  for (let h = 0; h < 6; h++) assert(all.includes(`head ${h}`));
  assertEquals(all.filter((text) => text === "attention").length, 1);
  // Columns are named at each map, rows at the first of each line.
  assertEquals(all.filter((text) => text === "niño").length, 6 + 2);
  const cells = svg.split("mark-rect role-mark concat_").slice(1)
    .flatMap((part) => fills(part.slice(0, part.indexOf("</g>")))).filter((fill) =>
      fill !== "none"
    );
  assertEquals(cells.length, 24);
  assertThrows(() => heatmapGrid({ maps: [] }), RangeError, "empty");
  assertThrows(() => heatmapGrid({ maps, across: 0 }), RangeError, "'across'");
});

Deno.test("confusionMatrix() shows counts and colours each row by its share", async () => {
  const svg = await svgOf(confusionMatrix({ counts: [[1000, 0], [1, 1]], labels: ["O", "PER"] }));
  assertEquals(contents(layer(svg, "text", 1)), ["1,000", "0", "1", "1"]);
  const colors = fills(layer(svg, "rect", 0));
  assertEquals([colors[0], colors[1]], ["#08306b", "#f7fbff"]);
  assertEquals(colors[2], colors[3]);
  assert(contents(svg).includes("predicted") && contents(svg).includes("true"));
  await svgOf(confusionMatrix({ counts: [[0]], labels: ["never seen"] }));
  assertThrows(() => confusionMatrix({ counts: [[-1]], labels: ["a"] }), RangeError, "negative");
});

// ---- images

Deno.test("imageGrid() embeds each image and marks the wrong ones", async () => {
  const random = noise(3);
  const grid = Array.from({ length: 5 }, (_, i) => (
    {
      pixels: Float32Array.from({ length: 35 }, random),
      title: `${i}, p=0.${i}0 [ñ]`,
      wrong: i === 2,
    }
  ));
  const svg = await svgOf(imageGrid({ images: grid, height: 7, width: 5, title: "Digits" }));
  const found = images(svg);
  assertEquals(found.length, 5);
  found.forEach(({ width, height, data, channels }, i) => {
    assertEquals([width, height, channels], [5, 7, 1]);
    assertEquals([...data], [...grid[i].pixels].map((value) => Math.round(255 * value)));
  });
  for (const { title } of grid) assert(contents(svg).includes(title));
  assertEquals(svg.split('stroke="#c1272d"').length - 1, 1);
});

Deno.test("imageGrid() cuts values to 0..1 and refuses what is not an image", async () => {
  const [{ data }] = images(
    await svgOf(imageGrid({
      images: [{ pixels: [-3, 0.5, 7, 1], title: "long ".repeat(50) }],
      height: 2,
      width: 2,
    })),
  );
  assertEquals([...data], [0, 128, 255, 255]);
  const image = { pixels: [0, 1] };
  assertThrows(() => imageGrid({ images: [], height: 1, width: 2 }), RangeError, "empty");
  assertThrows(
    () => imageGrid({ images: [image], height: 2, width: 2 }),
    TypeError,
    "2 pixels, not 2 x 2",
  );
  assertThrows(() => imageGrid({ images: [image], height: 0, width: 2 }), RangeError, "'height'");
  const broken = { pixels: [0, NaN] };
  assertThrows(
    () => imageGrid({ images: [broken], height: 1, width: 2 }),
    RangeError,
    "pixel 1 is NaN",
  );
});
