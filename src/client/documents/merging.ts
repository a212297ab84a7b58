import { ChangeSet, type Text } from "@codemirror/state";
import { difference } from "./difference.ts";

/** What became of unsent changes when the text they were made in is replaced by another. */
export interface Merged {
  /** The changes that could be kept, to be applied to the new text. */
  readonly changes: ChangeSet;
  /** The texts that had been inserted where the new text leaves no place for them. */
  readonly recovered: string[];
}

/**
 * Brings changes of one text to another that came from it in an unknown way. Insertions go where they belong; one inside a part
 * that is gone, and one that replaces what others have changed, is given back as text instead.
 */
export function merge(from: Text, unsent: ChangeSet, to: Text): Merged {
  const others = difference(from.toString(), to.toString());
  const recovered: string[] = [];
  const specs: { from: number; to: number; insert: Text }[] = [];
  unsent.iterChanges((start, end, _fromB, _toB, insert) => {
    if (!meets(others, start, end)) specs.push({ from: start, to: end, insert });
    else if (insert.length > 0) recovered.push(insert.toString());
  });
  return { changes: ChangeSet.of(specs, from.length).map(others), recovered };
}

/** Whether others changed what is between two places, or, where they are one, all around it. */
function meets(others: ChangeSet, start: number, end: number): boolean {
  let isMet = false;
  others.iterChangedRanges((from, to) => {
    if (from < end && to > start) isMet = true;
  });
  return isMet;
}
