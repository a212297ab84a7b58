/**
 * The one table of limits (PROTOCOL.md section 10). A limit is set by the option `limits.<name>`, the flag
 * `--limit-<name in kebab-case>` or the variable `YAMABIKO_LIMIT_<NAME_IN_UPPER_CASE>`. 0 switches a limit off where `off` is true.
 */
export const LIMITS = {
  messageBytes: { default: 64 * 1024, off: false, dev: true, what: "size of one message, bytes" },
  yjsMessageBytes: {
    default: 10 * 1024 * 1024,
    off: false,
    dev: true,
    what: "size of one message of a Yjs provider, bytes; who was offline sends all its changes in one",
  },
  depth: { default: 32, off: false, dev: true, what: "depth of one message" },
  elements: { default: 10_000, off: false, dev: true, what: "elements (values) in one message" },
  outboxBytes: {
    default: 1024 * 1024,
    off: false,
    dev: true,
    what: "bytes a connection has not taken yet; beyond it reading from it pauses",
  },
  roomsPerConnection: { default: 128, off: false, dev: true, what: "rooms joined by one connection" },
  connections: { default: 100_000, off: true, dev: true, what: "connections of this node" },
  connectionsPerIp: {
    default: 10,
    off: true,
    dev: false,
    what: "connections of one IP address (IPv6: of one /64), over all nodes",
  },
  connectionsPerUser: { default: 50, off: true, dev: true, what: "connections of one user, over all nodes" },
  handshakesPerSecond: {
    default: 20,
    off: true,
    dev: false,
    what: "new connections per second of one IP address, burst twice that",
  },
  requestsPerSecond: {
    default: 100,
    off: true,
    dev: false,
    what: "HTTP requests per second of one IP address, burst twice that",
  },
  requestBytes: { default: 1024 * 1024, off: false, dev: true, what: "size of the body of one HTTP request, bytes" },
  messagesPerSecond: {
    default: 100,
    off: true,
    dev: false,
    what: "messages per second of one connection, burst twice that",
  },
  bytesPerSecond: {
    default: 1024 * 1024,
    off: true,
    dev: false,
    what: "received bytes per second of one connection, burst twice that",
  },
  userMessagesPerSecond: {
    default: 200,
    off: true,
    dev: false,
    what: "messages per second of one user, over all nodes, burst twice that",
  },
  userBytesPerSecond: {
    default: 2 * 1024 * 1024,
    off: true,
    dev: false,
    what: "received bytes per second of one user, over all nodes, burst twice that",
  },
  inFlight: {
    default: 1_000,
    off: false,
    dev: true,
    what: "messages of one connection received and not yet answered; beyond it reading from it pauses",
  },
  authenticateMs: { default: 5_000, off: false, dev: true, what: "time from the handshake to a good token, ms" },
  handshakeMs: { default: 10_000, off: false, dev: true, what: "time for the headers of a request, ms" },
  joinEvents: { default: 1_000, off: false, dev: true, what: "largest `limit` of a join or a history page, events" },
  tailEvents: { default: 512, off: false, dev: true, what: "newest events of a room kept in memory" },
  tailBytes: { default: 512 * 1024, off: false, dev: true, what: "newest events of a room kept in memory, bytes" },
  stateKeys: { default: 10_000, off: false, dev: true, what: "keys in one family of a room's state" },
  stateBytes: {
    default: 1024 * 1024,
    off: false,
    dev: true,
    what: "values of a room's state, members and kept marks aside, bytes",
  },
  documentLength: {
    default: 1024 * 1024,
    off: false,
    dev: true,
    what: "length of a shared document, UTF-16 units",
  },
  yjsDocumentBytes: {
    default: 10 * 1024 * 1024,
    off: false,
    dev: true,
    what: "size of a Yjs document, as Yjs encodes it, bytes",
  },
  idleRooms: { default: 1_000, off: false, dev: true, what: "rooms kept in memory that nobody has joined" },
  idleBytes: {
    default: 64 * 1024 * 1024,
    off: false,
    dev: true,
    what: "what namespaces keep of rooms that nobody has joined, bytes",
  },
  tickets: { default: 10_000, off: false, dev: true, what: "tickets not yet used" },
} as const satisfies Record<string, { default: number; off: boolean; dev: boolean; what: string }>;

/** The name of a limit. */
export type LimitName = keyof typeof LIMITS;

/** The value of every limit. */
export type Limits = { [name in LimitName]: number };

/** The variable that sets a limit, e.g. `YAMABIKO_LIMIT_CONNECTIONS_PER_IP`. */
export function limitVariable(name: LimitName): string {
  return `YAMABIKO_LIMIT_${name.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`;
}

/**
 * The defaults with `overrides` on them. With `dev` the per-IP and rate limits are off unless overridden.
 * @throws {RangeError} when a value is not a whole number of at least 0, or is 0 where the limit cannot be switched off.
 */
export function resolveLimits(overrides: Partial<Limits> = {}, dev = false): Limits {
  const limits = {} as Limits;
  for (const name of Object.keys(LIMITS) as LimitName[]) {
    const entry = LIMITS[name];
    const value = overrides[name] ?? (dev && !entry.dev ? 0 : entry.default);
    if (!Number.isSafeInteger(value) || value < 0 || (value === 0 && !entry.off)) {
      throw new RangeError(`limit ${name} must be a whole number ${entry.off ? "of at least 0 (0 = off)" : "above 0"}`);
    }
    limits[name] = value;
  }
  return limits;
}
