import { type ConnectionView, viewConnection } from "../../session/connection-view.ts";
import type { Session } from "../../session/session.ts";
import type { Answers } from "./node-questions.ts";
import { type Slowness, slownessOf, slownessScore } from "./slowness.ts";

/** The orders a list of connections has. */
export const CONNECTION_ORDERS = ["slow", "newest", "latency", "outbox", "user"] as const;

/** Which connections are asked for. */
export interface ConnectionsAsked {
  /** In the user's id or name, the address, the connection's id, or a room; null for all. */
  readonly search: string | null;
  readonly transport: string | null;
  readonly order: (typeof CONNECTION_ORDERS)[number];
  /** The slow ones alone. */
  readonly isSlow: boolean;
  readonly limit: number;
}

/** A connection in the list. */
export interface ConnectionRow extends ConnectionView {
  readonly nodeId: string;
  readonly slowness: readonly Slowness[];
  /** What it is sorted by. */
  readonly rank: number | string;
}

/** The first connections of a node in an order. */
export interface ConnectionsAnswer {
  /** How many there are, how many fit, and how many of all are slow. */
  readonly total: number;
  readonly fitting: number;
  readonly slow: number;
  readonly rows: readonly ConnectionRow[];
}

/** The connections of this node that fit, the first in the order. */
export function listConnections(
  sessions: Iterable<Session>,
  asked: ConnectionsAsked,
  nodeId: string,
): ConnectionsAnswer {
  const fitting: { session: Session; rank: number | string }[] = [];
  let total = 0;
  let slow = 0;
  for (const session of sessions) {
    total++;
    const score = slownessScore(session);
    if (score > 0) slow++;
    if ((asked.isSlow && score === 0) || !fits(session, asked)) continue;
    fitting.push({ session, rank: rankOf(session, asked.order, score) });
  }
  fitting.sort(byRank);
  const rows = fitting.slice(0, asked.limit).map(({ session, rank }): ConnectionRow => {
    session.connection.measure?.();
    return { ...viewConnection(session), nodeId, slowness: slownessOf(session), rank };
  });
  return { total, fitting: fitting.length, slow, rows };
}

/** The first of all nodes, from the first of each. */
export function mergeConnections({ answers, silent }: Answers<ConnectionsAnswer>, limit: number) {
  const sum = (of: (answer: ConnectionsAnswer) => number): number =>
    answers.reduce((total, { answer }) => total + of(answer), 0);
  return {
    total: sum(({ total }) => total),
    fitting: sum(({ fitting }) => fitting),
    slow: sum(({ slow }) => slow),
    connections: answers
      .flatMap(({ answer }) => answer.rows)
      .sort(byRank)
      .slice(0, limit),
    silent,
  };
}

function fits(
  { id, user, address, connection, memberships }: Session,
  { search, transport }: ConnectionsAsked,
): boolean {
  if (transport !== null && connection.transport !== transport) return false;
  if (search === null) return true;
  const wanted = search.toLowerCase();
  if ([id, user?.id, user?.name, address].some((each) => each?.toLowerCase().includes(wanted) === true)) return true;
  for (const { room } of memberships.values()) if (room.roomId.toLowerCase().includes(wanted)) return true;
  return false;
}

function rankOf(session: Session, order: ConnectionsAsked["order"], score: number): number | string {
  const { connection, since, user } = session;
  switch (order) {
    case "slow":
      return -score;
    case "newest":
      return -since;
    case "latency":
      return -(connection.latencyMs ?? -1);
    case "outbox":
      return -(connection.pendingBytes ?? -1);
    case "user":
      return user?.name ?? "";
  }
}

function byRank({ rank: a }: { rank: number | string }, { rank: b }: { rank: number | string }): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
