import type { Decision, Revocations } from "../auth/revocations.ts";
import type { LogEvent, Snapshot } from "../log/log.ts";
import type { Observer } from "../observe/observer.ts";
import type { JsonObject, Timer } from "../protocol/index.ts";
import type { Companion } from "../room/companion.ts";
import type { Room, RoomKind } from "../room/room.ts";
import type { Rooms } from "../room/rooms.ts";

/** The namespace of what is the server's own. No application may have it, and no client reaches it. */
export const SERVER_NAMESPACE = "server";
/** The room in whose log decisions about users are kept. */
const ROOM_ID = `${SERVER_NAMESPACE}:access`;
/** A snapshot is kept after this many decisions; the log keeps as many more. */
const SNAPSHOT_EVENTS = 500;
/** How many events one read asks for. */
const PAGE_EVENTS = 500;
/** How often it is read again when something is missing. */
const MORE_READS = 3;
/** How long to wait before reading again what the log could not give, ms. */
const RETRY_MS = 500;
/** The word by which the doorbell is rung again where the bus may lose it. */
const WORD = "access";

export interface AccessLogParts {
  readonly rooms: Rooms;
  readonly revocations: Revocations;
  readonly observer: Observer;
  /** Told of a decision that is news to this node; null when there are many, so that everybody must be looked at. */
  onDecided(decision: Decision | null): void;
}

/**
 * The decisions about users in a log of their own, which every node follows from its start on: they outlive restarts, and a
 * node that was away finds them. The log alone says in which order they were made.
 */
export class AccessLog implements Companion {
  readonly speaksForState = false;
  /** It is needed for as long as the node lives. */
  readonly isBusy = true;
  readonly bytes = 0;
  readonly #parts: AccessLogParts;
  readonly #room: Room;
  /** Up to where the decisions were taken. */
  #seq = 0;
  #snapshotSeq = 0;
  /** While what was decided is read anew. */
  #loading: Promise<void> | null = null;
  #retry: Timer | null = null;

  private constructor(room: Room, parts: AccessLogParts) {
    this.#room = room;
    this.#parts = parts;
  }

  /** Reads what was decided, and follows it from now on. Rejects with `unavailable` when the log does. */
  static async open(parts: AccessLogParts): Promise<AccessLog> {
    const { rooms } = parts;
    const kind: RoomKind = {
      state: {},
      retention: { maxEvents: SNAPSHOT_EVENTS },
      async open(room) {
        const accessLog = new AccessLog(room, parts);
        await accessLog.#load();
        return accessLog;
      },
    };
    const room = await rooms.open(ROOM_ID, kind);
    rooms.words.on(WORD, (said, from) => {
      const { epoch, seq } = said as { epoch: string; seq: number };
      room.hear({ kind: "event", from, epoch, seq });
    });
    return room.companion as AccessLog;
  }

  /**
   * Keeps a decision; it holds here when the promise resolves, and on other nodes within a moment. Rejects with `unavailable`
   * when the log cannot take it.
   */
  async add(decision: Decision): Promise<void> {
    const { type, ...payload } = decision;
    const event = { type, data: JSON.stringify(payload) };
    const { epoch, seq } = await this.#room.publish(null, null, event);
    this.#parts.rooms.words.say(WORD, { epoch, seq });
    if (this.#seq < seq) await this.#room.refresh();
    await this.#loading;
    if (seq - this.#snapshotSeq >= SNAPSHOT_EVENTS) this.#keep();
  }

  /** Takes what the log holds by now. Rejects with `unavailable` when it cannot say. */
  async refresh(): Promise<void> {
    await this.#room.refresh();
    await this.#loading;
  }

  get trimmable(): number {
    return this.#snapshotSeq;
  }

  advanced(event: LogEvent): void {
    // What is being read anew holds it too.
    if (event.seq <= this.#seq || this.#loading !== null) return;
    const decision = this.#take(event);
    if (decision !== null) this.#parts.onDecided(decision);
  }

  jumped(): void {
    this.#loading ??= this.#load().then(
      () => {
        this.#loading = null;
        this.#parts.onDecided(null);
        if (this.#seq < this.#room.head) this.jumped();
      },
      (error: unknown) => {
        this.#parts.observer.failure("reading who was revoked and banned", error);
        this.#retry = this.#room.clock.setTimer(() => {
          this.#loading = null;
          this.jumped();
        }, RETRY_MS);
      },
    );
  }

  stateChanged(): void {}

  heard(): void {}

  close(): void {
    this.#retry?.cancel();
  }

  /** Reads everything first: what held until then holds until it is known what holds instead. */
  async #load(): Promise<void> {
    let { snapshot, events, isWhole } = await this.#read();
    // Another node kept a newer snapshot meanwhile, and the log let go of what is in it.
    for (let again = 0; !isWhole && again < MORE_READS; again++) ({ snapshot, events, isWhole } = await this.#read());
    if (!isWhole) {
      const error = new Error("decisions are missing between the snapshot and the log: somebody else removed them");
      this.#parts.observer.failure("reading who was revoked and banned", error);
    }
    this.#parts.revocations.restore(snapshot?.data ?? null);
    this.#seq = this.#snapshotSeq = snapshot?.seq ?? 0;
    for (const event of events) this.#take(event);
    this.#parts.revocations.sweep();
  }

  /** The snapshot, and what came after it; whether nothing is missing in between. */
  async #read(): Promise<{ snapshot: Snapshot | null; events: readonly LogEvent[]; isWhole: boolean }> {
    const snapshot = await this.#room.snapshot();
    const events: LogEvent[] = [];
    const start = snapshot?.seq ?? 0;
    let seq = start;
    while (seq < this.#room.head) {
      const page = await this.#room.read(seq, PAGE_EVENTS);
      if (page.length === 0) break;
      events.push(...page);
      seq = page.at(-1)!.seq;
    }
    return { snapshot, events, isWhole: events.length === seq - start };
  }

  #take({ seq, type, data }: LogEvent): Decision | null {
    this.#seq = seq;
    try {
      const decision = { type, ...(JSON.parse(data) as JsonObject) } as unknown as Decision;
      this.#parts.revocations.apply(decision);
      return decision;
    } catch (error) {
      this.#parts.observer.failure("reading a decision about a user", error);
      return null;
    }
  }

  #keep(): void {
    const seq = this.#seq;
    this.#room.putSnapshot(seq, this.#parts.revocations.toSnapshot()).then(
      () => {
        this.#snapshotSeq = seq;
      },
      (error: unknown) => this.#parts.observer.failure("keeping who was revoked and banned", error),
    );
  }
}
