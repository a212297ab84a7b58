import * as Y from "yjs";
import { Coverage } from "./coverage.ts";
import { readUpdate } from "./update.ts";

/** What a document amounts to: an update with everything in it. Null for nothing. */
export type DocumentState = Uint8Array | null;

/** A document with nothing in it, as an update. */
export const NOTHING: Uint8Array = Uint8Array.of(0, 0);

/** What a state and the updates after it amount to: fast, but deleted text stays, and pieces are not joined. */
export function mergeUpdates(state: DocumentState, updates: readonly Uint8Array[]): Uint8Array {
  if (updates.length === 0) return state ?? NOTHING;
  // The small ones first: each of them would be sorted into all of the large one.
  const added = Y.mergeUpdates([...updates]);
  return state === null ? added : Y.mergeUpdates([state, added]);
}

/**
 * The same, as small as Yjs makes it: deleted text is gone, pieces typed one after the other are one. It makes a document of it, which
 * costs many times its size.
 */
export function compactUpdates(state: DocumentState, updates: readonly Uint8Array[]): Uint8Array {
  const all = state === null ? updates : [state, ...updates];
  try {
    const doc = new Y.Doc();
    doc.transact(() => {
      for (const update of all) Y.applyUpdate(doc, update);
    });
    const compact = Y.encodeStateAsUpdate(doc);
    doc.destroy();
    const coverage = new Coverage();
    coverage.add(readUpdate(compact));
    if (all.every((update) => coverage.covers(readUpdate(update)))) return compact;
  } catch {
    // What Yjs can decode it may still not be able to apply; it stays as it came.
  }
  return mergeUpdates(state, updates);
}

/** What a client that knows `stateVector` lacks of a state. */
export function differenceTo(state: Uint8Array, stateVector: Uint8Array): Uint8Array {
  return Y.diffUpdate(state, stateVector);
}
