/** The server: `createServer`, and what a server is made of. */

export type { ApiKey, Scope } from "./auth/api-keys.ts";
export type { Ban } from "./auth/revocations.ts";
export type { Bus, Notice } from "./bus/bus.ts";
export type { AppendOptions, AppendResult, Log, LogEvent, LogPage, NewEvent, Retention, RoomHead } from "./log/log.ts";
export type { CloseClass, CloseReason } from "./observe/closing.ts";
export type { AbnormalDisconnects, DisconnectsSettled } from "./observe/disconnect-watch.ts";
export type { LikelyCause, LikelyCauseName } from "./observe/likely-cause.ts";
export * from "./protocol/index.ts";
export type { AlertOptions } from "./server/disconnect-alerts.ts";
export type { Erasure } from "./server/erasure.ts";
export type { ServerEvents } from "./server/events.ts";
export type { BanQuery, Expulsion, NewBan, Revocation } from "./server/moderation.ts";
export type { PushOptions } from "./server/notifications.ts";
export type { ServerOptions } from "./server/options.ts";
export { createServer, type YamabikoServer } from "./server/server.ts";
export type { ServerRoom } from "./server/server-room.ts";
export type { VapidKeys } from "./server/web-push-sender.ts";
export type { ConnectionPage, ConnectionQuery } from "./session/connection-list.ts";
export type { ConnectionState, ConnectionView } from "./session/connection-view.ts";
export * from "./session/namespace.ts";
