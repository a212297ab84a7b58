import type { Observer } from "../../observe/observer.ts";
import {
  type Clock,
  type Envelope,
  type Json,
  type JsonObject,
  parseRoomId,
  type Timer,
} from "../../protocol/index.ts";
import { inNoticeParts } from "../../room/notice-parts.ts";
import type { Room } from "../../room/room.ts";
import type { Rooms } from "../../room/rooms.ts";
import type { Namespace } from "../../session/namespace.ts";
import { kindOf } from "../../session/room-kind.ts";
import type { Session, SessionTap } from "../../session/session.ts";
import type { Sessions } from "../../session/sessions.ts";
import { RoomTap } from "./room-tap.ts";

/** A trace ends when nobody has renewed it for so long, ms. */
const LEASE_MS = 12_000;
/** Traces of a node at once. */
const MOST_TRACES = 8;
/** How long entries are gathered, ms, and how many at most; more are only counted. */
const GATHER_MS = 250;
const MOST_ENTRIES = 100;
/** What is shown of a payload, characters. */
const PAYLOAD_LENGTH = 800;
/** Messages whose answer is awaited, per connection: of more the duration is not told. */
const MOST_AWAITED = 200;
/** How often it is looked what other rooms a traced user has come into, ms. */
const LOOK_MS = 1_000;

/** The messages that hold a credential. */
const HOLDS_TOKEN: ReadonlySet<string> = new Set(["authenticate", "welcome"]);

/** What a trace is of: all connections of a user, or a room. */
export interface TraceTarget {
  readonly userId: string | null;
  readonly roomId: string | null;
  readonly payloads: boolean;
}

/** One message of a trace. */
export interface TraceEntry {
  /** ms since 1970. */
  readonly at: number;
  /** `in`: from the client; `out`: to it; `room`: to everybody in a room. */
  readonly direction: "in" | "out" | "room";
  readonly type: string;
  readonly roomId: string | null;
  readonly userId: string | null;
  readonly connectionId: string | null;
  readonly bytes: number;
  readonly seq: number | null;
  /** From the message to its answer, ms; only of answers. */
  readonly durationMs: number | null;
  /** The code an answer refuses with. */
  readonly error: string | null;
  /** The beginning of the payload as JSON text, where the operator asked for it. */
  readonly payload: string | null;
}

export interface TracerParts {
  readonly rooms: Rooms;
  readonly sessions: Sessions;
  readonly namespaces: ReadonlyMap<string, Namespace>;
  /** The namespace of traces. */
  readonly own: Namespace;
  readonly clock: Clock;
  readonly observer: Observer;
}

/**
 * The traces of a node. Nobody pays for them who is not looked at: a user's sessions are tapped while somebody looks, and a room
 * gets one more reader.
 */
export class Tracer {
  readonly #parts: TracerParts;
  /** By the room that tells of it. */
  readonly #traces = new Map<string, RunningTrace>();
  #sweepTimer: Timer | null = null;

