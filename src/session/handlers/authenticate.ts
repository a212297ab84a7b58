import type { MessageSpan } from "../../observe/tracing.ts";
import { type Envelope, toYamabikoError, YamabikoError } from "../../protocol/index.ts";
import type { Services } from "../services.ts";
import type { Session } from "../session.ts";
import { leaveUnreadable } from "./leave-room.ts";

/**
 * `authenticate {token}`: says who the client is; later, refreshes the token in place (AUTH-1 to AUTH-4).
 * A first token that is not accepted closes the connection with 4401; a refresh that is not accepted changes nothing.
 */
export async function handleAuthenticate(
  session: Session,
  envelope: Envelope,
  services: Services,
  span: MessageSpan | null,
): Promise<void> {
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
    services.revocations.check(identity, identity.expiresAt);
    session.identify(identity, envelope.messageId);
    if (!isFirst) await leaveUnreadable(session, services);
    if (!session.isEnded) session.ack(envelope.messageId, { expiresAt: identity.expiresAt });
  } catch (error) {
    span?.refused(toYamabikoError(error).code);
    session.refuse(envelope.messageId, error);
    const isFinal = error instanceof YamabikoError && !error.retryable;
    if (isFirst && isFinal) session.close("unauthenticated", "the token was not accepted");
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
