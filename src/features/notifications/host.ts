import type { Clock, JsonObject } from "../../protocol/index.ts";
import type { RoomView } from "../../session/namespace.ts";
import type { PushSender } from "./push-sender.ts";

/** A room as this feature writes to it; the server's `room(roomId)` is one. */
export interface NotificationsRoom {
  view(): Promise<RoomView>;
  /**
   * Appends an event; resolves when it is durable.
   * @param options.sender on whose behalf; the same messageId of the same sender twice is one event. Default: the server's.
   * @throws {YamabikoError} `conflict` when the head is not `expect`, `unavailable` when the log cannot take it.
   */
  publish(
    type: string,
    payload: JsonObject,
    options: { sender?: string | null; messageId?: string | undefined; expect?: number },
  ): Promise<{ savedId: string; epoch: string; seq: number; duplicate: boolean }>;
}

/** What the server hands to the feature. */
export interface NotificationsHost {
  /** @throws {YamabikoError} `invalid_message` for a bad roomId. */
  room(roomId: string): NotificationsRoom;
  readonly clock: Clock;
  /** Told what failed and is nobody's answer. */
  failure(where: string, error: unknown): void;
  /** How closed tabs are reached; null for not at all. */
  readonly push: PushSender | null;
  /** Takes push endpoints on this machine and in its network too: for tests. Default: false. */
  readonly allowPrivateEndpoints?: boolean;
  /** Tells the other nodes what a device said it has; they call `NotificationService.hearReceived`. Default: nobody. */
  readonly tellReceived?: ((userId: string, upTo: number) => void) | undefined;
}
