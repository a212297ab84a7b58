import { ChangeSet } from "@codemirror/state";
import { type Replacement, replacement } from "./replacement.ts";

/** Where more lines differ than that, finding the smallest difference would take too long; then it is one replacement. */
const MAX_EDITS = 500;

/** A change that leads from one text to another: by lines, and within them without what both begin and end with. */
export function difference(from: string, to: string): ChangeSet {
  const [a, b] = [linesOf(from), linesOf(to)];
  const specs: Replacement[] = [];
  let [line, other, position] = [0, 0, 0];
  for (const [x, y] of [...commonLines(a, b), [a.length, b.length] as const]) {
    const before = a.slice(line, x).join("");
    const after = b.slice(other, y).join("");
    if (before !== after) specs.push(replacement(before, after, position));
    position += before.length + (a[x]?.length ?? 0);
    [line, other] = [x + 1, y + 1];
  }
  return ChangeSet.of(specs, from.length, "\n");
}

/** Lines with the breaks that end them. */
function linesOf(text: string): string[] {
  return text.match(/[^\n]*\n|[^\n]+$/g) ?? [];
}

/** The lines of a longest common subsequence, as pairs of places (Myers, "An O(ND) difference algorithm"). */
function commonLines(a: readonly string[], b: readonly string[]): [number, number][] {
  const pairs: [number, number][] = [];
  let start = 0;
  while (start < a.length && start < b.length && a[start] === b[start]) pairs.push([start, start++]);
  let [endA, endB] = [a.length, b.length];
  const tail: [number, number][] = [];
  while (endA > start && endB > start && a[endA - 1] === b[endB - 1]) tail.unshift([--endA, --endB]);
  pairs.push(
    ...between(a.slice(start, endA), b.slice(start, endB)).map(([x, y]): [number, number] => [x + start, y + start]),
  );
  return pairs.concat(tail);
}

function between(a: readonly string[], b: readonly string[]): [number, number][] {
  const reached = new Map<number, number>([[1, 0]]);
  const trace: Map<number, number>[] = [];
  for (let edits = 0; edits <= MAX_EDITS; edits++) {
    trace.push(new Map(reached));
    for (let k = -edits; k <= edits; k += 2) {
      let x = isDown(reached, k, edits) ? reached.get(k + 1)! : reached.get(k - 1)! + 1;
      while (x < a.length && x - k < b.length && a[x] === b[x - k]) x++;
      reached.set(k, x);
      if (x >= a.length && x - k >= b.length) return walkBack(trace, a.length, b.length);
    }
  }
  return [];
}

function walkBack(trace: readonly Map<number, number>[], lengthA: number, lengthB: number): [number, number][] {
  const pairs: [number, number][] = [];
  let [x, y] = [lengthA, lengthB];
  for (let edits = trace.length - 1; edits >= 0; edits--) {
    const reached = trace[edits]!;
    const k = x - y;
    const from = isDown(reached, k, edits) ? k + 1 : k - 1;
    const startX = edits === 0 ? 0 : reached.get(from)!;
    const startY = edits === 0 ? 0 : startX - from;
    while (x > startX && y > startY) pairs.unshift([--x, --y]);
    [x, y] = [startX, startY];
  }
  return pairs;
}

/** Whether the furthest way to a diagonal comes by an insertion. */
function isDown(reached: ReadonlyMap<number, number>, k: number, edits: number): boolean {
  return k === -edits || (k !== edits && reached.get(k - 1)! < reached.get(k + 1)!);
}
