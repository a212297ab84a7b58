/**
 * `yamabiko/client/core`: the client of `yamabiko/client` without the other transports, for pages where every byte counts and
 * nothing stands between them and a WebSocket. The options about transports have no effect.
 */

import { type Client, createClientBy } from "./client.ts";
import type { Contracts } from "./contract.ts";
import type { ClientOptions } from "./options.ts";
import { webSocketTransport } from "./transports/websocket.ts";

export type { Clock } from "../protocol/clock.ts";
export type { Envelope } from "../protocol/envelope.ts";
export { YamabikoError } from "../protocol/errors.ts";
export type { Client, ClientListener, ClientLocalEvents } from "./client.ts";
export type { ClientCodec } from "./codec.ts";
export type { ClientStatus, Welcome } from "./connection.ts";
export type { Contract, ContractOf, ContractSource, Contracts, CoreEvents } from "./contract.ts";
export type { AckPayload, MessageState, OutgoingMessage, StoredMessage } from "./message.ts";
export type { ClientOptions, TokenSource } from "./options.ts";
export { type OutboxStorage, webStorage } from "./outbox-storage.ts";
export type { HistoryLost, JoinedRoom, JoinOptions, Room, RoomListener, RoomStatus } from "./room.ts";
export type { TransportName } from "./transports/transport.ts";
export type { WebSocketConstructor, WebSocketLike } from "./transports/websocket.ts";

/** Makes a client that comes by WebSocket and, unless `autoConnect` is false, connects it. */
export function createClient<All extends Contracts = Contracts>(url: string, options?: ClientOptions): Client<All> {
  return createClientBy(webSocketTransport, url, options);
}
