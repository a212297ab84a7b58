import { type Envelope, parseRoomId, YamabikoError } from "../../protocol/index.ts";
import type { Services } from "../services.ts";
import type { Session } from "../session.ts";
import { leaveRoom } from "./leave-room.ts";

/**
 * `authenticate {token}`: says who the client is; later, refreshes the token in place (AUTH-1 to AUTH-4).
 * A first token that is not accepted closes the connection with 4401; a refresh that is not accepted changes nothing.
 */
export async function handleAuthenticate(session: Session, envelope: Envelope, services: Services): Promise<void> {
  const isFirst = session.user === null;
  try {
    const token = tokenOf(envelope.payload);
    const guestId = services.guests?.verify(token) ?? null;
    if (guestId !== null) {
      session.becomeGuest(services.guests!, { id: guestId, token }, envelope.messageId);
      if (!session.isEnded) session.ack(envelope.messageId, {});
      return;
    }
    if (services.verifyToken === null) {
      throw new YamabikoError("unauthenticated", "This server takes no tokens.", {
        remedy: "Leave out `authenticate`, or start the server with a key.",
      });
    }
    const identity = await services.verifyToken(token);
    if (session.isEnded) return;
    session.identify(identity, envelope.messageId);
    if (!isFirst) await leaveWhatMayNotBeRead(session, services);
    if (!session.isEnded) session.ack(envelope.messageId, { expiresAt: identity.expiresAt });
  } catch (error) {
    session.refuse(envelope.messageId, error);
    const isFinal = error instanceof YamabikoError && !error.retryable;
    if (isFirst && isFinal) session.close("unauthenticated", "the token was not accepted");
  }
}

/** A new token may say less than the one before: rooms it may not read are left (AUTH-2). */
async function leaveWhatMayNotBeRead(session: Session, services: Services): Promise<void> {
  const roomIds = Array.from(session.memberships.values(), ({ room }) => room.roomId);
  for (const roomId of roomIds) {
    if (session.isEnded || session.user === null) return;
    if (await services.can(session.user, parseRoomId(roomId), "read")) continue;
    leaveRoom(session, roomId, "access_denied");
  }
}

function tokenOf(payload: unknown): string {
  const token = typeof payload === "object" && payload !== null ? (payload as { token?: unknown }).token : undefined;
  if (typeof token !== "string") {
    throw new YamabikoError("invalid_message", "`authenticate` needs a `token`.", {
      remedy: 'Send {"type": "authenticate", "payload": {"token": "…"}}.',
    });
  }
  return token;
}
