import { type ChangeSet, Text } from "@codemirror/state";
import { YamabikoError } from "../../../protocol/index.ts";
import type { OpenRoom } from "../../../session/namespace.ts";
import { DocumentState, MAX_LAG } from "./document-state.ts";
import { changesFrom, changesInto, readStored } from "./stored-change.ts";

/** How many events one read of the log asks for. */
const PAGE_EVENTS = 500;

/** What a room's log amounts to. */
export interface LoadedDocument {
  readonly state: DocumentState;
  /** The event up to which it holds. */
  readonly seq: number;
  /** Versions since the newest snapshot. */
  readonly versionsUnkept: number;
  /** The event up to which the newest snapshot holds; 0 when there is none. */
  readonly keptSeq: number;
}

/** Reads a document: the newest snapshot, and what came after it up to the head that this node knows. */
export async function loadDocument(room: OpenRoom): Promise<LoadedDocument> {
  const { epoch } = room;
  const kept = await readSnapshot(room);
  let state = new DocumentState(kept.version, kept.text, await changesBefore(room, kept.seq, kept.version));
  let seq = kept.seq;
  while (seq < room.head && room.epoch === epoch) {
    const events = await room.read(seq, PAGE_EVENTS);
    for (const event of events) {
      if (event.seq > room.head) break;
      if (event.seq !== seq + 1) throw lost(room);
      const changes = changesFrom(event, state);
      if (changes !== null) state = state.after(changes);
      seq = event.seq;
    }
    if (events.length === 0) throw lost(room);
  }
  return { state, seq, versionsUnkept: state.version - kept.version, keptSeq: kept.seq };
}

/** What a log amounts to that tells of no text. */
export function noDocument(room: OpenRoom): LoadedDocument {
  return { state: new DocumentState(0, Text.empty, []), seq: room.head, versionsUnkept: 0, keptSeq: 0 };
}

interface KeptDocument {
  readonly seq: number;
  readonly version: number;
  readonly text: Text;
}

async function readSnapshot(room: OpenRoom): Promise<KeptDocument> {
  const snapshot = await room.snapshot();
  if (snapshot === null || snapshot.epoch !== room.epoch) return { seq: 0, version: 0, text: Text.empty };
  const { version, text } = JSON.parse(snapshot.data) as { version: number; text: string };
  return { seq: snapshot.seq, version, text: Text.of(text.split("\n")) };
}

/** The newest changes up to an event, so that changes made a little earlier can be rebased. */
async function changesBefore(room: OpenRoom, seq: number, version: number): Promise<ChangeSet[]> {
  if (seq === 0) return [];
  const changes: ChangeSet[] = [];
  let next = version;
  for (const event of (await room.readBack(seq + 1, MAX_LAG)).toReversed()) {
    const stored = readStored(event);
    const found = stored === null ? null : changesInto(stored, next);
    if (found === null) continue;
    changes.unshift(...found);
    next -= found.length;
  }
  return changes;
}

function lost(room: OpenRoom): YamabikoError {
  room.failure("reading a document", new Error(`${room.roomId}: the log does not reach back to the newest snapshot`));
  return new YamabikoError("unavailable", "This document cannot be read now.");
}
