import type { ChangeSet } from "@codemirror/state";
import { type Json, type JsonObject, YamabikoError } from "../../../protocol/index.ts";
import type { AppendedPlace, OpenRoom, RoomStart, StoredEvent } from "../../../session/namespace.ts";
import { applyChanges, readChanges } from "./change-check.ts";
import { type DocumentState, rebase, rebaseParts, UNIT_BYTES } from "./document-state.ts";
import { loadDocument, noDocument } from "./loading.ts";
import { StaleChange } from "./stale-change.ts";
import { CHANGE_EVENT, changesFrom, readStored, storedChange } from "./stored-change.ts";

/** A snapshot is kept after so many versions, or so many characters of the log. */
const SNAPSHOT_VERSIONS = 200;
const SNAPSHOT_CHARACTERS = 64 * 1024;
/** How many steps rebasing one message may take: its changes times the versions they are behind. */
const MAX_REBASES = 1_000;
/** How many parts of changes rebasing one message may look at: about 0.1 s. */
const MAX_REBASED_PARTS = 500_000;
/** How often a change is rebased and appended anew when other nodes were faster. */
const ATTEMPTS = 50;

/** A message's changes, as they came. */
export interface ChangeRequest {
  readonly userId: string;
  readonly clientId: string;
  readonly messageId: string | null;
  /** The version they were made at. */
  readonly version: number;
  readonly changes: readonly Json[];
}

/** What became of them. */
export interface AcceptedChange extends AppendedPlace {
  /** The document's version after them. Null when they were accepted so long ago that nobody knows. */
  readonly version: number | null;
}

/** Accepted here, on its way into the log. */
interface Draft {
  readonly seq: number;
  readonly userId: string;
  readonly data: string;
  /** The document after it. */
  readonly state: DocumentState;
}

export interface OtDocumentOptions {
  /** How long a document may become, UTF-16 units. */
  readonly maxLength: number;
}

/**
 * A document on this node, as operational transformation keeps it: the text at the newest version, and the way new changes take
 * into the log.
 *
 * Nobody owns a document. A change is rebased over what this node knows, and appended on the condition that the log still is
 * where this node thinks; when it is not, some other node was faster, and the change is rebased over that and tried again. Changes
 * that follow each other quickly do not wait for each other: each is made upon the ones before it, and appended on the condition
 * that exactly those are there.
 */
export class OtDocument {
  readonly documentId: string;
  readonly #room: OpenRoom;
  readonly #options: OtDocumentOptions;
  #state: DocumentState;
  /** The event up to which `#state` holds. */
  #seq: number;
  /** On their way, oldest first; each stands upon the one before it. */
  #drafts: Draft[] = [];
  /** Appends that were not reported yet, those of forgotten drafts too. */
  #appending = 0;
  /** True from a failure until everything that stood upon it has failed as well. */
  #isBroken = false;
  #waiting: (() => void)[] = [];
  #refreshing: Promise<void> | null = null;
  #loading: Promise<void> | null = null;
  #isStale = false;
  #text: { readonly of: DocumentState; readonly text: string } | null = null;
  /** Since the last snapshot this node knows of. */
  #versionsUnkept: number;
  #charactersUnkept = 0;
  #isKeeping = false;
  /** The event up to which a snapshot is kept. */
  #keptSeq: number;

  private constructor(room: OpenRoom, options: OtDocumentOptions, loaded: Awaited<ReturnType<typeof loadDocument>>) {
    this.#room = room;
    this.#options = options;
    this.documentId = room.roomId.slice(room.roomId.indexOf(":") + 1);
    this.#state = loaded.state;
    this.#seq = loaded.seq;
    this.#versionsUnkept = loaded.versionsUnkept;
    this.#keptSeq = loaded.keptSeq;
  }

  /** Reads the document: the newest snapshot and what came after it. Rejects with `unavailable` when the log cannot give it. */
  static async open(room: OpenRoom, options: OtDocumentOptions): Promise<OtDocument> {
    return new OtDocument(room, options, await loadDocument(room));
  }

  /** Stands where a document of another kind is: without a word in it, and nothing is read. */
  static empty(room: OpenRoom, options: OtDocumentOptions): OtDocument {
    return new OtDocument(room, options, noDocument(room));
  }

