/** The words both ends share. No I/O; runs in browsers. */
export * from "./clock.ts";
export * from "./close-codes.ts";
export * from "./cursor.ts";
export * from "./envelope.ts";
export * from "./errors.ts";
export * from "./limits.ts";
export * from "./room-id.ts";
export * from "./schema.ts";
export * from "./subprotocols.ts";
