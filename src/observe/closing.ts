import type { CloseName } from "../protocol/index.ts";
import type { TransportName } from "./transport-name.ts";

/** Why a connection ended: a name of the close-code table, or `aborted` when it ended without a close frame. */
export type CloseReason = CloseName | "aborted";

/** What kind of end it was, and whether it is what an operator would rather not see. */
export const CLOSE_CLASSES = {
  client: {
    abnormal: false,
    what: "the client said that it is done: a page was closed, a user left, a poll was answered",
  },
  drain: { abnormal: false, what: "this server ends, and told its clients to come back" },
  network: {
    abnormal: true,
    what: "the connection ended without a goodbye: a network, a proxy or a client that was cut off",
  },
  heartbeat: { abnormal: true, what: "no sign of life for too long" },
  slow: { abnormal: true, what: "no sign of life for too long, with bytes waiting that nobody took" },
  protocol: { abnormal: true, what: "one side sent what the other cannot read, or broke a rule of the protocol" },
  limit: { abnormal: true, what: "a limit was hit that costs the connection" },
  auth: { abnormal: true, what: "no token in time, a bad or expired one, or a user who may not stay" },
  server: { abnormal: true, what: "the server could not go on serving it; the log of the process says why" },
} as const satisfies Record<string, { abnormal: boolean; what: string }>;

export type CloseClass = keyof typeof CLOSE_CLASSES;

/** The classes whose rates are watched. */
export const ABNORMAL_CLASSES: readonly CloseClass[] = (Object.keys(CLOSE_CLASSES) as CloseClass[]).filter(
  (name) => CLOSE_CLASSES[name].abnormal,
);

/** The end of one connection. It names who it was: it is logged, and counted without that. */
export interface Closing {
  readonly transport: TransportName;
  readonly reason: CloseReason;
  /** Whether the server is on its way out. */
  readonly isDraining: boolean;
  /** Whether bytes waited that the other side did not take. */
  readonly isBehind: boolean;
  /** How long it was there, ms. */
  readonly ageMs: number;
  /** Where it came from, as the limits of addresses know it (IPv6: the /64); null where that is not known. */
  readonly address: string | null;
  readonly connectionId: string;
  /** Null for one that never said who it was. */
  readonly userId: string | null;
}

/** The class of an end. Every reason has one. */
export function classOf({ reason, isDraining, isBehind, userId }: Closing): CloseClass {
  if (isDraining) return "drain";
  if (reason === "heartbeat_timeout" && isBehind) return "slow";
  // Told to those who say nothing (AUTH-3), and to those whose room cannot be read now.
  if (reason === "try_later" && userId === null) return "auth";
  return CLASS_OF[reason];
}

const CLASS_OF: Readonly<Record<CloseReason, CloseClass>> = {
  normal: "client",
  going_away: "client",
  aborted: "network",
  heartbeat_timeout: "heartbeat",
  protocol_error: "protocol",
  unsupported_data: "protocol",
  invalid_payload: "protocol",
  policy: "protocol",
  too_big: "limit",
  too_many: "limit",
  unauthenticated: "auth",
  forbidden: "auth",
  restart: "drain",
  try_later: "server",
  server_error: "server",
};
