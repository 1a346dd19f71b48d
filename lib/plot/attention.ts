/** Pictures of attention: which words each word looks at. */

import type { Figure } from "./figure.ts";
import { heatmapGrid } from "./heatmap.ts";

/** What `attentionMaps` draws. */
export interface AttentionOptions {
  title: string;
  /** The attention of one sentence, shape (H, Tq, Tk): `(await attn.array())[0]`. */
  heads: number[][][];
  /** The words that look: Tq names. */
  queries: string[];
  /** The words that are looked at: Tk names. */
  keys: string[];
  /** Whether all heads are drawn, not the first alone. */
  all?: boolean;
  /** What the first and the last colour stand for; by default the lowest and the highest attention drawn. */
  domain?: [low: number, high: number];
}

/**
 * A heat map for each head: a row for each word that looks, a column for each that is looked at.
 * Rows and columns beyond the names, such as those of padding, are left out.
 *
 * @throws {TypeError} If there are more names than rows or columns
 */
export function attentionMaps(options: AttentionOptions): Figure {
  const { title, heads, queries, keys, all = false, domain } = options;
  const maps = heads.slice(0, all ? heads.length : 1).map((head, h) => ({
    title: `Head ${h + 1}`,
    values: head.slice(0, queries.length).map((row) => row.slice(0, keys.length)),
    rows: queries,
    columns: keys,
    xLabel: "keys",
    yLabel: "queries",
  }));
  return heatmapGrid({ title, maps, domain });
}
