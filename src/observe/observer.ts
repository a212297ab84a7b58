import type { ErrorCode, LimitName } from "../protocol/index.ts";
import type { CloseClass, Closing } from "./closing.ts";
import type { TransportName } from "./transport-name.ts";

export type { CloseReason } from "./closing.ts";
export type { TransportName } from "./transport-name.ts";

/**
 * What the server does, told as it happens.
 *
 * Rooms, sessions and transports call these functions and know nothing of metrics or logs. Every call is synchronous,
 * cheap (no allocation that outlives it), and never throws. No argument names a room, a user or a message, except in
 * `failure` and `connectionClosed`, which are logged; so nothing that is counted can leak or grow with what clients send.
 */
export interface Observer {
  /** A client attached: after the 101, or when a stream or a poll was accepted. */
  connectionOpened(transport: TransportName): void;
  /** The same connection is gone and everything of it freed. Called exactly once for every `connectionOpened`. */
  connectionClosed(closing: Closing): void;
  /** An HTTP request came in; an upgrade is none. */
  requested(): void;
  /** A whole message came in, before it was decoded. */
  messageReceived(bytes: number): void;
  /** An ack left: the message was done, was a repetition, or was refused. */
  acknowledged(result: AckResult): void;
  /** A message was done with, `durationMs` after it came in: its answer, if it had one, is on its way. */
  answered(durationMs: number): void;
  /** Messages were handed to transports: `count` deliveries (one per message and reader), `bytes` in all. */
  delivered(count: number, bytes: number): void;
  /** The live readers of a room were given what had come, the oldest of it `durationMs` after it was durable. */
  reached(durationMs: number): void;
  /** Somebody came back to a room with a cursor. */
  resumed(result: ResumeResult): void;
  /** One flush of a room ended: it took `durationMs` for `events` events and `readers` readers. */
  flushed(durationMs: number, events: number, readers: number): void;
  /** A reader of ticks was given one, or was left out because its connection did not keep up. */
  ticked(result: TickResult): void;
  /** A namespace that runs at a rate made a step, which took `durationMs`; `lost` steps before it were left out. */
  stepped(durationMs: number, lost: number): void;
  /** The log made an event durable, `durationMs` after it was asked to. */
  appended(durationMs: number): void;
  /** A pushed reader's socket stopped taking bytes; from now on it is only a cursor. */
  readerStalled(): void;
  /** A reader that was not live was served a page, from the room's memory or from the log. */
  caughtUp(source: CatchUpSource): void;
  /** A reader was told `history_lost`. */
  historyLost(reason: "retention" | "epoch"): void;
  /** A message or a request was refused with this code. */
  refused(code: ErrorCode): void;
  /** A limit was hit. Says nothing about what was refused for it; that is `refused`. */
  limited(limit: LimitName): void;
  /** The connection to what holds the log or carries the bus was made, or was lost. */
  linkChanged(link: LinkName, isUp: boolean): void;
  /** What is behind a link answered, `durationMs` after it was asked. */
  linkAnswered(link: LinkName, durationMs: number): void;
  /** A notice for other nodes could not leave; they find out when heads are compared. */
  noticeDropped(): void;
  /** More connections than usual ended in this way. */
  alerted(kind: CloseClass): void;
  /** The event loop stood still for `durationMs`: nobody was served. Logged. */
  stalled(durationMs: number): void;
  /** Something failed that is our fault or the machine's. Logged with the error; clients see only `internal`. */
  failure(where: string, error: unknown): void;
  /**
   * Registers a number that is read when somebody looks. Several readers of one name are added up. Returns the way to
   * take it back.
   */
  gauge(name: GaugeName, read: () => number): () => void;
}

/** What a node is linked to, where that is not inside its process. */
export type LinkName = "log" | "bus";

/** How a cursor was served: all that was missed, from a snapshot on, or from where the log begins now. */
export type ResumeResult = "replayed" | "snapshot" | "lost";

export type AckResult = "done" | "duplicate" | "refused";

/** How a reader was given a tick: whole or as a difference, in text, or not at all. */
export type TickResult = "whole" | "difference" | "text" | "left_out";

/** Where a page of catching up was read. */
export type CatchUpSource = "tail" | "log";

/** The numbers that are read, not counted, and what each is. */
export const GAUGES = {
  rooms: "rooms in memory",
  rooms_joined: "joined rooms, summed over connections",
  readers: "readers being served",
  readers_stalled: "readers whose socket takes no bytes now",
  outbox_bytes: "bytes connections have not taken yet",
  state_keys: "keys of state in memory",
  tail_bytes: "bytes of newest events in memory",
  feature_bytes: "bytes of what namespaces keep of rooms in memory",
  tick_readers: "readers of ticks",
  log_queue: "appends the log has not made durable yet",
  tickets: "tickets not yet used",
  handshakes_waiting: "handshakes whose turn has not come",
  intake_waiting: "WebSockets whose bytes have come and not their turn",
  kicks: "users who were taken out of a room a moment ago",
  revocations: "revoked users and tokens that are remembered",
  bans: "bans of users from rooms that are remembered",
  tokens_known: "tokens that were checked a moment ago",
  inboxes: "inboxes in memory",
  pushes_waiting: "notifications waiting to be pushed",
  dashboard_series: "series of dashboards in memory",
  yjs_bytes: "bytes of Yjs documents in memory",
  yjs_folds: "large Yjs documents waiting to be read or compacted",
  request_rates: "users and addresses whose rates of HTTP requests are remembered",
  user_rates: "users whose rates are remembered",
  disconnect_alerts: "kinds of ends of connections of which there are too many now",
  alerts_waiting: "alerts waiting to be posted",
  peers: "other nodes that are there",
  traces: "traces that operators look at",
  state_owned_elsewhere: "keys of rooms' state that other nodes own",
} as const satisfies Record<string, string>;

export type GaugeName = keyof typeof GAUGES;

const nothing = () => {};

/** An observer that looks away. */
export const nullObserver: Observer = {
  connectionOpened: nothing,
  connectionClosed: nothing,
  requested: nothing,
  messageReceived: nothing,
  acknowledged: nothing,
  answered: nothing,
  reached: nothing,
  resumed: nothing,
  delivered: nothing,
  flushed: nothing,
  ticked: nothing,
  stepped: nothing,
  appended: nothing,
  readerStalled: nothing,
  caughtUp: nothing,
  historyLost: nothing,
  refused: nothing,
  limited: nothing,
  linkChanged: nothing,
  linkAnswered: nothing,
  noticeDropped: nothing,
  alerted: nothing,
  stalled: nothing,
  failure: nothing,
  gauge: () => nothing,
};
