import {
  type NotificationService,
  notificationServiceOf,
  notifications,
  type PushSender,
  pushSubscriptions,
} from "../features/index.ts";
import type { Observer } from "../observe/observer.ts";
import type { Clock } from "../protocol/index.ts";
import type { Namespace } from "../session/namespace.ts";
import type { ServerRoom } from "./server-room.ts";
import { createWebPushSender, type VapidKeys } from "./web-push-sender.ts";

/** How closed tabs are reached. */
export interface PushOptions extends VapidKeys {
  /** Takes subscriptions whose push service is on this machine or in its network: for tests. Default: false. */
  readonly allowPrivateEndpoints?: boolean | undefined;
}

export interface NotificationParts {
  readonly namespaces: ReadonlyMap<string, Namespace>;
  room(roomId: string): ServerRoom;
  readonly clock: Clock;
  readonly observer: Observer;
  /** The keys for Web Push, or another way to closed tabs; undefined for none. */
  readonly push: PushOptions | PushSender | undefined;
  /** Tells the other nodes what a device has received. */
  tellReceived(userId: string, upTo: number): void;
}

/** The namespaces that notifications are made of. */
export function notificationNamespaces(): Namespace[] {
  return [notifications(), pushSubscriptions()];
}

/** The namespace that nobody may replace: its rooms hold what push services are reached by. */
export const PUSH_NAMESPACE = pushSubscriptions().name;

/**
 * Gives the notifications of the namespace `user` what they stand on. Null when the application's own namespace has taken its
 * place and has none.
 * @throws {TypeError} when the keys for Web Push are no keys.
 */
export function attachNotifications(parts: NotificationParts): NotificationService | null {
  const { namespaces, room, clock, observer, push } = parts;
  const service = notificationServiceOf(namespaces.get("user"));
  if (service === null) return null;
  service.attach({
    room,
    clock,
    tellReceived: (userId, upTo) => parts.tellReceived(userId, upTo),
    failure: (where, error) => observer.failure(where, error),
    push: push === undefined ? null : "send" in push ? push : createWebPushSender(push, push.allowPrivateEndpoints),
    allowPrivateEndpoints: push !== undefined && "privateKey" in push && push.allowPrivateEndpoints === true,
  });
  observer.gauge("inboxes", () => service.inboxes);
  observer.gauge("pushes_waiting", () => service.pushesWaiting);
  return service;
}
