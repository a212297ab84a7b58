/** `yamabiko/client`: the client for browsers, and for anything else that has a `WebSocket`. */

export type { Clock } from "../protocol/clock.ts";
export type { Envelope } from "../protocol/envelope.ts";
export { YamabikoError } from "../protocol/errors.ts";
export {
  type Client,
  type ClientListener,
  type ClientLocalEvents,
  createClient,
} from "./client.ts";
export type { ClientCodec } from "./codec.ts";
export type { ClientStatus, Welcome } from "./connection.ts";
export type { Contract, ContractOf, ContractSource, Contracts, CoreEvents } from "./contract.ts";
export type { AckPayload, MessageState, OutgoingMessage, StoredMessage } from "./message.ts";
export type { ClientOptions, TokenSource } from "./options.ts";
export { type OutboxStorage, webStorage } from "./outbox-storage.ts";
export type { HistoryLost, JoinedRoom, JoinOptions, Room, RoomListener, RoomStatus } from "./room.ts";
export type { TransportName } from "./transports/transport.ts";
export type { WebSocketConstructor, WebSocketLike } from "./transports/websocket.ts";
