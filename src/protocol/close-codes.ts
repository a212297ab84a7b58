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
} as const;

/** The name of a close code. */
export type CloseName = keyof typeof CLOSE;

/** The one table of close codes (PROTOCOL.md section 9). */
export const CLOSE_CODES: { readonly [name in CloseName]: { code: number; reconnect: boolean; when: string } } = {
  normal: { code: CLOSE.normal, reconnect: false, when: "the other side is done" },
  going_away: { code: CLOSE.going_away, reconnect: true, when: "the page or the process ends" },
  protocol_error: { code: CLOSE.protocol_error, reconnect: true, when: "a frame breaks RFC 6455" },
  unsupported_data: { code: CLOSE.unsupported_data, reconnect: true, when: "a binary frame on a JSON connection, or the reverse" },
  invalid_payload: { code: CLOSE.invalid_payload, reconnect: true, when: "invalid UTF-8 in a text frame" },
  policy: { code: CLOSE.policy, reconnect: true, when: "a rule was broken too often" },
  too_big: { code: CLOSE.too_big, reconnect: true, when: "over the size limit" },
  server_error: { code: CLOSE.server_error, reconnect: true, when: "our fault; it has been logged" },
  restart: { code: CLOSE.restart, reconnect: true, when: "the server restarts; see `server_closing`" },
  try_later: { code: CLOSE.try_later, reconnect: true, when: "the server is overloaded" },
  unauthenticated: { code: CLOSE.unauthenticated, reconnect: false, when: "no token in time, a bad one, or an expired one" },
  forbidden: { code: CLOSE.forbidden, reconnect: false, when: "another user's token, kicked, or banned" },
  heartbeat_timeout: { code: CLOSE.heartbeat_timeout, reconnect: true, when: "silent for too long" },
  too_many: { code: CLOSE.too_many, reconnect: true, when: "too many connections or messages" },
};
 reconnect: boolean; when: string }>;

/** The codes after which nothing is gained by coming back: those of the table without `reconnect`. */
const FINAL: readonly number[] = [CLOSE.normal, CLOSE.unauthenticated, CLOSE.forbidden];

/** Whether a client that was closed with `code` should come back by itself (CON-5). */
export function mayReconnect(code: number): boolean {
  return !FINAL.includes(code);
}
