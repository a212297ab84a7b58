import { type Timer, YamabikoError } from "../../../protocol/index.ts";
import type { OpenRoom, RoomStart, StateChange, StoredEvent } from "../../../session/namespace.ts";
import { AWARENESS, Awareness } from "./awareness.ts";
import { fromBase64, toBase64 } from "./base64.ts";
import { Coverage } from "./coverage.ts";
import { type DocumentState, NOTHING } from "./fold.ts";
import type { FoldThread } from "./fold-thread.ts";
import { readUpdate, type UpdateContents } from "./update.ts";

/** The type of the events that carry updates. */
export const YJS_UPDATE = "yjs_update";

/** Events asked for in one read. */
const PAGE_EVENTS = 500;
/** A snapshot is made after this many updates, or this many bytes of them; later for a large document. */
const SNAPSHOT_UPDATES = 200;
const SNAPSHOT_BYTES = 256 * 1024;
/** A document of this many bytes has one more update before the next snapshot. */
const BYTES_PER_UPDATE = 10_000;
/** Nodes that serve the same document do not make a snapshot at the same time, ms. */
const SNAPSHOT_SPREAD_MS = 500;
/** How long to wait before reading again what the log could not give, ms. */
const RETRY_MS = 500;
/** The latest answers to clients that asked for what they lack, as long as the document does not change. */
const ANSWERS = 8;

export interface YjsDocumentParts {
  readonly room: OpenRoom;
  readonly folds: FoldThread;
  /** The largest document, bytes, as Yjs encodes it. */
  readonly maxBytes: number;
  /** The most that one client may say of itself in awareness, bytes. */
  readonly awarenessBytes: number;
  /** It is being used. */
  onUse(document: YjsDocument): void;
  /** It takes this many bytes more than before. */
  onGrow(bytes: number): void;
}

/**
 * A Yjs document on this node: what its log amounts to, without making a document of it. Updates stay as they came; a snapshot of the
 * log holds them in Yjs' own compact form, made in another thread.
 */
export class YjsDocument {
  readonly awareness: Awareness;
  readonly #parts: YjsDocumentParts;
  /** What the document amounts to, but for `#tail`. */
  #state: DocumentState = null;
  /** The updates after `#state`. */
  #tail: Uint8Array[] = [];
  #tailBytes = 0;
  #coverage = new Coverage();
  /** The last event that is in. */
  #seq = 0;
  /** The events up to here are in a durable snapshot. */
  #snapshotSeq = 0;
  #bytesSinceSnapshot = 0;
  #updatesSinceSnapshot = 0;
  /** Up to here `#state` is as compact as it gets. */
  #compactSeq = 0;
  /** Rises when everything was read anew. */
  #reading = 0;
  /** The reading under way. */
  #loading: Promise<void> | null = null;
  #isLoaded = false;
  #snapshotTimer: Timer | null = null;
  #retryTimer: Timer | null = null;
  #isClosed = false;
  /** Work on `#state`, one after the other. */
  #work: Promise<unknown> = Promise.resolve();
  #working = 0;
  #answers = new Map<string, Promise<Uint8Array>>();

  constructor(parts: YjsDocumentParts) {
    this.#parts = parts;
    this.awareness = new Awareness(parts.awarenessBytes, () => parts.room.clock.monotonic());
  }

  /** The last event that is in. */
  get seq(): number {
    return this.#seq;
  }

  /** What it takes, bytes; until it is compacted, more than Yjs needs. */
  get bytes(): number {
    return (this.#state?.length ?? 0) + this.#tailBytes;
  }

  /** Retention may remove the events up to here: they are in a snapshot. */
  get trimmable(): number {
    return this.#snapshotSeq;
  }

  /** Whether something is under way. */
  get isBusy(): boolean {
    return this.#working > 0 || this.#loading !== null;
  }

  /** Whether it could be let go of: nobody reads it here, and nothing is under way. */
  get isUnused(): boolean {
    return this.#parts.room.readers === 0 && !this.isBusy && this.#snapshotTimer === null;
  }

  /** Reads the document from the log, when it is not in memory. Rejects when the log cannot be read. */
  async load(): Promise<void> {
    this.#parts.onUse(this);
    while (!this.#isLoaded) await (this.#loading ?? this.#reload());
  }

  /** Lets go of what can be read again. */
  unload(): void {
    this.#isLoaded = false;
    this.#reading++;
    this.#forget(null, 0, new Coverage());
  }

  #reload(): Promise<void> {
    const reading = ++this.#reading;
    this.#isLoaded = false;
    const loading = this.#read(reading).finally(() => {
      if (this.#loading === loading) this.#loading = null;
    });
    this.#loading = loading;
    return loading;
  }

