import { ChangeSet } from "@codemirror/state";

/** A change of a document as it goes over the wire: the JSON of a CodeMirror `ChangeSet`. */
export type ChangeJson = readonly (number | readonly [number, ...string[]])[];

/**
 * Reads a change for a document of `length` UTF-16 units. Null for what is no such change: parts that are neither kept lengths nor
 * `[deleted, ...insertedLines]`, lengths that are not whole and non-negative or do not sum up to `length`, lines that hold a
 * line break. What it gives can be applied to any text of that length.
 */
export function readChange(json: unknown, length: number): ChangeSet | null {
  if (!Array.isArray(json)) return null;
  let sum = 0;
  let isPlain = true;
  let before: unknown;
  for (const part of json) {
    const [size, ...lines] = Array.isArray(part) ? (part as unknown[]) : [part];
    if (!Number.isSafeInteger(size) || (size as number) < 0) return null;
    if (!lines.every((line) => typeof line === "string" && !/[\r\n]/.test(line))) return null;
    sum += size as number;
    // As CodeMirror itself would have written it: nothing empty, nothing that belongs to the part before it.
    if ((size === 0 && lines.length < 2 && !lines[0]) || isJoined(before, part)) isPlain = false;
    before = part;
  }
  if (sum !== length) return null;
  const change = ChangeSet.fromJSON(json);
  return isPlain ? change : tidy(change);
}

/** Whether two parts in a row would have been one. */
function isJoined(before: unknown, part: unknown): boolean {
  if (Array.isArray(before) && Array.isArray(part)) {
    const arePureDeletions = before.length === 1 && part.length === 1;
    return arePureDeletions || (before[0] === 0 && part[0] === 0);
  }
  return typeof before === "number" && typeof part === "number";
}

function tidy(change: ChangeSet): ChangeSet {
  const specs: { from: number; to: number; insert: string }[] = [];
  change.iterChanges((from, to, _fromB, _toB, inserted) => {
    specs.push({ from, to, insert: inserted.toString() });
  });
  return ChangeSet.of(specs, change.length, "\n");
}
