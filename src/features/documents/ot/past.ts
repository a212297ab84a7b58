import { type ChangeSet, Text } from "@codemirror/state";
import { YamabikoError } from "../../../protocol/index.ts";
import type { OpenRoom, StoredEvent } from "../../../session/namespace.ts";
import { UNIT_BYTES } from "./document-state.ts";
import type { OtDocument } from "./ot-document.ts";
import { type Replacement, replaceAll } from "./replacing.ts";
import { changesInto, readStored } from "./stored-change.ts";

/** How many events one read of the log asks for on the way back. */
const PAGE_EVENTS = 256;
/** How many texts of earlier versions are remembered: whoever looks at one looks at its neighbours next. */
const REMEMBERED = 4;
/** How many characters they may have in all. */
const REMEMBERED_CHARACTERS = 4 * 1024 * 1024;

/** A version, and who made it. */
export type HistoryEntry = {
  /** The document's version after it. */
  version: number;
  /** The version before it. */
  from: number;
  userId: string;
  timestamp: string;
  /** How many characters it put in and took out. */
  inserted: number;
  removed: number;
};

/** A document at a version on the way back. */
interface Point {
  readonly version: number;
  /** The event it is after; null in the middle of one. */
  readonly seq: number | null;
  readonly text: Text;
}

/** What a document was. The way back leads from the newest text through what each change removed. */
export class Past {
  readonly #room: OpenRoom;
  readonly #document: OtDocument;
  /** Used last, last. */
  #points: Point[] = [];
  #epoch: string;

  constructor(room: OpenRoom, document: OtDocument) {
    this.#room = room;
    this.#document = document;
    this.#epoch = room.epoch;
  }

  /** What is remembered takes in memory, bytes. */
  get bytes(): number {
    return this.#points.reduce((sum, { text }) => sum + text.length * UNIT_BYTES, 0);
  }

  /**
   * The text at a version.
   * Rejects with `invalid_message` for a version that is not there yet, `history_lost` for one whose events are no longer kept.
   */
  async at(version: number): Promise<string> {
    await this.#document.ready();
    const { state, seq } = this.#document;
    if (version > state.version) {
      throw new YamabikoError("invalid_message", `The document is at version ${state.version}.`);
    }
    let point = this.#nearest(version, { version: state.version, seq, text: state.text });
    while (point.version > version && point.seq !== null) {
      const events = await this.#room.readBack(point.seq + 1, PAGE_EVENTS);
      if (events.at(-1)?.seq !== point.seq) throw lost(version);
      point = goBack(point, events, version);
    }
    if (point.seq !== null) this.#remember(point);
    return point.text.toString();
  }

  /** Who changed the document when, newest first. `before` is a seq; `nextBefore` is that of the next page, null at the end. */
  async history(before: number, limit: number): Promise<{ entries: HistoryEntry[]; nextBefore: number | null }> {
    await this.#document.ready();
    const events = await this.#room.readBack(Math.min(before, this.#document.seq + 1), limit);
    const entries = events.flatMap((event) => entryOf(event) ?? []).toReversed();
    const first = events[0]?.seq ?? 1;
    return { entries, nextBefore: first > 1 && events.length === limit ? first : null };
  }

  #nearest(version: number, newest: Point): Point {
    if (this.#epoch !== this.#room.epoch) {
      this.#epoch = this.#room.epoch;
      this.#points = [];
    }
    let nearest = newest;
    for (const point of this.#points) {
      if (point.version >= version && point.version < nearest.version) nearest = point;
    }
    return nearest;
  }

  #remember(point: Point): void {
    this.#points = this.#points.filter(({ version }) => version !== point.version);
    this.#points.push(point);
    const size = (): number => this.#points.reduce((sum, { text }) => sum + text.length, 0);
    while (this.#points.length > REMEMBERED || (this.#points.length > 1 && size() > REMEMBERED_CHARACTERS)) {
      this.#points.shift();
    }
  }
}

/** Goes back over events, the newest of which is the point's, as far as `version` or the first of them. */
function goBack(from: Point, events: readonly StoredEvent[], version: number): Point {
  let point = from;
  for (const event of events.toReversed()) {
    const texts = textsBefore(point, event);
    const steps = point.version - version;
    if (steps <= texts.length) {
      return { version, seq: steps === texts.length ? event.seq - 1 : null, text: texts[steps - 1] ?? point.text };
    }
    point = { version: point.version - texts.length, seq: event.seq - 1, text: texts.at(-1) ?? point.text };
  }
  return point;
}

/** The texts before each change of an event, the last change first; none when it is no change that led to the point. */
function textsBefore({ version, text }: Point, event: StoredEvent): Text[] {
  const stored = readStored(event);
  const changes = stored === null ? null : changesInto(stored, version);
  if (stored === null || changes === null || changes.at(-1)?.newLength !== text.length) return [];
  const removed = [...(stored.removed ?? [])];
  const texts: Text[] = [];
  let after = text;
  for (const change of changes.toReversed()) {
    after = undo(change, after, removed);
    texts.push(after);
  }
  return texts;
}

/** The text before a change. Takes what it removed off the end of `removed`. */
function undo(change: ChangeSet, after: Text, removed: string[]): Text {
  const ranges: { from: number; to: number; size: number }[] = [];
  change.iterChanges((fromA, toA, from, to) => ranges.push({ from, to, size: toA - fromA }), true);
  const replacements: Replacement[] = [];
  for (const { from, to, size } of ranges.toReversed()) {
    replacements.push({ from, to, insert: Text.of((size > 0 ? (removed.pop() ?? "") : "").split("\n")) });
  }
  return replaceAll(after, replacements.reverse());
}

function entryOf(event: StoredEvent): HistoryEntry | null {
  const stored = readStored(event);
  if (stored === null) return null;
  let inserted = 0;
  for (const change of stored.changes) {
    for (const part of change) {
      if (typeof part === "number") continue;
      const [, ...lines] = part;
      if (lines.length > 0) inserted += lines.reduce((sum, line) => sum + line.length, lines.length - 1);
    }
  }
  return {
    version: stored.version + stored.changes.length,
    from: stored.version,
    userId: stored.userId,
    timestamp: new Date(event.timestamp).toISOString(),
    inserted,
    removed: (stored.removed ?? []).reduce((sum, text) => sum + text.length, 0),
  };
}

function lost(version: number): YamabikoError {
  return new YamabikoError("history_lost", `Version ${version} is no longer kept.`);
}
