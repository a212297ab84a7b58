import type { Text } from "@codemirror/state";

/** Whether a position lies between the two halves of one character (a surrogate pair). */
export function isInsidePair(text: Text, position: number): boolean {
  if (position <= 0 || position >= text.length) return false;
  const [high, low] = [text.sliceString(position - 1, position), text.sliceString(position, position + 1)];
  return high >= "\ud800" && high <= "\udbff" && low >= "\udc00" && low <= "\udfff";
}
