import type { Session } from "../../session/session.ts";

/** With as much waiting, a connection counts as slow, bytes: from there on rooms leave it alone. */
const WAITING_BYTES = 64 * 1024;
/** One that took nothing for as long although something waits, ms. */
const TAKES_NOTHING_MS = 2_000;
/** One that is so far away, ms. */
const FAR_MS = 500;
/** Rooms that one tells of. */
const NAMED_ROOMS = 5;

/** Why a connection is slow: each of these by itself is a reason. */
export type Slowness =
  /** Bytes wait for it, and it took none of them for `forMs`. */
  | { readonly kind: "takes_nothing"; readonly forMs: number; readonly waitingBytes: number }
  /** It takes bytes, but more wait than rooms give it. */
  | { readonly kind: "takes_slowly"; readonly waitingBytes: number }
  /** A room is ahead of it by so many events. */
  | { readonly kind: "behind"; readonly roomId: string; readonly events: number }
  /** It sends faster than its rate: so many messages had to be refused. */
  | { readonly kind: "rate_limited"; readonly times: number }
  /** It asked for so much that its messages are not read any more until it takes the answers. */
  | { readonly kind: "not_read" }
  /** A ping and its answer are long on their way. */
  | { readonly kind: "far"; readonly latencyMs: number };

/** How slow a connection is, for sorting; 0 for one that is not. Bytes that wait weigh more than anything else. */
export function slownessScore(session: Session): number {
  const { connection } = session;
  const waiting = connection.pendingBytes ?? 0;
  const forMs = connection.takesNothingForMs ?? 0;
  let score = 0;
  if (forMs >= TAKES_NOTHING_MS) score += 1_000_000 + forMs;
  if (waiting >= WAITING_BYTES) score += 500_000 + waiting / 1_024;
  for (const { room, subscription } of session.memberships.values()) {
    if (!subscription.isLive && !subscription.isWaiting)
      score += 1_000 + Math.max(0, room.head - subscription.position.seq);
  }
  if ((connection.latencyMs ?? 0) >= FAR_MS) score += connection.latencyMs!;
  return score + Math.min(session.rateRefusals, 1_000);
}

/** Why a connection is slow; nothing for one that is not. */
export function slownessOf(session: Session): Slowness[] {
  const { connection } = session;
  const found: Slowness[] = [];
  const waitingBytes = connection.pendingBytes ?? 0;
  const forMs = Math.round(connection.takesNothingForMs ?? 0);
  if (forMs >= TAKES_NOTHING_MS) found.push({ kind: "takes_nothing", forMs, waitingBytes });
  else if (waitingBytes >= WAITING_BYTES) found.push({ kind: "takes_slowly", waitingBytes });
  if (connection.isCongested) found.push({ kind: "not_read" });
  let named = 0;
  for (const { room, subscription } of session.memberships.values()) {
    const events = room.head - subscription.position.seq;
    if (subscription.isLive || subscription.isWaiting || events <= 0 || named++ >= NAMED_ROOMS) continue;
    found.push({ kind: "behind", roomId: room.roomId, events });
  }
  if (session.rateRefusals > 0) found.push({ kind: "rate_limited", times: session.rateRefusals });
  const { latencyMs = null } = connection;
  if (latencyMs !== null && latencyMs >= FAR_MS) found.push({ kind: "far", latencyMs: Math.round(latencyMs) });
  return found;
}
