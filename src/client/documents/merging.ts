import { ChangeSet, type Text } from "@codemirror/state";
import { difference } from "./difference.ts";

/** What became of a page's text when another takes the place of the one it was made upon. */
export interface Merged {
  /** The unsent changes that could be kept, to be applied to the new text; null when there are none. */
  readonly changes: ChangeSet | null;
  /** The texts that had been inserted where the new text leaves no place for them. */
  readonly recovered: string[];
  /** From the text that was on the screen to the one that will be. */
  readonly shown: ChangeSet;
}

/**
 * Brings unsent changes of one text to another that came from it in an unknown way. Insertions go where they belong; one inside a
 * part that is gone, and one that replaces what others have changed, is given back as text instead.
 */
export function merge(from: Text, unsent: ChangeSet | null, to: Text): Merged {
  const before = from.toString();
  const after = to.toString();
  const others = difference(before, after);
  if (unsent === null) return { changes: null, recovered: [], shown: others };
  const recovered: string[] = [];
  const specs: { from: number; to: number; insert: Text }[] = [];
  unsent.iterChanges((start, end, _fromB, _toB, insert) => {
    if (!meets(others, start, end)) specs.push({ from: start, to: end, insert });
    else if (insert.length > 0) recovered.push(insert.toString());
  });
  const kept = ChangeSet.of(specs, from.length).map(others);
  const shown = difference(unsent.apply(from).toString(), kept.apply(to).toString());
  return { changes: kept.empty ? null : kept, recovered, shown };
}

/** Whether others changed what is between two places, or, where they are one, all around it. */
function meets(others: ChangeSet, start: number, end: number): boolean {
  let isMet = false;
  others.iterChangedRanges((from, to) => {
    if (from < end && to > start) isMet = true;
  });
  return isMet;
}
