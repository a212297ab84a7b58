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
import { OwnedState } from "../owned-state.ts";
import { kindOf } from "../room-kind.ts";
import type { Services } from "../services.ts";
import type { Session } from "../session.ts";
import { unknownNamespace } from "../unknown.ts";
import { viewRoom, viewState } from "../view.ts";

/** `join_room {roomId, after?, limit?}`: reads a room from a cursor on (JOIN-1 to JOIN-4, RES-1, RES-2). */
export async function handleJoinRoom(
  session: Session,
  envelope: Envelope,
  address: RoomAddress,
  services: Services,
): Promise<void> {
  const { after, limit } = readRequest(envelope.payload, services.limits.joinEvents);
  await enterRoom(session, address, services, {
    resumed: !session.isMember,
    locate: (room, existing) =>
      existing !== undefined && after === null && limit === null
        ? goOn(existing, room)
        : room.locate(after, limit ?? 0),
    greet(room, place, membership, you) {
      session.send("joined_room", joinedPayload(room, place, you), room.roomId);
      if (place.lost !== null) membership.subscription.tellLost(place.lost, place.start);
      session.ack(envelope.messageId, { roomId: room.roomId });
      session.send("room_users", room.users(), room.roomId);
    },
  });
}

/**
 * Goes on reading a room where another request of the same client stopped: it is told nothing but what is new since then.
 * Rejects as a join does.
 */
export function resumeRoom(
  session: Session,
  address: RoomAddress,
  { cursor, revision }: RoomCursor,
  services: Services,
): Promise<void> {
  return enterRoom(session, address, services, {
    resumed: true,
    locate: (room) => room.locate(cursor, 0),
    greet(room, place, { subscription }) {
      if (place.lost !== null) subscription.tellLost(place.lost, place.start);
      const rev = room.knownRevision(revision);
      if (rev !== null) subscription.rev = rev;
      else {
        session.send("room_state", { roomId: room.roomId, state: room.stateSnapshot() }, room.roomId);
        session.send("room_users", room.users(), room.roomId);
      }
    },
  });
}

/** The ways of entering a room differ in these. */
interface Entrance {
  /** Whether only a refusal by the namespace matters (`JoinContext.resumed`). */
  readonly resumed: boolean;
  /** Where reading starts. */
  locate(room: Room, existing: Membership | undefined): Place | Promise<Place>;
  /** Tells the client, before anything of the room. Nothing may wait in it. */
  greet(room: Room, place: Place, membership: Membership, you: JsonObject | undefined): void;
}

async function enterRoom(
  session: Session,
  address: RoomAddress,
  services: Services,
  entrance: Entrance,
): Promise<void> {
  const { roomId } = address;
  const entry = { isKicked: false };
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
  entry: { readonly isKicked: boolean },
): Promise<void> {
  const { roomId } = address;
  const user = session.user!;
  const namespace = services.namespaces.get(address.namespace);
  if (namespace === undefined) throw unknownNamespace(address.namespace, services.namespaces);
  if (isFull(session, roomId, services)) throw tooManyRooms(services);
  if (!(await services.can(user, address, "read")))
    throw new YamabikoError("access_denied", "You may not read this room.");

  const room = await services.rooms.open(roomId, kindOf(namespace));
  const unpin = room.pin();
  const existing = session.memberships.get(roomId);
  const owned = existing?.owned ?? new OwnedState(room);
  let membership = existing;
  try {
    const you = await namespace.onJoin?.({
      user,
      resumed: entrance.resumed,
      connectionId: session.id,
      roomId,
      now: services.clock.now(),
      room: viewRoom(room),
      state: (family) => viewState(room, family, owned),
    });

    // From here to the reply nothing waits, so that what the reply says is what follows it.
    const place = await entrance.locate(room, existing);
    if (session.isEnded) return;
    if (entry.isKicked) throw new YamabikoError("access_denied", "You were taken out of this room.");
    if (session.user !== user)
      throw new YamabikoError("unavailable", "Your token was refreshed meanwhile; join again.");
    if (membership === undefined) {
      // Other joins of this connection may have come to their end meanwhile.
      if (isFull(session, roomId, services)) throw tooManyRooms(services);
      const subscription = room.subscribe(session.connection, place);
      membership = new Membership(room, subscription, user, owned, session.isMember);
      session.memberships.set(roomId, membership);
    } else {
      room.seek(membership.subscription, place);
    }
    entrance.greet(room, place, membership, you);
    membership.subscription.pump();
  } finally {
    unpin();
    if (membership === undefined) owned.end();
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

/** Joining again with nothing said goes on where the reader is (JOIN-3). */
function goOn(membership: Membership, room: Room): Place {
  const { epoch, seq } = membership.subscription.position;
  if (epoch === room.epoch) return { epoch, start: seq, lost: null, recovered: true };
  const lost: Lost = { reason: "epoch", from: null, to: null };
  return { epoch: room.epoch, start: room.first - 1, lost, recovered: false };
}

function joinedPayload(room: Room, place: Place, you: JsonObject | undefined): JsonObject {
  const payload: JsonObject = {
    roomId: room.roomId,
    epoch: place.epoch,
    head: room.head,
    cursor: formatCursor(place.epoch, place.start),
    recovered: place.recovered,
    state: room.stateSnapshot(),
  };
  if (you !== undefined) payload.you = you;
  return payload;
}

function readRequest(payload: unknown, maxLimit: number): { after: Cursor | null; limit: number | null } {
  const { after, limit } = (typeof payload === "object" && payload !== null ? payload : {}) as Record<string, unknown>;
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
  };
}
