/** Places names beside points so that no name covers another name or a point (a greedy search, nearest place first). */

/** A point in pixels and the size of its name. */
export interface Labelled {
  x: number;
  y: number;
  width: number;
  height: number;
}

type Line = [x1: number, y1: number, x2: number, y2: number];

/** Where a name's centre goes, and the line that leads to it if it is far from its point. */
export interface Place {
  x: number;
  y: number;
  leader?: Line;
}

interface Box {
  x: number; // centre
  y: number;
  width: number;
  height: number;
}

const DIRECTIONS = 24;
const NEAR = 6; // pixels between a point and a name beside it
const CROSSING = 60; // what a line across a name costs, in pixels of distance
const ROUNDS = 4;
const FAR = 14; // from here on a line leads to the name

/**
 * @param labels points with the sizes of their names
 * @param width of the plot; all names stay inside
 * @param height of the plot
 * @param radius of the points' marks
 * @returns a place for each name in the same order, or undefined if the plot is too small for all of them
 */
export function placeLabels(
  labels: Labelled[],
  width: number,
  height: number,
  radius = 5,
): Place[] | undefined {
  const points: Box[] = labels.map(({ x, y }) => (
    { x, y, width: 2 * radius, height: 2 * radius }
  ));
  const names: Box[] = []; // where each name is so far
  const places: Place[] = [];
  // The most crowded points are the last to choose: they need lines in any case.
  const crowding = labels.map((label) => push(label, labels));
  const order = labels.map((_, i) => i)
    .sort((a, b) => crowding[a].strength - crowding[b].strength || a - b);
  let moved = true;
  for (let round = 0; moved && round < ROUNDS; round++) {
    moved = false;
    for (const i of order) {
      // In later rounds each name may move, now that it knows of the others.
      const before = places[i];
      delete names[i];
      delete places[i];
      const best = search(labels[i], crowding[i].angle);
      if (!best) return undefined;
      names[i] = best.box;
      places[i] = best.place;
      moved ||= before?.x !== best.place.x || before.y !== best.place.y;
    }
  }
  return places;

  function search({ x, y, width: w, height: h }: Labelled, away: number) {
    let best: { place: Place; box: Box } | undefined;
    let lowest = Infinity;
    const named = Object.values(names), placed = Object.values(places);
    for (let gap = NEAR; gap < width + height && gap < lowest; gap += 4) {
      for (let k = 0; k < DIRECTIONS; k++) {
        const angle = 2 * Math.PI * k / DIRECTIONS;
        let cost = gap + 10 * (1 - Math.cos(angle - away));
        if (cost >= lowest) continue;
        // The centre moves along a square, so that the name's edge keeps its distance from the point.
        const dx = clamp(Math.SQRT2 * Math.cos(angle), -1, 1) * (w / 2 + gap);
        const dy = clamp(Math.SQRT2 * Math.sin(angle), -1, 1) * (h / 2 + gap);
        const box = { x: x + dx, y: y + dy, width: w, height: h };
        if (!inside(box) || touches(box, points) || touches(box, named)) continue;
        const place: Place = { x: box.x, y: box.y };
        // A line behind a name can still be followed, so this costs, but is not forbidden.
        for (const { leader } of placed) if (leader && crosses(leader, box)) cost += CROSSING;
        if (gap >= FAR) {
          const end = [
            clamp(x, box.x - w / 2, box.x + w / 2),
            clamp(y, box.y - h / 2, box.y + h / 2),
          ];
          place.leader = [x, y, end[0], end[1]];
          for (const name of named) if (crosses(place.leader, name)) cost += CROSSING;
        }
        if (cost >= lowest) continue;
        lowest = cost;
        best = { place, box };
      }
    }
    return best;
  }

  function inside({ x, y, width: w, height: h }: Box) {
    return x >= w / 2 && x <= width - w / 2 && y >= h / 2 && y <= height - h / 2;
  }
}

function touches(box: Box, others: Box[]) {
  return others.some((other) =>
    2 * Math.abs(box.x - other.x) < box.width + other.width &&
    2 * Math.abs(box.y - other.y) < box.height + other.height
  );
}

/** How much a point's neighbours crowd it, and the direction away from them. */
function push(label: Labelled, all: Labelled[]) {
  let x = 1e-3, y = -1e-3, strength = 0; // alone, a name goes to the upper right
  for (const other of all) {
    if (other === label) continue;
    const dx = label.x - other.x, dy = label.y - other.y;
    const closeness = 1 / (dx * dx + dy * dy + 100);
    x += dx * closeness;
    y += dy * closeness;
    strength += closeness;
  }
  return { strength, angle: Math.atan2(y, x) };
}

/** Whether a line meets a box: whether a part of it lies between the box's sides in both directions. */
function crosses([x1, y1, x2, y2]: Line, { x, y, width, height }: Box) {
  let start = 0, end = 1; // the part in question, as shares of the line
  for (const [from, to, centre, size] of [[x1, x2, x, width], [y1, y2, y, height]]) {
    const low = centre - size / 2, high = centre + size / 2;
    if (from === to) {
      if (from <= low || from >= high) return false;
      continue;
    }
    const a = (low - from) / (to - from), b = (high - from) / (to - from);
    start = Math.max(start, Math.min(a, b));
    end = Math.min(end, Math.max(a, b));
  }
  return start < end;
}

function clamp(value: number, low: number, high: number) {
  return Math.min(high, Math.max(low, value));
}