  /** Holds a state of the events up to `seq`, and nothing else. */
  #forget(state: DocumentState, seq: number, coverage: Coverage): void {
    this.#parts.onGrow((state?.length ?? 0) - this.bytes);
    this.#state = state;
    this.#coverage = coverage;
    this.#tail = [];
    this.#tailBytes = 0;
    this.#answers.clear();
    this.#compactSeq = seq;
    this.#seq = seq;
    this.#updatesSinceSnapshot = 0;
    this.#bytesSinceSnapshot = 0;
  }

  async #read(reading: number): Promise<void> {
    const { room } = this.#parts;
    const snapshot = await room.snapshot();
    const state = snapshot?.epoch === room.epoch ? stateOf(snapshot.data) : null;
    const coverage = new Coverage();
    if (state !== null) coverage.add(await this.#parts.folds.ask({ kind: "read", update: state }));
    if (reading !== this.#reading) return;
    this.#forget(state, state === null ? 0 : snapshot!.seq, coverage);
    this.#snapshotSeq = this.#seq;
    while (this.#seq < room.head) {
      const events = await room.read(this.#seq, PAGE_EVENTS);
      if (reading !== this.#reading) return;
      if (events.length === 0) this.#seq = room.head;
      else if (events[0]!.seq > this.#seq + 1 && (await this.#isSurpassed(events[0]!.seq))) return this.#read(reading);
      for (const event of events) if (event.seq > this.#seq) this.#apply(event);
    }
    this.#isLoaded = true;
  }

  /** Whether there is a newer snapshot, of all that was before the event at `first`: another node made it, and trimmed. */
  async #isSurpassed(first: number): Promise<boolean> {
    const { room } = this.#parts;
    const snapshot = await room.snapshot();
    if (snapshot !== null && snapshot.epoch === room.epoch && snapshot.seq >= first - 1) return true;
    room.failure("reading a document", new Error(`The log has nothing between ${this.#seq} and ${first}.`));
    return false;
  }

  // ---- what happens in the room

  /** The head moved by this event. */
  advanced(event: StoredEvent): void {
    if (!this.#isLoaded && this.#loading === null) return;
    if (event.seq === this.#seq + 1) this.#apply(event);
    else if (event.seq > this.#seq && this.#loading === null) this.jumped();
  }

  /** What `advanced` would have told must be read. */
  jumped(): void {
    this.#reload().catch((error: unknown) => {
      if (this.#isClosed) return;
      const { room } = this.#parts;
      room.failure("reading a document", error);
      this.#retryTimer?.cancel();
      this.#retryTimer = room.clock.setTimer(() => this.jumped(), RETRY_MS);
    });
  }

  stateChanged(change: StateChange): void {
    if (change.family === AWARENESS) this.awareness.changed(change);
  }

  close(): void {
    this.#isClosed = true;
    this.#snapshotTimer?.cancel();
    this.#retryTimer?.cancel();
  }

  #apply({ seq, type, data }: StoredEvent): void {
    this.#seq = seq;
    if (type !== YJS_UPDATE) return;
    let update: Uint8Array;
    let contents: UpdateContents;
    try {
      update = fromBase64((JSON.parse(data) as { update: string }).update);
      contents = readUpdate(update);
    } catch (error) {
      // Only the server's own code can have put it there.
      this.#parts.room.failure("reading an update of a document", new Error(`at ${seq}`, { cause: error }));
      return;
    }
    this.#coverage.add(contents);
    this.#tail.push(update);
    this.#tailBytes += update.length;
    this.#answers.clear();
    this.#updatesSinceSnapshot++;
    this.#bytesSinceSnapshot += update.length;
    this.#parts.onGrow(update.length);
    if (this.#isSnapshotDue) this.#planSnapshot();
  }

  // ---- what clients ask for

  /**
   * Reads an update and says whether it brings something new.
   * Rejects with `invalid_message` when it cannot be decoded.
   */
  async isNews(update: Uint8Array): Promise<boolean> {
    const contents = await this.#parts.folds.ask({ kind: "read", update });
    await this.load();
    return !this.#coverage.covers(contents);
  }

  /**
   * Makes sure that an update of this size still fits.
   * Rejects with `payload_too_large` when the document is full.
   */
  async admit(bytes: number): Promise<void> {
    const { maxBytes } = this.#parts;
    await this.load();
    if (this.bytes + bytes <= maxBytes) return;
    // Much of it may be waiting to be deleted for good.
    if (this.#compactSeq < this.#seq) await this.#inTurn(() => this.#compact());
    if (this.bytes + bytes <= maxBytes) return;
    throw new YamabikoError("payload_too_large", `The document is full: it may have ${maxBytes} bytes.`);
  }

  /** What a client that knows `stateVector` lacks, and the state vector of what is here. */
  async sync(stateVector: Uint8Array): Promise<{ update: Uint8Array; stateVector: Uint8Array }> {
    const key = toBase64(stateVector);
    let answer = this.#answers.get(key);
    if (answer === undefined) {
      answer = this.#inTurn(() => this.#differenceTo(stateVector));
      if (this.#answers.size >= ANSWERS) this.#answers.clear();
      this.#answers.set(key, answer);
      answer.catch(() => this.#answers.delete(key));
    }
    const update = await answer;
    return { update, stateVector: this.#coverage.toStateVector() };
  }

  /** Where a reader starts that knows nothing, and the whole up to there. */
  async start(): Promise<RoomStart> {
    const { seq, state } = await this.#inTurn(() => this.#merge());
    const documentId = this.#parts.room.roomId.replace(/^[^:]*:/, "");
    return { seq, snapshot: { documentId, kind: "yjs", update: toBase64(state) } };
  }

  async #differenceTo(stateVector: Uint8Array): Promise<Uint8Array> {
    const { state } = await this.#merge();
    // Who knows nothing lacks everything.
    if (stateVector.length <= 1) return state;
    return this.#parts.folds.ask({ kind: "difference", state, stateVector });
  }

  /** What it all amounts to, and up to which event. */
  async #merge(): Promise<{ seq: number; state: Uint8Array }> {
    await this.load();
    const seq = this.#seq;
    if (this.#tail.length === 0) return { seq, state: this.#state ?? NOTHING };
    return { seq, state: await this.#fold("merge") };
  }

  /** Makes one of the state and the tail. */
  async #fold(kind: "merge" | "compact"): Promise<Uint8Array> {
    const reading = this.#reading;
    const updates = this.#tail.slice();
    const state = await this.#parts.folds.ask({ kind, state: this.#state, updates });
    if (reading !== this.#reading) return state;
    const before = this.bytes;
    this.#state = state;
    for (const update of this.#tail.splice(0, updates.length)) this.#tailBytes -= update.length;
    this.#parts.onGrow(this.bytes - before);
    return state;
  }

  // ---- snapshots

  get #isSnapshotDue(): boolean {
    const size = this.#state?.length ?? 0;
    return (
      this.#updatesSinceSnapshot >= Math.max(SNAPSHOT_UPDATES, size / BYTES_PER_UPDATE) ||
      this.#bytesSinceSnapshot >= Math.max(SNAPSHOT_BYTES, size / 8)
    );
  }

  #planSnapshot(): void {
    if (this.#snapshotTimer !== null || this.#isClosed) return;
    const { room } = this.#parts;
    this.#snapshotTimer = room.clock.setTimer(() => {
      this.#inTurn(() => this.#keepSnapshot())
        .catch((error: unknown) => {
          // Tried again when as much again has come.
          this.#updatesSinceSnapshot = 0;
          this.#bytesSinceSnapshot = 0;
          if (!this.#isClosed) room.failure("making a snapshot of a document", error);
        })
        .finally(() => {
          this.#snapshotTimer = null;
          if (this.#isSnapshotDue) this.#planSnapshot();
        });
    }, Math.random() * SNAPSHOT_SPREAD_MS);
  }

  async #keepSnapshot(): Promise<void> {
    const { room } = this.#parts;
    const { epoch } = room;
    const kept = await room.snapshot();
    if (kept !== null && kept.epoch === epoch && kept.seq > this.#snapshotSeq && kept.seq <= this.#seq) {
      // Another node was first.
      this.#noteSnapshot(kept.seq);
      if (!this.#isSnapshotDue) return;
    }
    const reading = this.#reading;
    const { seq, state } = await this.#compact();
    await room.putSnapshot(seq, snapshotOf(state));
    if (reading === this.#reading && epoch === room.epoch) this.#noteSnapshot(seq);
  }

  async #compact(): Promise<{ seq: number; state: Uint8Array }> {
    await this.load();
    const reading = this.#reading;
    const seq = this.#seq;
    const state = await this.#fold("compact");
    if (reading === this.#reading) this.#compactSeq = seq;
    return { seq, state };
  }

  /** The events up to `seq` are in a durable snapshot. */
  #noteSnapshot(seq: number): void {
    this.#snapshotSeq = seq;
    this.#updatesSinceSnapshot = this.#seq - seq;
    this.#bytesSinceSnapshot = 0;
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    this.#working++;
    const done = this.#work.then(work).finally(() => {
      this.#working--;
    });
    this.#work = done.catch(() => {});
    return done;
  }
}

/** A snapshot's data; what begins so is a Yjs document. */
function snapshotOf(state: Uint8Array): string {
  return `{"kind":"yjs","state":"${toBase64(state)}"}`;
}

/** The state in a snapshot's data; null when it is none of ours. */
function stateOf(data: string): DocumentState {
  const snapshot = JSON.parse(data) as { kind?: unknown; state?: unknown };
  return snapshot.kind === "yjs" && typeof snapshot.state === "string" ? fromBase64(snapshot.state) : null;
}