  constructor(parts: TracerParts) {
    this.#parts = parts;
    parts.observer.gauge("traces", () => this.#traces.size);
    parts.rooms.words.on("trace", (said) => {
      const { roomId, target } = said as unknown as { roomId: string; target: TraceTarget | null };
      // A room is followed by the node whose operator looks; a user may be anywhere.
      if (target === null || target.userId !== null) this.#hear(roomId, target);
    });
  }

  /** An operator looks, or not any more (null): here, and on the other nodes. */
  say(roomId: string, target: TraceTarget | null): void {
    this.#hear(roomId, target);
    this.#parts.rooms.words.say("trace", { roomId, target: target as unknown as Json });
  }

  close(): void {
    for (const roomId of Array.from(this.#traces.keys())) this.#end(roomId);
  }

  #hear(roomId: string, target: TraceTarget | null): void {
    const known = this.#traces.get(roomId);
    if (target === null || (known !== undefined && !known.isOf(target))) this.#end(roomId);
    if (target === null) return;
    const { clock } = this.#parts;
    let trace = this.#traces.get(roomId);
    if (trace === undefined) {
      if (this.#traces.size >= MOST_TRACES) return;
      trace = new RunningTrace(roomId, target, this.#parts);
      this.#traces.set(roomId, trace);
      this.#look();
    }
    trace.endsAt = clock.monotonic() + LEASE_MS;
  }

  #end(roomId: string): void {
    this.#traces.get(roomId)?.close();
    this.#traces.delete(roomId);
    if (this.#traces.size > 0) return;
    this.#sweepTimer?.cancel();
    this.#sweepTimer = null;
    this.#parts.sessions.onAdmitted = null;
  }

  /** Looks at once and then every second. */
  #look(): void {
    const { clock, sessions } = this.#parts;
    sessions.onAdmitted ??= (session, user) => {
      for (const trace of this.#traces.values()) trace.admit(session, user.id);
    };
    this.#sweepTimer?.cancel();
    const now = clock.monotonic();
    for (const [roomId, trace] of Array.from(this.#traces)) {
      if (trace.endsAt < now) this.#end(roomId);
      else trace.look();
    }
    if (this.#traces.size > 0) this.#sweepTimer = clock.setTimer(() => this.#look(), LOOK_MS);
  }
}

/** One trace on this node. */
class RunningTrace {
  endsAt = Number.POSITIVE_INFINITY;
  readonly #roomId: string;
  readonly #target: TraceTarget;
  readonly #parts: TracerParts;
  readonly #tapped = new Map<Session, SessionTap>();
  /** The rooms that are followed. */
  readonly #followed = new Map<string, RoomTap>();
  #entries: TraceEntry[] = [];
  #dropped = 0;
  #timer: Timer | null = null;
  #isClosed = false;

  constructor(roomId: string, target: TraceTarget, parts: TracerParts) {
    this.#roomId = roomId;
    this.#target = target;
    this.#parts = parts;
    if (target.roomId !== null) void this.#followNamed(target.roomId);
  }

  isOf({ userId, roomId, payloads }: TraceTarget): boolean {
    const target = this.#target;
    return target.userId === userId && target.roomId === roomId && target.payloads === payloads;
  }

  /** Taps the sessions of the user that are there, and follows the rooms they read. */
  look(): void {
    const { userId } = this.#target;
    if (userId === null) return;
    const rooms = new Set<Room>();
    for (const session of this.#parts.sessions.all()) {
      if (session.user?.id !== userId) continue;
      this.#tap(session, userId);
      for (const { room } of session.memberships.values()) rooms.add(room);
    }
    for (const session of this.#tapped.keys()) if (session.isEnded) this.#tapped.delete(session);
    for (const [roomId, tap] of this.#followed) {
      if (rooms.has(tap.room)) continue;
      tap.close();
      this.#followed.delete(roomId);
    }
    for (const room of rooms) this.#follow(room);
  }

  admit(session: Session, userId: string): void {
    if (userId === this.#target.userId) this.#tap(session, userId);
  }

  close(): void {
    this.#isClosed = true;
    this.#timer?.cancel();
    for (const [session, tap] of this.#tapped) if (session.tap === tap) session.tap = null;
    for (const tap of this.#followed.values()) tap.close();
  }

  #tap(session: Session, userId: string): void {
    // Another trace may look at the same user; a session has one tap.
    if (session.tap !== null) return;
    const { clock } = this.#parts;
    const asked = new Map<string, number>();
    const common = { userId, connectionId: session.id };
    const tap: SessionTap = {
      received: ({ type, payload, messageId }, bytes) => {
        if (messageId !== undefined && asked.size < MOST_AWAITED) asked.set(messageId, clock.monotonic());
        this.#add({
          ...common,
          direction: "in",
          type,
          roomId: roomOf(payload),
          bytes,
          payload: this.#shownOf(type, payload),
        });
      },
      sent: (envelope) => {
        const { type, payload, messageId, roomId = null, seq = null } = envelope;
        const since = messageId === undefined ? undefined : asked.get(messageId);
        if (messageId !== undefined) asked.delete(messageId);
        const durationMs = since === undefined ? null : tenthOf(clock.monotonic() - since);
        const answer = (payload ?? {}) as { error?: { code?: string }; code?: string; seq?: number };
        this.#add({
          ...common,
          direction: "out",
          type,
          roomId,
          bytes: lengthOf(envelope),
          seq: seq ?? answer.seq ?? null,
          durationMs,
          error: answer.error?.code ?? (type === "error" ? (answer.code ?? null) : null),
          payload: this.#shownOf(type, payload),
        });
      },
    };
    session.tap = tap;
    this.#tapped.set(session, tap);
  }

  async #followNamed(name: string): Promise<void> {
    const { rooms, namespaces, observer } = this.#parts;
    try {
      const address = parseRoomId(name);
      const namespace = namespaces.get(address.namespace);
      if (namespace === undefined) return;
      const room = await rooms.open(address.roomId, kindOf(namespace));
      if (!this.#isClosed) this.#follow(room);
    } catch (error) {
      observer.failure("following a room for a trace", error);
    }
  }

  #follow(room: Room): void {
    if (this.#followed.get(room.roomId)?.room === room) return;
    this.#followed.get(room.roomId)?.close();
    const told = (entry: Pick<TraceEntry, "type" | "bytes" | "seq">, payload: () => unknown): void =>
      this.#add({ ...entry, direction: "room", roomId: room.roomId, payload: this.#shown(payload) });
    this.#followed.set(room.roomId, new RoomTap(room, told));
  }

  /** As `#shown`, of what goes between the server and one client: whoever looks need not be able to be that client. */
  #shownOf(type: string, payload: unknown): string | null {
    return HOLDS_TOKEN.has(type) ? null : this.#shown(payload);
  }

  /** A payload's text where it was asked for; a function gives it only then. */
  #shown(payload: unknown): string | null {
    if (!this.#target.payloads) return null;
    const value: unknown = typeof payload === "function" ? (payload as () => unknown)() : payload;
    const text = typeof value === "string" && typeof payload === "function" ? value : (JSON.stringify(value) ?? "");
    return text.length > PAYLOAD_LENGTH ? `${text.slice(0, PAYLOAD_LENGTH)}…` : text;
  }

  #add(entry: Partial<TraceEntry> & Pick<TraceEntry, "direction" | "type" | "bytes">): void {
    if (this.#isClosed) return;
    if (this.#entries.length >= MOST_ENTRIES) {
      this.#dropped++;
      return;
    }
    const at = this.#parts.clock.now();
    const nothing = { roomId: null, userId: null, connectionId: null, seq: null, durationMs: null, error: null };
    this.#entries.push({ ...nothing, payload: null, at, ...entry });
    this.#timer ??= this.#parts.clock.setTimer(() => void this.#tell(), GATHER_MS);
  }

  async #tell(): Promise<void> {
    const { rooms, own, observer } = this.#parts;
    const entries = this.#entries;
    const dropped = this.#dropped;
    this.#timer = null;
    this.#entries = [];
    this.#dropped = 0;
    try {
      const room = await rooms.open(this.#roomId, kindOf(own));
      for (const part of inNoticeParts(entries))
        room.signal("traced", { entries: part as unknown as Json, dropped: 0 });
      if (dropped > 0) room.signal("traced", { entries: [], dropped });
    } catch (error) {
      observer.failure("telling a trace", error);
    }
  }
}

function roomOf(payload: unknown): string | null {
  const roomId = typeof payload === "string" ? payload : (payload as JsonObject | null | undefined)?.roomId;
  return typeof roomId === "string" ? roomId.slice(0, 255) : null;
}

function lengthOf(envelope: Envelope): number {
  return Buffer.byteLength(JSON.stringify(envelope));
}

function tenthOf(ms: number): number {
  return Math.round(ms * 10) / 10;
}
