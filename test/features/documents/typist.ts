import { ChangeSet, type Text } from "@codemirror/state";

/** What typists type: joined emoji, flags, combining marks, characters outside the basic plane, right to left, breaks. */
export const ALPHABET = [
  "a",
  "the ",
  "👍",
  "👨‍👩‍👧‍👦",
  "🇯🇵",
  "e\u0301",
  "𠮷野",
  "日本語",
  "שלום",
  "مرحبا",
  "\n",
  "\n\n",
  " ",
  "🏳️‍🌈",
  "x\ny",
] as const;

/** Deterministic random numbers (mulberry32). */
export function createRandom(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296) * below);
  };
}

/** A place in a text that is not inside a character of two units. */
function place(text: Text, position: number): number {
  if (position <= 0 || position >= text.length) return Math.max(0, Math.min(position, text.length));
  const low = text.sliceString(position, position + 1);
  return low >= "\udc00" && low <= "\udfff" ? position - 1 : position;
}

/** An edit somebody might make: mostly typing, sometimes deleting, replacing, or several things at once. */
export function randomEdit(text: Text, random: (below: number) => number): ChangeSet {
  const one = () => {
    const from = place(text, random(text.length + 1));
    const kind = random(10);
    const to = kind < 6 ? from : place(text, from + random(text.length > 600 ? 80 : 8));
    return { from, to: Math.max(from, to), insert: kind < 8 ? ALPHABET[random(ALPHABET.length)]! : "" };
  };
  const specs = random(12) === 0 ? [one(), one()] : [one()];
  return ChangeSet.of(specs, text.length, "\n");
}
