import type { ChangeSet, Text } from "@codemirror/state";
import { type ChangeJson, readChange } from "../../../protocol/change.ts";
import type { JsonObject } from "../../../protocol/index.ts";
import type { StoredEvent } from "../../../session/namespace.ts";
import type { DocumentState } from "./document-state.ts";
import { applyChange } from "./replacing.ts";

/** The event of accepted changes. */
export const CHANGE_EVENT = "remote_change";

/** The payload of {@link CHANGE_EVENT}. */
export interface StoredChange {
  /** Whose changes they are. */
  readonly userId: string;
  /** The connection they came by. */
  readonly clientId: string;
  /** The version the first of them was applied to. The document is at `version + changes.length` after them. */
  readonly version: number;
  readonly changes: readonly ChangeJson[];
  /** What they deleted, one text per deletion in their order, so that the way back can be gone. Left out where nothing was deleted. */
  readonly removed?: readonly string[];
}

/** The payload of accepted changes. `text` is the document before them. */
export function storedChange(
  by: { userId: string; clientId: string },
  version: number,
  changes: readonly ChangeSet[],
  text: Text,
): JsonObject {
  const removed: string[] = [];
  let before = text;
  for (const [index, change] of changes.entries()) {
    change.iterChanges((from, to) => {
      if (to > from) removed.push(before.sliceString(from, to, "\n"));
    }, true);
    if (index < changes.length - 1) before = applyChange(before, change);
  }
  const stored: JsonObject = { ...by, version, changes: changes.map((change) => change.toJSON()) };
  if (removed.length > 0) stored.removed = removed;
  return stored;
}

/** What an event says; null when it is no change, or none that this module wrote. */
export function readStored({ type, data }: StoredEvent): StoredChange | null {
  if (type !== CHANGE_EVENT) return null;
  const { userId, clientId, version, changes, removed } = JSON.parse(data) as Partial<StoredChange>;
  if (typeof userId !== "string" || !Number.isSafeInteger(version) || !Array.isArray(changes)) return null;
  return { userId, clientId: clientId ?? "", version: version!, changes, ...(removed && { removed }) };
}

/** The changes of an event that led to this version; null when it did not. */
export function changesInto(stored: StoredChange, version: number): ChangeSet[] | null {
  if (stored.version + stored.changes.length !== version) return null;
  const length = (stored.changes[0] ?? []).reduce<number>(
    (sum, part) => sum + (typeof part === "number" ? part : part[0]),
    0,
  );
  return changesOf(stored, length);
}

/** The changes of an event, to be applied to a document of `length`; null when they do not fit. */
function changesOf({ changes }: StoredChange, length: number): ChangeSet[] | null {
  const read: ChangeSet[] = [];
  for (const json of changes) {
    const change = readChange(json, read.at(-1)?.newLength ?? length);
    if (change === null) return null;
    read.push(change);
  }
  return read;
}

/** The changes of an event, as they lead on from this state; null when they do not. */
export function changesFrom(event: StoredEvent, state: DocumentState): ChangeSet[] | null {
  const stored = readStored(event);
  return stored?.version === state.version ? changesOf(stored, state.text.length) : null;
}
