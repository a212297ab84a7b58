import type { TransportName } from "../observe/observer.ts";
import type { Session } from "./session.ts";

/** How a connection stands: it has not said who it is; it has everything there is; it has yet to take what came. */
export type ConnectionState = "authenticating" | "live" | "behind";

/** One connection, as an operator sees it. Holds no token and nothing anybody said. */
export interface ConnectionView {
  /** As in `welcome`. Begins with the id of its node. */
  readonly connectionId: string;
  readonly transport: TransportName;
  /** Null until it has said who it is. */
  readonly userId: string | null;
  readonly userName: string | null;
  readonly guest: boolean;
  /** The address it comes from, of IPv6 the /64; null when that is not known. */
  readonly address: string | null;
  /** When it came, ms since 1970. A poll comes anew with every request. */
  readonly since: number;
  /** When its token ends, ms since 1970; null for guests. */
  readonly expiresAt: number | null;
  /** The first of the rooms it joined, at most five. */
  readonly rooms: readonly string[];
  /** How many it joined. */
  readonly roomCount: number;
  /** How long its newest ping was on its way and back, ms; null when that is not known, and always over HTTP. */
  readonly latencyMs: number | null;
  /** What it has not taken yet, bytes; null when nobody knows. */
  readonly outboxBytes: number | null;
  readonly state: ConnectionState;
}

/** The rooms a view names. */
const NAMED_ROOMS = 5;

/** A connection as it stands now. */
export function viewConnection(session: Session): ConnectionView {
  const { connection, memberships, user } = session;
  const rooms: string[] = [];
  let isBehind = connection.isCongested;
  for (const { room, subscription } of memberships.values()) {
    if (rooms.length < NAMED_ROOMS) rooms.push(room.roomId);
    if (!subscription.isLive && !subscription.isWaiting) isBehind = true;
  }
  return {
    connectionId: session.id,
    transport: connection.transport,
    userId: user?.id ?? null,
    userName: user?.name ?? null,
    guest: user?.guest ?? false,
    address: session.address,
    since: session.since,
    expiresAt: session.expiresAt,
    rooms,
    roomCount: memberships.size,
    latencyMs: tenthOf(connection.latencyMs ?? null),
    outboxBytes: connection.pendingBytes ?? null,
    state: user === null ? "authenticating" : isBehind ? "behind" : "live",
  };
}

function tenthOf(ms: number | null): number | null {
  return ms === null ? null : Math.round(ms * 10) / 10;
}
