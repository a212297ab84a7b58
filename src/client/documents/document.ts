import { ChangeSet, Text } from "@codemirror/state";
import type { ChangeJson } from "../../protocol/change.ts";
import { type Clock, systemClock, type Timer } from "../../protocol/clock.ts";
import type { YamabikoError } from "../../protocol/errors.ts";
import type { Client } from "../client.ts";
import { Emitter } from "../emitter.ts";
import { newMessageId } from "../message-id.ts";
import type { JoinedRoom, Room } from "../room.ts";
import { Carets, type CaretView } from "./carets.ts";
import { portionOf } from "./portion.ts";
import type { DocumentStorage, StoredDocument } from "./stored-document.ts";

/**
 * `loading` until the text is known; `saved`: everything typed is on the server; `saving`: some of it is on its way; `offline`: it waits for
 * a connection, and nothing is lost meanwhile; `recovered`: saved, but there is text in `recovered` that found no place; `failed`: the
 * document cannot be opened (`error` says why).
 */
export type DocumentStatus = "loading" | "saved" | "saving" | "offline" | "recovered" | "failed";

/** What changed in the text on the screen. */
export interface DocumentChange {
  /** From the text before to the text now. */
  readonly changes: ChangeSet;
  /** Whether others made it, or the server's text took the place of this one. */
  readonly remote: boolean;
  /** What was given to `edit`; null for remote changes. */
  readonly source: unknown;
}

/** The events of a document, and what their listeners get. */
export interface DocumentEvents {
  /** The text changed; by then `text` is the new one. */
  change: DocumentChange;
  /** The status or `recovered` changed. */
  status: DocumentStatus;
  /** Somebody else's caret came, moved or went. Not told when a `change` moves it. */
  carets: undefined;
}

export interface DocumentOptions {
  /** Keeps edits that are not acknowledged over page loads. Needs a client, not a room. Default: they live as long as the page. */
  readonly storage?: DocumentStorage | undefined;
  /** For tests. */
  readonly clock?: Clock | undefined;
}

/** A change on its way: it is repeated under its `messageId` until it is answered. */
interface Sent {
  readonly messageId: string;
  /** What was or will be sent. */
  readonly version: number;
  readonly changes: readonly ChangeJson[];
  /** The same change as it would be at the newest version. */
  now: ChangeSet;
  /** Whether this page has given it to the room. */
  isPosted: boolean;
  /** The event it became, when the answer came before it. */
  acceptedSeq: number | null;
}

/** How long typing goes on before the edits are stored, ms. */
const STORE_MS = 300;
/** How long to wait before a change that was too old is sent anew, ms: what it needs is on its way. */
const AGAIN_MS = 250;

/**
 * A document that several people edit at once. The text on the screen is the server's newest, then what is on its way, then what was
 * typed since. Edits count at once; the server puts them in order, and everybody ends with the same text.
 */
export class SharedDocument {
  readonly documentId: string;
  /** The newest version known of the server. */
  version = 0;
  /** Why it failed. */
  error: YamabikoError | null = null;
  /** Whether this user may only read. Edits are given up then. */
  readOnly = false;
  /** Texts that were typed offline and for which the server's text left no place. The newest last. */
  recovered: readonly string[] = [];
  readonly #emitter = new Emitter(console.error);
  readonly #storage: DocumentStorage | undefined;
  readonly #clock: Clock;
  readonly #carets: Carets;
  #room: Room | null = null;
  #stop: (() => void)[] = [];
  /** The server's text at `version`; null until it is known. */
  #confirmed: Text | null = null;
  #sent: Sent | null = null;
  /** Typed since, after `#sent`. */
  #unsent: ChangeSet | null = null;
  #doc = Text.empty;
  #status: DocumentStatus = "loading";
  /** A new start from the server, and what came after it, while it is not known whether `#sent` is in it. */
  #restart: { text: Text; version: number; seq: number } | null = null;
  #epoch: string | null = null;
  #again: Timer | null = null;
  #storing: Timer | null = null;
  #isStored = false;
  #isClosed = false;

