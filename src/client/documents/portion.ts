import { ChangeSet } from "@codemirror/state";

/** So much of a change goes in one message at most: a character takes up to 6 bytes on the wire, and a message may have 64 KiB. */
const PORTION = 10_000;
/** What a change and each of its lines cost besides their characters. */
const PART = 4;

/** The part of a change that one message can hold, and what is left of it, to be applied after that; null when nothing is. */
export function portionOf(change: ChangeSet): [first: ChangeSet, rest: ChangeSet | null] {
  const first: { from: number; to: number; insert: string }[] = [];
  const rest: typeof first = [];
  let left = PORTION;
  let shift = 0;
  change.iterChanges((from, to, _fromB, _toB, inserted) => {
    const text = inserted.toString();
    left -= PART;
    let end = 0;
    while (end < text.length && left > 0) left -= text[end++] === "\n" ? PART : 1;
    // Not in the middle of a character.
    if (end < text.length && isHigh(text.charCodeAt(end - 1))) end--;
    if (left > 0 || end > 0) {
      first.push({ from, to, insert: text.slice(0, end) });
      shift += end - (to - from);
      if (end < text.length) rest.push({ from: to + shift, to: to + shift, insert: text.slice(end) });
    } else rest.push({ from: from + shift, to: to + shift, insert: text });
  }, true);
  if (rest.length === 0) return [change, null];
  const taken = ChangeSet.of(first, change.length, "\n");
  return [taken, ChangeSet.of(rest, taken.newLength, "\n")];
}

function isHigh(unit: number): boolean {
  return unit >= 0xd800 && unit < 0xdc00;
}