  /** The document as far as the log has it. */
  get state(): DocumentState {
    return this.#state;
  }

  /** The event up to which {@link state} holds. */
  get seq(): number {
    return this.#seq;
  }

  /** Events up to this one are in a snapshot that is kept. */
  get keptSeq(): number {
    return this.#keptSeq;
  }

  /** Whether changes are on their way. */
  get isBusy(): boolean {
    return this.#appending > 0 || this.#isKeeping;
  }

  /** What it takes in memory, bytes, roughly. */
  get bytes(): number {
    return this.#state.bytes + (this.#text?.text.length ?? 0) * UNIT_BYTES;
  }

  /** The whole text. */
  get text(): string {
    // Not by version: another log may have another text at the same.
    if (this.#text?.of !== this.#state) this.#text = { of: this.#state, text: this.#state.text.toString() };
    return this.#text.text;
  }

  /** What a reader starts from that has nothing. */
  async start(): Promise<RoomStart> {
    await this.ready();
    return { seq: this.#seq, snapshot: this.snapshot() };
  }

  /** `{documentId, version, text}`, as it is now. */
  snapshot(): JsonObject {
    return { documentId: this.documentId, version: this.#state.version, text: this.text };
  }

  /**
   * Takes changes in. Resolves when they are durable.
   * Rejects with `conflict` when they were made too long ago, `invalid_message` or `payload_too_large` for changes that cannot be, `unavailable` when the
   * log cannot take them; nothing has changed then. The same `messageId` of the same user again is the same change.
   */
  async submit(request: ChangeRequest): Promise<AcceptedChange> {
    for (let attempt = 1; ; attempt++) {
      await this.ready();
      // Another node may have told its readers of a version that this one has not heard of.
      if (request.version > this.#tip.version) {
        await this.#refresh();
        await this.ready();
      }
      // From here to the append nothing waits, so that drafts are appended in the order they stand upon each other.
      const expect = this.#drafts.at(-1)?.seq ?? this.#seq;
      const { draft, payload } = this.#draft(request, expect + 1);
      const follows = this.#drafts.at(-1)?.data;
      this.#drafts.push(draft);
      try {
        const place = await this.#append({
          type: CHANGE_EVENT,
          payload,
          sender: request.userId,
          messageId: request.messageId,
          expect,
          ...(follows === undefined ? {} : { follows }),
        });
        if (!place.duplicate) {
          this.#keepWhenDue(1);
          return { ...place, version: draft.state.version };
        }
        this.#forget(draft);
        return { ...place, version: await this.#versionAt(place.seq) };
      } catch (error) {
        this.#forget(draft);
        const isRace = error instanceof YamabikoError && error.code === "conflict";
        if (!isRace) throw error;
        if (attempt >= ATTEMPTS) throw new YamabikoError("unavailable", "Too much is being written here.");
        await this.#settled();
        await this.#refresh();
      }
    }
  }

  /** The log moved by an event. */
  advanced(event: StoredEvent): void {
    if (this.#isStale || event.seq <= this.#seq) return;
    if (event.seq !== this.#seq + 1) {
      this.jumped();
      return;
    }
    this.#seq = event.seq;
    const [draft] = this.#drafts;
    const versionBefore = this.#state.version;
    if (draft?.seq === event.seq && draft.userId === event.sender && draft.data === event.data) {
      this.#drafts.shift();
      this.#state = draft.state;
    } else {
      this.#forgetAll();
      this.#fold(event);
    }
    this.#versionsUnkept += this.#state.version - versionBefore;
    this.#charactersUnkept += event.data.length;
    // Whoever appended keeps the snapshot; others only when nobody seems to.
    this.#keepWhenDue(2);
  }

  /** The log moved in a way that must be read. */
  jumped(): void {
    this.#isStale = true;
    this.#forgetAll();
  }

  /** Resolves when {@link state} is what this node knows of the log. */
  async ready(): Promise<void> {
    for (;;) {
      if (this.#isBroken) await this.#settled();
      else if (this.#isStale) await this.#load();
      else return;
    }
  }

  /** The document with everything that is on its way. */
  get #tip(): DocumentState {
    return this.#drafts.at(-1)?.state ?? this.#state;
  }

  /** Rebases and checks changes against everything before them. */
  #draft(request: ChangeRequest, seq: number): { draft: Draft; payload: JsonObject } {
    const tip = this.#tip;
    const { version, userId, clientId } = request;
    if (version > tip.version) {
      throw new YamabikoError("invalid_message", `The document is at version ${tip.version}, not yet at ${version}.`);
    }
    const over = tip.since(version);
    if (over === null || over.length * request.changes.length > MAX_REBASES) throw new StaleChange(tip.version);
    const length = over[0]?.length ?? tip.text.length;
    const made = readChanges(request.changes, length);
    if (rebaseParts(made, over) > MAX_REBASED_PARTS) throw new StaleChange(tip.version);
    const changes = rebase(made, over);
    const text = applyChanges(tip.text, changes, this.#options.maxLength);
    const payload = storedChange({ userId, clientId }, tip.version, changes, tip.text);
    const state = tip.after(changes, text);
    return { draft: { seq, userId, data: JSON.stringify(payload), state }, payload };
  }

  async #append(event: Parameters<OpenRoom["append"]>[0]): Promise<AppendedPlace> {
    this.#appending++;
    try {
      return await this.#room.append(event);
    } finally {
      this.#appending--;
      if (this.#appending === 0) {
        this.#isBroken = false;
        for (const go of this.#waiting.splice(0)) go();
      }
    }
  }

  /** A draft did not become an event, and what stands upon it will not either. */
  #forget(draft: Draft): void {
    const index = this.#drafts.indexOf(draft);
    if (index < 0) return;
    this.#drafts.length = index;
    this.#isBroken = this.#appending > 0;
  }

  #forgetAll(): void {
    if (this.#drafts.length === 0) return;
    this.#drafts = [];
    this.#isBroken = this.#appending > 0;
  }

  /** Resolves when no append is under way: none can succeed upon something that is no longer so. */
  async #settled(): Promise<void> {
    while (this.#isBroken) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  #refresh(): Promise<void> {
    this.#refreshing ??= this.#room.refresh().finally(() => {
      this.#refreshing = null;
    });
    return this.#refreshing;
  }

  #load(): Promise<void> {
    const { epoch } = this.#room;
    this.#loading ??= loadDocument(this.#room)
      .then(({ state, seq, versionsUnkept, keptSeq }) => {
        this.#state = state;
        this.#seq = seq;
        this.#versionsUnkept = versionsUnkept;
        this.#keptSeq = keptSeq;
        this.#isStale = epoch !== this.#room.epoch || seq < this.#room.head;
      })
      .finally(() => {
        this.#loading = null;
      });
    return this.#loading;
  }

