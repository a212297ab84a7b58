import type { ChangeSet, Text } from "@codemirror/state";
import { readChange } from "../../../protocol/change.ts";
import { type Json, YamabikoError } from "../../../protocol/index.ts";
import { isInsidePair } from "./position.ts";
import { applyChange } from "./replacing.ts";

/** How much one part of a change may insert, UTF-16 units. */
export const MAX_INSERT = 64 * 1024;

/**
 * Reads the changes of a message, the first of which was made in a document of `length`.
 * @throws {YamabikoError} `invalid_message` for what is no change of such a document, or holds half a character; `payload_too_large` for
 *   an insertion over 64 KiB.
 */
export function readChanges(json: readonly Json[], length: number): ChangeSet[] {
  const changes: ChangeSet[] = [];
  for (const [index, entry] of json.entries()) {
    checkInsertions(entry, index);
    const change = readChange(entry, changes.at(-1)?.newLength ?? length);
    if (change === null) {
      throw new YamabikoError(
        "invalid_message",
        `\`changes.${index}\` is no change of this document at that version.`,
        {
          remedy:
            "Send the JSON of a ChangeSet whose length is that of the document at `version`; lines hold no line breaks.",
        },
      );
    }
    changes.push(change);
  }
  return changes;
}

/**
 * Applies changes to a text.
 * @param limit how long the text may become, UTF-16 units.
 * @throws {YamabikoError} `invalid_message` when an edge of a change would part the two halves of a character; `payload_too_large` when
 *   the document would grow over `limit`.
 */
export function applyChanges(text: Text, changes: readonly ChangeSet[], limit: number): Text {
  let next = text;
  for (const change of changes) {
    checkEdges(next, change);
    if (change.newLength > limit && change.newLength > change.length) {
      throw new YamabikoError("payload_too_large", `A document has at most ${limit} characters.`);
    }
    next = applyChange(next, change);
  }
  return next;
}

function checkEdges(text: Text, change: ChangeSet): void {
  // Parts side by side count as one: a composed change may take out a character in two halves.
  change.iterChangedRanges((from, to) => {
    if (isInsidePair(text, from) || isInsidePair(text, to)) {
      throw new YamabikoError("invalid_message", `A change begins or ends inside a character, at ${from} to ${to}.`);
    }
  });
}

function checkInsertions(entry: Json, index: number): void {
  if (!Array.isArray(entry)) return;
  for (const part of entry) {
    if (!Array.isArray(part)) continue;
    let size = part.length - 2;
    for (let at = 1; at < part.length; at++) {
      const line = part[at];
      if (typeof line !== "string") continue;
      size += line.length;
      // By the protocol no message holds one; back ends and other ways in are checked here.
      if (/\p{Surrogate}/u.test(line)) {
        throw new YamabikoError("invalid_message", `\`changes.${index}\` inserts half a character.`);
      }
    }
    if (size > MAX_INSERT) {
      throw new YamabikoError("payload_too_large", `One insertion has at most ${MAX_INSERT} characters.`, {
        remedy: "Insert it in several changes.",
      });
    }
  }
}
