import { type Envelope, parseRoomId, type RoomAddress } from "../../protocol/index.ts";
import type { Services } from "../services.ts";
import type { Session } from "../session.ts";

/** `leave_room {roomId}`: nothing of the room is delivered after the answer (JOIN-5). Leaving twice is no error. */
export function handleLeaveRoom(
  session: Session,
  envelope: Envelope,
  { roomId }: RoomAddress,
  { rooms }: Services,
): void {
  leaveRoom(session, roomId);
  if (!session.connection.isDuplex) {
    // What it read with has ended already, or is ending: it will not come back within the grace.
    rooms.depart(roomId, session.user!.id);
  }
  session.ack(envelope.messageId, { roomId });
}

/** Takes a client out of a room and tells it, with the reason when it did not ask for it. */
export function leaveRoom(session: Session, roomId: string, reason?: "access_denied" | "kicked" | "banned"): void {
  const membership = session.memberships.get(roomId);
  session.memberships.delete(roomId);
  membership?.end("left");
  session.send("left_room", reason === undefined ? { roomId } : { roomId, reason }, roomId);
}

/** Takes a client out of the rooms it may not read any more: its token says less than the one before (AUTH-2), or a rule has changed. */
export async function leaveUnreadable(session: Session, services: Services): Promise<void> {
  const roomIds = Array.from(session.memberships.values(), ({ room }) => room.roomId);
  for (const roomId of roomIds) {
    if (session.isEnded || session.user === null) return;
    if (await services.can(session.user, parseRoomId(roomId), "read")) continue;
    if (session.memberships.has(roomId)) leaveRoom(session, roomId, "access_denied");
  }
}
