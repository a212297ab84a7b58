/** What takes the place of a part of a text. */
export interface Replacement {
  readonly from: number;
  readonly to: number;
  readonly insert: string;
}

/**
 * What makes one text the other: the part between what both begin and what both end with, never half a character.
 * @param position where the texts stand.
 * @param caret how much of `after` is before the caret: where equal characters could have been typed in several places, they were typed before it.
 */
export function replacement(before: string, after: string, position = 0, caret = after.length): Replacement {
  const shorter = Math.min(before.length, after.length);
  let end = 0;
  const maxEnd = Math.min(shorter, Math.max(0, after.length - caret));
  while (end < maxEnd && before.at(-1 - end) === after.at(-1 - end)) end++;
  let start = 0;
  while (start < shorter - end && before[start] === after[start]) start++;
  while (end < shorter - start && before.at(-1 - end) === after.at(-1 - end)) end++;
  if (isHigh(before, start - 1)) start--;
  if (end > 0 && isLow(before, before.length - end)) end--;
  return { from: position + start, to: position + before.length - end, insert: after.slice(start, after.length - end) };
}

function isHigh(text: string, index: number): boolean {
  const unit = text.charCodeAt(index);
  return unit >= 0xd800 && unit < 0xdc00;
}

function isLow(text: string, index: number): boolean {
  const unit = text.charCodeAt(index);
  return unit >= 0xdc00 && unit < 0xe000;
}
