import type { Envelope, RoomAddress } from "../../protocol/index.ts";
import type { Session } from "../session.ts";

/** `leave_room {roomId}`: nothing of the room is delivered after the answer (JOIN-5). Leaving twice is no error. */
export function handleLeaveRoom(session: Session, envelope: Envelope, { roomId }: RoomAddress): void {
  leaveRoom(session, roomId);
  session.ack(envelope.messageId, { roomId });
}

/** Takes a client out of a room and tells it, with the reason when it did not ask for it. */
export function leaveRoom(session: Session, roomId: string, reason?: "access_denied"): void {
  const membership = session.memberships.get(roomId);
  session.memberships.delete(roomId);
  membership?.end("left");
  session.send("left_room", reason === undefined ? { roomId } : { roomId, reason }, roomId);
}
