/** The one table of close codes (PROTOCOL.md section 9). */
export const CLOSE_CODES = {
  normal: { code: 1000, reconnect: false, when: "the other side is done" },
  going_away: { code: 1001, reconnect: true, when: "the page or the process ends" },
  protocol_error: { code: 1002, reconnect: true, when: "a frame breaks RFC 6455" },
  unsupported_data: {
    code: 1003,
    reconnect: true,
    when: "a binary frame on a JSON connection, or the reverse",
  },
  invalid_payload: {
    code: 1007,
    reconnect: true,
    when: "invalid UTF-8 in a text frame; for a Yjs provider, what cannot be decoded",
  },
  policy: { code: 1008, reconnect: true, when: "a rule was broken too often" },
  too_big: { code: 1009, reconnect: true, when: "over the size limit" },
  server_error: { code: 1011, reconnect: true, when: "our fault; it has been logged" },
  restart: { code: 1012, reconnect: true, when: "the server restarts; see `server_closing`" },
  try_later: { code: 1013, reconnect: true, when: "the server is overloaded" },
  unauthenticated: {
    code: 4401,
    reconnect: false,
    when: "a bad token, an expired one, or one that was revoked",
  },
  forbidden: { code: 4403, reconnect: false, when: "another user's token, kicked, or banned" },
  heartbeat_timeout: { code: 4408, reconnect: true, when: "silent for too long" },
  too_many: { code: 4429, reconnect: true, when: "too many connections or messages" },
} as const satisfies Record<string, { code: number; reconnect: boolean; when: string }>;

/** The name of a close code. */
export type CloseName = keyof typeof CLOSE_CODES;

/** The WebSocket close codes by name (RFC 6455 section 7.4). Apart from the table, so that the client need not carry its words. */
export const CLOSE = {
  normal: 1000,
  going_away: 1001,
  protocol_error: 1002,
  unsupported_data: 1003,
  invalid_payload: 1007,
  policy: 1008,
  too_big: 1009,
  server_error: 1011,
  restart: 1012,
  try_later: 1013,
  unauthenticated: 4401,
  forbidden: 4403,
  heartbeat_timeout: 4408,
  too_many: 4429,
} as const satisfies { [name in CloseName]: (typeof CLOSE_CODES)[name]["code"] };

/** The codes after which nothing is gained by coming back: those of the table without `reconnect`. */
const FINAL: readonly number[] = [CLOSE.normal, CLOSE.unauthenticated, CLOSE.forbidden];

/** Whether a client that was closed with `code` should come back by itself (CON-5). */
export function mayReconnect(code: number): boolean {
  return !FINAL.includes(code);
}