  /** Use `openDocument`. */
  constructor(documentId: string, options: DocumentOptions) {
    this.documentId = documentId;
    this.#storage = options.storage;
    this.#clock = options.clock ?? systemClock;
    this.#carets = new Carets(
      () => this.#room,
      () => this.#tell("carets"),
      this.#clock,
    );
  }

  get status(): DocumentStatus {
    return this.#status;
  }

  /** The text on the screen; empty while `loading`. Lines end with `\n`. */
  get text(): string {
    return this.#doc.toString();
  }

  /** The same as CodeMirror keeps it. */
  get doc(): Text {
    return this.#doc;
  }

  /** Where others write, in the text on the screen. */
  get carets(): readonly CaretView[] {
    return this.#carets.views(this.#own());
  }

  on<Name extends keyof DocumentEvents>(name: Name, run: (payload: DocumentEvents[Name]) => void): () => void {
    return this.#emitter.on(name, run as never);
  }

  /**
   * Changes the text.
   * @param source is told with the change, so that whoever made it knows its own.
   * @throws {RangeError} when the changes are not of this text.
   */
  edit(changes: ChangeSet, source: unknown = null): void {
    if (!this.#confirmed || this.#isClosed) throw new RangeError("Not open.");
    const next = changes.apply(this.#doc);
    if (changes.empty) return;
    this.#doc = next;
    this.#unsent = this.#unsent?.compose(changes) ?? changes;
    this.#tell("change", { changes, remote: false, source });
    this.#flush();
    this.#update();
  }

  /** Says where this user's caret is, in the text on the screen; null for nowhere. Others learn it at most 20 times a second. */
  moveCaret(anchor: number | null, head = anchor): void {
    const own = this.#own()?.invertedDesc;
    const at = (position: number): number => own?.mapPos(position) ?? position;
    this.#carets.move(anchor === null ? null : { anchor: at(anchor), head: at(head!), version: this.version });
  }

  /** The user has seen to what was in `recovered`. */
  dismissRecovered(): void {
    this.recovered = [];
    this.#update();
  }

  /** Leaves the room. Edits that are not acknowledged stay in the storage, if there is one. */
  close(): void {
    if (this.#isClosed) return;
    this.#store();
    this.#isClosed = true;
    this.#again?.cancel();
    for (const stop of this.#stop) stop();
    this.#carets.close();
    this.#room?.leave();
    this.#emitter.silence();
  }

  // ---- what `openDocument` calls

  /** Takes up what was stored. */
  restore({ version, text, sent, unsent }: StoredDocument): void {
    this.version = version;
    this.#confirmed = this.#doc = Text.of(text.split("\n"));
    if (sent !== null) {
      this.#sent = { ...sent, now: ChangeSet.fromJSON(sent.now), isPosted: false };
      this.#doc = this.#sent.now.apply(this.#doc);
    }
    if (unsent !== null) {
      this.#unsent = ChangeSet.fromJSON(unsent);
      this.#doc = this.#unsent.apply(this.#doc);
    }
    this.#isStored = true;
    this.#update();
  }

  /** Edits through this room from now on; with its client it knows when the connection comes and goes. */
  follow(room: Room, client?: Client): void {
    if (this.#isClosed) return void room.leave();
    this.#room = room;
    if (client) this.#stop.push(client.on("status", () => this.#update()));
    const on = (name: string, run: (payload: never, envelope: never) => void): void =>
      void this.#stop.push(room.on(name, run as never));
    on("joined", (joined: JoinedRoom) => this.#joined(joined));
    on("history_lost", ({ snapshot }: { snapshot?: Snapshot }) => snapshot && this.#start(snapshot));
    on("remote_change", (change: RemoteChange, envelope: Envelope) => this.#received(change, envelope));
    on("remote_cursor", (caret: never) => this.#carets.heard(caret));
    on("room_state", ({ state }: JoinedRoom) => this.#carets.reset(state?.caret));
    on("failed", (error: YamabikoError) => this.#fail(error));
    // Its status is told by nothing else when the connection goes.
    on("left", () => this.#update());
  }

  #joined({ snapshot, state, you }: JoinedRoom): void {
    this.readOnly = (you as { access?: string } | undefined)?.access === "read";
    if (snapshot) this.#start(snapshot as Snapshot);
    this.#carets.reset(state?.caret);
    this.#flush();
    this.#update();
  }

  /** The server's text takes the place of what this page knew of it. */
  #start({ version, text }: Snapshot): void {
    if (typeof text !== "string") return this.#fail(new Error("Not a plain text.") as YamabikoError);
    const { epoch, seq } = this.#room!;
    // Another log knows nothing of what was in the one before.
    if (this.#epoch !== epoch && this.#epoch !== null && this.text !== text) this.#recover([this.text]);
    this.#epoch = epoch;
    this.#restart = { text: Text.of(text.split("\n")), version, seq };
    if (this.#sent?.isPosted) this.#settle();
    else this.#replace();
  }

  /** Goes on from the new start, with what it does not have. */
  #replace(): void {
    const restart = this.#restart!;
    if (this.#confirmed === null) return this.#goOn(replaceAll(this.#doc, restart.text), null);
    // Few pages ever need it.
    import("./merging.ts").then(
      ({ merge }) => {
        if (this.#restart !== restart) return;
        const { changes, recovered, shown } = merge(this.#confirmed!, this.#own(), restart.text);
        this.#recover(recovered);
        this.#goOn(shown, changes);
      },
      () => {
        if (this.#restart !== restart) return;
        this.#recoverOwn();
        this.#goOn(replaceAll(this.#doc, restart.text), null);
      },
    );
  }

  /** @param shown from what was on the screen to what will be. */
  #goOn(shown: ChangeSet, unsent: ChangeSet | null): void {
    if (this.#restart) {
      this.#confirmed = this.#restart.text;
      this.version = this.#restart.version;
    }
    this.#restart = this.#sent = null;
    this.#unsent = unsent;
    this.#doc = shown.apply(this.#doc);
    this.#carets.reset(undefined);
    this.#tell("change", { changes: shown, remote: true, source: null });
    this.#flush();
    this.#update();
  }

  #recover(texts: readonly string[]): void {
    this.recovered = [...this.recovered, ...texts.filter((text) => text !== "")];
  }

  #received(change: RemoteChange, envelope: Envelope): void {
    if (this.#restart) return this.#restarted(change, envelope);
    // Only what leads on from here; the server itself takes nothing else.
    if (this.#confirmed === null || change.version !== this.version) return;
    const shown: ChangeSet[] = [];
    const isOwn = this.#sent !== null && envelope.messageId === this.#sent.messageId;
    if (isOwn) this.#sent = null;
    for (const json of change.changes) {
      let changes = ChangeSet.fromJSON(json);
      this.#confirmed = changes.apply(this.#confirmed);
      this.version++;
      this.#carets.map(changes, this.version);
      if (isOwn) continue;
      if (this.#sent) {
        const now = this.#sent.now.map(changes);
        changes = changes.map(this.#sent.now, true);
        this.#sent.now = now;
      }
      if (this.#unsent) {
        const unsent = this.#unsent.map(changes);
        changes = changes.map(this.#unsent, true);
        this.#unsent = unsent;
      }
      this.#doc = changes.apply(this.#doc);
      shown.push(changes);
    }
    if (shown.length > 0) {
      const changes = shown.reduce((all, next) => all.compose(next));
      this.#tell("change", { changes, remote: true, source: null });
    }
    this.#flush();
    this.#update();
  }

  /** What the server does not have, in one change. */
  #own(): ChangeSet | null {
    const { now } = this.#sent ?? {};
    return now && this.#unsent ? now.compose(this.#unsent) : (now ?? this.#unsent);
  }

  /** Sends what was typed, when nothing is on its way. */
  #flush(): void {
    if (this.#room?.status !== "joined" || this.#restart || this.#again || this.#confirmed === null) return;
    if (this.#sent === null) {
      if (this.#unsent?.empty) this.#unsent = null;
      if (this.#unsent === null) return;
      const [now, rest] = portionOf(this.#unsent);
      this.#unsent = rest;
      this.#sent = {
        messageId: newMessageId(),
        version: this.version,
        changes: [now.toJSON()],
        now,
        isPosted: false,
        acceptedSeq: null,
      };
    }
    if (!this.#sent.isPosted) this.#post(this.#sent);
  }

  #post(sent: Sent): void {
    const { messageId, version, changes } = sent;
    sent.isPosted = true;
    const message = this.#room!.send(
      "document_change",
      { documentId: this.documentId, version, changes },
      { messageId },
    );
    message.ack.then(
      ({ seq }) => this.#answered(sent, seq ?? 0),
      (error: YamabikoError) => {
        message.discard();
        this.#refused(sent, error);
      },
    );
  }

  /** What comes after a new start goes into it. */
  #restarted({ version, changes }: RemoteChange, { seq }: Envelope): void {
    const restart = this.#restart!;
    restart.seq = seq!;
    if (version !== restart.version) return;
    for (const json of changes) restart.text = ChangeSet.fromJSON(json).apply(restart.text);
    restart.version += changes.length;
    this.#settle();
  }

  #answered(sent: Sent, seq: number): void {
    sent.acceptedSeq = seq;
    if (this.#restart && this.#sent === sent) this.#settle();
  }

  /** Once what was sent is in the new start, what was typed since is typed upon it. */
  #settle(): void {
    const { acceptedSeq, now } = this.#sent ?? {};
    if (!now || acceptedSeq == null || acceptedSeq > this.#restart!.seq) return;
    this.#confirmed = now.apply(this.#confirmed!);
    this.#sent = null;
    this.#replace();
  }

  #refused(sent: Sent, error: YamabikoError): void {
    if (this.#sent !== sent || this.#isClosed) return;
    this.#unsent = this.#own();
    this.#sent = null;
    if (this.#restart) this.#replace();
    else if (error.code === "conflict") {
      this.#again = this.#clock.setTimer(() => {
        this.#again = null;
        this.#flush();
      }, AGAIN_MS);
    } else if (error.code !== "not_joined" && !error.retryable) this.#giveUp(error);
    this.#update();
  }

  /** The server will never take what was typed: it stays in `recovered`, and the text is the server's. */
  #giveUp(error: YamabikoError): void {
    this.error = error;
    this.#recoverOwn();
    const own = this.#own();
    if (own) this.#goOn(own.invert(this.#confirmed!), null);
  }

  #recoverOwn(): void {
    this.#own()?.iterChanges((_fromA, _toA, _fromB, _toB, inserted) => this.#recover([inserted.toString()]));
  }

  #fail(error: YamabikoError): void {
    this.error = error;
    this.#setStatus("failed");
  }

  #update(): void {
    if (this.#isClosed || this.#status === "failed") return;
    const hasOwn = this.#sent !== null || this.#unsent !== null;
    if (this.#confirmed === null) this.#setStatus("loading");
    else if (this.#room?.status !== "joined") this.#setStatus("offline");
    else if (hasOwn) this.#setStatus("saving");
    else this.#setStatus(this.recovered.length > 0 ? "recovered" : "saved");
    if (this.#storage && (hasOwn || this.#isStored))
      this.#storing ??= this.#clock.setTimer(() => this.#store(), STORE_MS);
  }

  #setStatus(status: DocumentStatus): void {
    if (this.#status === status && status !== "recovered") return;
    this.#status = status;
    this.#tell("status", status);
  }

  #store(): void {
    this.#storing?.cancel();
    this.#storing = null;
    const { cursor } = this.#room ?? {};
    if (!this.#storage || this.#isClosed || !cursor || this.#confirmed === null || this.#restart) return;
    const sent = this.#sent;
    const unsent = this.#unsent;
    this.#isStored = !!(sent ?? unsent);
    void this.#storage.save(
      this.documentId,
      this.#isStored
        ? {
            cursor,
            version: this.version,
            text: this.#confirmed.toString(),
            sent: sent && { ...sent, now: sent.now.toJSON() as ChangeJson },
            unsent: unsent && (unsent.toJSON() as ChangeJson),
          }
        : null,
    );
  }

  #tell<Name extends keyof DocumentEvents>(name: Name, payload?: DocumentEvents[Name]): void {
    this.#emitter.tell(name, payload);
  }
}

function replaceAll(from: Text, to: Text): ChangeSet {
  return ChangeSet.of({ from: 0, to: from.length, insert: to }, from.length);
}

interface Snapshot {
  readonly version: number;
  readonly text: string;
}

interface RemoteChange {
  readonly userId: string;
  readonly version: number;
  readonly changes: readonly ChangeJson[];
}

interface Envelope {
  readonly messageId?: string;
  readonly seq?: number;
}
