/** How a client came. A poll is one request. */
export type TransportName = "websocket" | "sse" | "poll" | "send" | "echo" | "y-websocket" | "hocuspocus";

/** Those of which each is one request, and no connection that could be cut. */
export const REQUEST_TRANSPORTS: ReadonlySet<TransportName> = new Set(["poll", "send", "echo"]);
