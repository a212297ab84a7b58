import type { ResumeResult } from "../../observe/observer.ts";
import {
  type Cursor,
  type Envelope,
  formatCursor,
  type JsonObject,
  parseCursor,
  type RoomAddress,
  type RoomCursor,
  YamabikoError,
} from "../../protocol/index.ts";
import type { Lost, Place } from "../../room/page.ts";
import type { Room } from "../../room/room.ts";
import { Membership } from "../membership.ts";
import type { ReaderContext } from "../namespace.ts";
import { OwnedState } from "../owned-state.ts";
import { readWishes, type Start, startAnew, startOf, stateFor } from "../reader.ts";
import { featureOf, kindOf } from "../room-kind.ts";
import type { Services } from "../services.ts";
import type { Entry, Session } from "../session.ts";
import { unknownNamespace } from "../unknown.ts";
import { viewRoom, viewState } from "../view.ts";

/** `join_room {roomId, after?, limit?, maxHz?, …}`: reads a room from a cursor on (JOIN-1 to JOIN-5, RES-1, RES-2). */
export async function handleJoinRoom(
  session: Session,
  envelope: Envelope,
  address: RoomAddress,
  services: Services,
): Promise<void> {
  const { after, limit, members } = readRequest(envelope.payload, services.limits.joinEvents);
  await enterRoom(session, address, services, {
    resumed: !session.isMember,
    members,
    async locate(room, existing, reader) {
      if (existing !== undefined && after === null && limit === null) return goOn(existing, room);
      const start = await startOf(room, await room.locate(after, limit ?? 0), after !== null, reader);
      if (after !== null) services.observer.resumed(resultOf(start));
      return start;
    },
    greet(room, start, membership, reader, you) {
      session.send("joined_room", joinedPayload(room, start, reader, you), room.roomId);
      if (start.lost !== null) membership.subscription.tellLost(start.lost, start.start);
      session.ack(envelope.messageId, { roomId: room.roomId });
      session.send("room_users", room.users(), room.roomId);
    },
  });
}

/**
 * Goes on reading a room where another request of the same client stopped: it is told nothing but what is new since then.
 * Rejects as a join does.
 * @param members what `join_room` would have besides the cursor.
 */
export function resumeRoom(
  session: Session,
  address: RoomAddress,
  { cursor, revision }: RoomCursor,
  members: Readonly<Record<string, unknown>>,
  services: Services,
): Promise<void> {
  return enterRoom(session, address, services, {
    resumed: true,
    members,
    locate: async (room, _, reader) => startOf(room, await room.locate(cursor, 0), true, reader),
    greet(room, start, { subscription }, reader) {
      if (start.lost !== null) subscription.tellLost(start.lost, start.start, start.snapshot);
      const rev = room.knownRevision(revision);
      if (rev !== null) subscription.rev = rev;
      else {
        session.send("room_state", { roomId: room.roomId, state: stateFor(room, reader) }, room.roomId);
        session.send("room_users", room.users(), room.roomId);
      }
    },
  });
}

/** The ways of entering a room differ in these. */
interface Entrance {
  /** Whether only a refusal by the namespace matters (`JoinContext.resumed`). */
  readonly resumed: boolean;
  /** What the client wants besides a place: `maxHz`, and what the namespace knows. */
  readonly members: Readonly<Record<string, unknown>>;
  /** Where reading starts. */
  locate(room: Room, existing: Membership | undefined, reader: ReaderContext): Start | Promise<Start>;
  /** Tells the client, before anything of the room. Nothing may wait in it. */
  greet(room: Room, start: Start, membership: Membership, reader: ReaderContext, you: JsonObject | undefined): void;
}

async function enterRoom(
  session: Session,
  address: RoomAddress,
  services: Services,
  entrance: Entrance,
): Promise<void> {
  const { roomId } = address;
  const entry = { isKicked: false, isAskedAnew: false };
  session.entering ??= new Map();
  session.entering.set(roomId, entry);
  try {
    await enter(session, address, services, entrance, entry);
  } finally {
    session.entering?.delete(roomId);
    if (session.entering?.size === 0) session.entering = null;
  }
}

