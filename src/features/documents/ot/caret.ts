import type { ChangeDesc, Text } from "@codemirror/state";
import { isInsidePair } from "./position.ts";

/** Where somebody writes or has selected something, in a document at a version. A value of the state family `caret`. */
export type Caret = {
  /** Where the selection began, UTF-16 units. */
  anchor: number;
  /** Where it ends and the caret blinks; `anchor` when nothing is selected. */
  head: number;
  version: number;
  userId: string;
  userName: string;
  /** A colour of the palette, as CSS writes it; always the same for the same user. */
  colour: string;
};

/** Enough unlike each other, and dark enough for white letters. */
const PALETTE = [
  "#0b6660",
  "#a3470f",
  "#3f5f9e",
  "#7a4a8c",
  "#4b6b1f",
  "#a13a5e",
  "#1f6f93",
  "#7d5a14",
  "#5a4fb0",
  "#5b5f66",
] as const;

/** The colour of a user's carets. */
export function colourOf(userId: string): string {
  let hash = 7;
  for (let index = 0; index < userId.length; index++) hash = (hash * 31 + userId.charCodeAt(index)) >>> 0;
  return PALETTE[hash % PALETTE.length]!;
}

/** A position after these changes: behind what was inserted at it, never beyond their end. */
export function movePosition(position: number, changes: readonly ChangeDesc[]): number {
  let moved = position;
  for (const change of changes) moved = change.mapPos(Math.min(moved, change.length), 1);
  return moved;
}

/** The nearest position a caret can stand at: in the text, and not between the halves of a character. */
export function placeIn(text: Text, position: number): number {
  const within = Math.min(position, text.length);
  return isInsidePair(text, within) ? within - 1 : within;
}
