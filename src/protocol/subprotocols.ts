/** The WebSocket subprotocols (CON-2). No subprotocol means JSON. */
export const SUBPROTOCOLS = { json: "yamabiko.v1.json", msgpack: "yamabiko.v1.msgpack" } as const;

/** The version of the wire, as told in `welcome`. */
export const PROTOCOL_VERSION = "v1";
