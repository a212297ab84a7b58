import { type ChangeSet, Text } from "@codemirror/state";

/** One part of a text that becomes another. */
export interface Replacement {
  readonly from: number;
  readonly to: number;
  readonly insert: Text;
}

/** With more parts than this the text is put together anew: to replace one part copies the line it is in, however long that is. */
const FEW = 8;

/** A text with parts of it replaced: they do not overlap, and come in their order. */
export function replaceAll(text: Text, replacements: readonly Replacement[]): Text {
  if (replacements.length > FEW) return putTogether(text.toString(), replacements);
  let replaced = text;
  for (const { from, to, insert } of replacements.toReversed()) replaced = replaced.replace(from, to, insert);
  return replaced;
}

/** A text after a change of it. */
export function applyChange(text: Text, change: ChangeSet): Text {
  const replacements: Replacement[] = [];
  change.iterChanges((from, to, _fromB, _toB, insert) => replacements.push({ from, to, insert }));
  return replaceAll(text, replacements);
}

function putTogether(text: string, replacements: readonly Replacement[]): Text {
  const pieces: string[] = [];
  let at = 0;
  for (const { from, to, insert } of replacements) {
    pieces.push(text.slice(at, from), insert.toString());
    at = to;
  }
  pieces.push(text.slice(at));
  return Text.of(pieces.join("").split("\n"));
}