async function enter(
  session: Session,
  address: RoomAddress,
  services: Services,
  entrance: Entrance,
  entry: Readonly<Entry>,
): Promise<void> {
  const { roomId } = address;
  const user = session.user!;
  const namespace = services.namespaces.get(address.namespace);
  if (namespace === undefined) throw unknownNamespace(address.namespace, services.namespaces);
  if (isFull(session, roomId, services)) throw tooManyRooms(services);
  services.revocations.checkBan(roomId, user.id);
  if (!(await services.can(user, address, "read")))
    throw new YamabikoError("access_denied", "You may not read this room.");
  const { gatherMs, options } = await readWishes(entrance.members, namespace);

  const room = await services.rooms.open(roomId, kindOf(namespace));
  const unpin = room.pin();
  const existing = session.memberships.get(roomId);
  const owned = existing?.owned ?? new OwnedState(room);
  let membership = existing;
  try {
    const reader: ReaderContext = { user, resumed: entrance.resumed, connectionId: session.id, options };
    const you = await namespace.onJoin?.({
      ...reader,
      roomId,
      now: services.clock.now(),
      room: viewRoom(room),
      feature: featureOf(room),
      state: (family) => viewState(room, family, owned),
      can: (right) => services.can(user, address, right),
    });

    // From here to the reply nothing waits, so that what the reply says is what follows it.
    const place = await entrance.locate(room, existing, reader);
    if (session.isEnded) return;
    if (entry.isKicked) throw new YamabikoError("access_denied", "You were taken out of this room.");
    services.revocations.checkBan(roomId, user.id);
    if (entry.isAskedAnew) throw new YamabikoError("unavailable", "The rules have changed meanwhile; join again.");
    if (session.user !== user)
      throw new YamabikoError("unavailable", "Your token was refreshed meanwhile; join again.");
    if (membership === undefined) {
      // Other joins of this connection may have come to their end meanwhile.
      if (isFull(session, roomId, services)) throw tooManyRooms(services);
      const subscription = room.subscribe(session.connection, place, gatherMs);
      membership = new Membership(room, subscription, user, owned, options, session.isMember);
      session.memberships.add(membership);
    } else {
      room.seek(membership.subscription, place, gatherMs);
    }
    membership.subscription.startAnew = startAnew(room, reader);
    entrance.greet(room, place, membership, reader, you);
    membership.subscription.pump();
    room.ticks?.add(reader, session.connection);
    tellReading(room, reader);
  } finally {
    unpin();
    if (membership === undefined) owned.end();
  }
}

/** The namespace's own code: what it throws is not the reader's fault. */
function tellReading(room: Room, reader: ReaderContext): void {
  try {
    featureOf(room)?.reading?.(reader);
  } catch (error) {
    room.companionFailed(error);
  }
}

function isFull(session: Session, roomId: string, { limits }: Services): boolean {
  return !session.memberships.has(roomId) && session.memberships.size >= limits.roomsPerConnection;
}

function tooManyRooms({ limits, observer }: Services): YamabikoError {
  observer.limited("roomsPerConnection");
  return new YamabikoError("too_many_rooms", `At most ${limits.roomsPerConnection} rooms per connection.`, {
    remedy: "Leave a room first.",
  });
}

/** How a cursor was served. */
function resultOf({ recovered, snapshot }: Start): ResumeResult {
  if (recovered) return "replayed";
  return snapshot === undefined ? "lost" : "snapshot";
}

/** Joining again with nothing said goes on where the reader is (JOIN-3). */
function goOn(membership: Membership, room: Room): Place {
  const { epoch, seq } = membership.subscription.position;
  if (epoch === room.epoch) return { epoch, start: seq, lost: null, recovered: true };
  const lost: Lost = { reason: "epoch", from: null, to: null };
  return { epoch: room.epoch, start: room.first - 1, lost, recovered: false };
}

function joinedPayload(
  room: Room,
  { epoch, start, recovered, snapshot }: Start,
  reader: ReaderContext,
  you: JsonObject | undefined,
): JsonObject {
  const payload: JsonObject = {
    roomId: room.roomId,
    epoch,
    head: room.head,
    cursor: formatCursor(epoch, start),
    recovered,
    state: stateFor(room, reader),
  };
  if (snapshot !== undefined) payload.snapshot = snapshot;
  if (you !== undefined) payload.you = you;
  return payload;
}

function readRequest(
  payload: unknown,
  maxLimit: number,
): { after: Cursor | null; limit: number | null; members: Record<string, unknown> } {
  const fields = (typeof payload === "object" && payload !== null ? payload : {}) as Record<string, unknown>;
  const { roomId: _, after, limit, ...members } = fields;
  if (
    limit !== undefined &&
    limit !== null &&
    (typeof limit !== "number" || !Number.isInteger(limit) || limit < 0 || limit > maxLimit)
  ) {
    throw new YamabikoError("invalid_message", `\`limit\` must be a whole number from 0 to ${maxLimit}.`);
  }
  return {
    after: after === undefined || after === null ? null : parseCursor(after),
    limit: typeof limit === "number" ? limit : null,
    members,
  };
}