  #fold(event: StoredEvent): void {
    let changes: ChangeSet[] | null = null;
    try {
      changes = changesFrom(event, this.#state);
    } catch (error) {
      this.#room.failure("reading a change of a document", error);
    }
    if (changes !== null) this.#state = this.#state.after(changes);
  }

  async #versionAt(seq: number): Promise<number | null> {
    const [event] = await this.#room.read(seq - 1, 1);
    const stored = event?.seq === seq ? readStored(event) : null;
    return stored === null ? null : stored.version + stored.changes.length;
  }

  #keepWhenDue(times: number): void {
    const isDue =
      this.#versionsUnkept >= SNAPSHOT_VERSIONS * times || this.#charactersUnkept >= SNAPSHOT_CHARACTERS * times;
    if (!isDue || this.#isKeeping || this.#isStale) return;
    const [versions, characters] = [this.#versionsUnkept, this.#charactersUnkept];
    const seq = this.#seq;
    this.#isKeeping = true;
    const data = JSON.stringify({ kind: "ot", version: this.#state.version, text: this.text });
    this.#room
      .putSnapshot(seq, data)
      .then(
        () => {
          this.#keptSeq = seq;
          this.#versionsUnkept -= versions;
          this.#charactersUnkept -= characters;
        },
        (error: unknown) => this.#room.failure("keeping a snapshot of a document", error),
      )
      .finally(() => {
        this.#isKeeping = false;
      });
  }
}
