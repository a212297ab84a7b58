import { type JsonObject, type RoomAddress, validate, YamabikoError } from "../../protocol/index.ts";
import {
  type Context,
  defineNamespace,
  type EraseRequest,
  type JoinContext,
  message,
  type Namespace,
} from "../../session/namespace.ts";
import type { NotificationsHost } from "./host.ts";
import type { Target } from "./inbox.ts";
import { Inboxes, type InboxPage, type InboxQuery, type Notified, type NotifyOutcome } from "./inboxes.ts";
import { pushMessageOf } from "./push-message.ts";
import { PushQueue } from "./push-queue.ts";
import { PUSH_EVENTS, PushSubscriptions } from "./push-subscriptions.ts";
import {
  acks,
  events,
  inboxParameters,
  MAX_USERS,
  type Mark,
  type NotificationInput,
  notificationInput,
  notifyRequest,
  type PushSubscription,
  payloads,
  recipient,
} from "./schemas.ts";

export type { NotificationsHost, NotificationsRoom } from "./host.ts";
export type { InboxItem } from "./inbox.ts";
export type { InboxPage, InboxQuery, Notified, NotifyOutcome } from "./inboxes.ts";
export { isPublicAddress } from "./push-endpoint.ts";
export {
  MAX_PAYLOAD_BYTES,
  type PushMessage,
  type PushOutcome,
  type PushPayload,
  type PushSender,
} from "./push-sender.ts";
export type { InboxState, Notification, NotificationInput, PushSubscription } from "./schemas.ts";
export { acks as notificationAcks, events as notificationEvents } from "./schemas.ts";

/** What may be said about notifications. All of it has a default. */
export interface NotificationsOptions {
  /** The most notifications an inbox keeps; the oldest make room, archived ones first. Default: 1,000. */
  maxNotifications?: number;
  /** The most an inbox keeps of what they say, in characters; the oldest make room. Default: 500,000. */
  maxInboxSize?: number;
  /** Inboxes in memory, used or not; the longest unused leave first and come back from the log. Default: 1,000. */
  inboxes?: number;
  /** What all of them may take in memory, in characters. Default: 50,000,000. */
  inboxesSize?: number;
  /** An inbox's snapshot is kept after this many events. Default: 500. */
  snapshotEvents?: number;
  /** Events of each inbox's log that are kept, for devices that resume. At least twice `snapshotEvents`. Default: 2,000. */
  maxEvents?: number;
  /** Messages of one user to the inbox, per second, burst twice that. Default: only the connection's limit. */
  messagesPerSecond?: number;
  /** How long a notification waits for a device that has received it before it is pushed, ms. Default: 5,000. */
  pushAfterMs?: number;
  /** Messages on their way to push services at once. Default: 32. */
  pushInFlight?: number;
}

/** What a server does with notifications, besides what clients send. */
export interface NotificationService {
  /** Hands over what it stands on, before anything else. Again only after `close`. */
  attach(host: NotificationsHost): void;
  /**
   * Saves a notification, then delivers it to the user's devices; resolves when it is durable.
   * Rejects with `invalid_message` for what does not fit, `unavailable` when the log cannot take it: with a `dedupKey` it
   * may be said again.
   */
  notify(userId: string | number, notification: NotificationInput): Promise<Notified>;
  /**
   * The same for each of up to 10,000 users; resolves to what became of it for each, in their order. Whoever is named twice
   * is notified once.
   */
  notify(userIds: readonly (string | number)[], notification: NotificationInput): Promise<NotifyOutcome[]>;
  /** `POST /api/notifications`: `notify` as a body says it. One `userId` is answered by its result, `userIds` by `{results}`. */
  notifyRequest(body: unknown): Promise<Notified | { results: NotifyOutcome[] }>;
  /** A part of a user's inbox. The caller knows that this is the user. */
  inbox(userId: string, query?: InboxQuery): Promise<InboxPage>;
  /** `GET /api/notifications`: the same, as the query of a URL says it. */
  inboxRequest(userId: string, query: URLSearchParams): Promise<InboxPage>;
  /** `GET /api/notifications/push-key`: what a browser needs to subscribe; null where nothing is pushed. */
  readonly pushKey: string | null;
  /** A device of the user said to another node that it has everything up to `upTo` (INB-13). */
  hearReceived(userId: string, upTo: number): void;
  /** How many inboxes are in memory. */
  readonly inboxes: number;
  /** How many notifications wait to be pushed. */
  readonly pushesWaiting: number;
  /** Lets go of timers, and gives up what waits to be pushed. */
  close(): void;
}

/** The namespace of inboxes. */
const USER = "user";
/** The namespace of push subscriptions. */
const PUSH = "push";

/**
 * Inboxes: one room `user:<sub>` per user, which nobody else may read, with notifications, read, seen and archived marks, and
 * counts that every device agrees on (PROTOCOL.md, section Inbox). What the server does with it is `service`.
 *
 * @throws {RangeError} when a number is not a whole one above 0, or `maxEvents` is less than twice `snapshotEvents`.
 */
export function notifications(options: NotificationsOptions = {}) {
  const service = new Service(options);
  const marks = (mark: Mark) =>
    message({
      payload: payloads.mark,
      ack: acks.mark,
      right: "read",
      joined: false,
      handle: (context, target) => service.handleMark(context, mark, target),
    });
  const { messagesPerSecond } = options;
  const namespace = defineNamespace({
    erase: eraseOwn,
    name: USER,
    messages: {
      read_notifications: marks("read"),
      unread_notifications: marks("unread"),
      seen_notifications: marks("seen"),
      archive_notifications: marks("archived"),
      received_notifications: message({
        payload: payloads.received_notifications,
        ack: acks.received_notifications,
        right: "read",
        joined: false,
        handle: (context, { upTo }) => service.handleReceived(context, upTo),
      }),
      subscribe_push: message({
        payload: payloads.subscribe_push,
        ack: acks.push,
        right: "read",
        joined: false,
        handle: (context, { subscription }) => service.handleSubscribe(context, subscription),
      }),
      unsubscribe_push: message({
        payload: payloads.unsubscribe_push,
        ack: acks.push,
        right: "read",
        joined: false,
        handle: (context, { endpoint }) => service.handleUnsubscribe(context, endpoint),
      }),
    },
    events,
    retention: { maxEvents: service.maxEvents },
    ...(messagesPerSecond === undefined ? {} : { messagesPerSecond }),
    onJoin: (context) => service.handleJoin(context),
  });
  return { ...namespace, service: service as NotificationService };
}

/** The inbox's types for the client: `client.join<NotificationsNamespace>("user:42")`. */
export type NotificationsNamespace = ReturnType<typeof notifications>;

/** The namespace that push subscriptions are kept in. Nobody has any right there; its rooms are the server's own. */
export function pushSubscriptions() {
  return defineNamespace({
    erase: eraseOwn,
    name: PUSH,
    messages: {},
    access: () => false,
    retention: { maxEvents: PUSH_EVENTS },
  });
}

/** The service of a namespace that `notifications` made; null for any other. */
export function notificationServiceOf(namespace: Namespace | undefined): NotificationService | null {
  const { service } = (namespace ?? {}) as { service?: unknown };
  return service instanceof Service ? service : null;
}

class Service implements NotificationService {
  readonly maxEvents: number;
  readonly #options: Required<Omit<NotificationsOptions, "messagesPerSecond">>;
  #attached: Attached | null = null;

  constructor(options: NotificationsOptions) {
    this.#options = {
      maxNotifications: above0("maxNotifications", options.maxNotifications, 1_000),
      maxInboxSize: above0("maxInboxSize", options.maxInboxSize, 500_000),
      inboxes: above0("inboxes", options.inboxes, 1_000),
      inboxesSize: above0("inboxesSize", options.inboxesSize, 50_000_000),
      snapshotEvents: above0("snapshotEvents", options.snapshotEvents, 500),
      maxEvents: above0("maxEvents", options.maxEvents, 2_000),
      pushAfterMs: above0("pushAfterMs", options.pushAfterMs, 5_000),
      pushInFlight: above0("pushInFlight", options.pushInFlight, 32),
    };
    this.maxEvents = this.#options.maxEvents;
    // A fold begins at a snapshot and goes on with the log, so the log must reach back to the snapshot, with time to spare.
    if (this.maxEvents < 2 * this.#options.snapshotEvents) {
      throw new RangeError("notifications: maxEvents must be at least twice snapshotEvents");
    }
  }

  attach(host: NotificationsHost): void {
    if (this.#attached !== null) throw new TypeError("these notifications belong to a server already");
    this.#attached = new Attached(host, this.#options);
  }

  notify(userId: string | number, notification: NotificationInput): Promise<Notified>;
  notify(userIds: readonly (string | number)[], notification: NotificationInput): Promise<NotifyOutcome[]>;
  async notify(
    to: string | number | readonly (string | number)[],
    input: NotificationInput,
  ): Promise<Notified | NotifyOutcome[]> {
    const { host, inboxes, pushes } = this.#parts;
    const notification = await validate(notificationInput, input);
    const { expiresAt } = notification;
    if (expiresAt !== undefined && expiresAt <= host.clock.now()) {
      throw new YamabikoError("invalid_message", "`expiresAt` lies in the past.");
    }
    const push = ({ userId, id, seq, duplicate }: Notified): void => {
      if (!duplicate) pushes?.queue.add(userId, id, seq);
    };
    if (typeof to === "object") {
      if (to.length > MAX_USERS) throw new YamabikoError("invalid_message", `At most ${MAX_USERS} users at once.`);
      const userIds = new Set<string>();
      for (const userId of to) userIds.add(await validate(recipient, userId));
      return inboxes.notifyAll([...userIds], notification, push);
    }
    const notified = await inboxes.notify(await validate(recipient, to), notification);
    push(notified);
    return notified;
  }

  async notifyRequest(body: unknown): Promise<Notified | { results: NotifyOutcome[] }> {
    const { userId, userIds, ...notification } = await validate(notifyRequest, body);
    if (userId !== undefined) return this.notify(userId, notification as NotificationInput);
    return { results: await this.notify(userIds!, notification as NotificationInput) };
  }

  inbox(userId: string, query: InboxQuery = {}): Promise<InboxPage> {
    return this.#parts.inboxes.page(userId, query);
  }

  async inboxRequest(userId: string, query: URLSearchParams): Promise<InboxPage> {
    return this.inbox(userId, await validate(inboxParameters, Object.fromEntries(query)));
  }

  get pushKey(): string | null {
    return this.#attached?.pushes?.publicKey ?? null;
  }

  get inboxes(): number {
    return this.#attached?.inboxes.count ?? 0;
  }

  get pushesWaiting(): number {
    return this.#attached?.pushes?.queue.waiting ?? 0;
  }

  close(): void {
    this.#attached?.inboxes.close();
    this.#attached?.pushes?.queue.close();
    this.#attached = null;
  }

  // ---- what clients send. The room is the sender's own: nobody else has a right in it.

  handleMark(context: Context, mark: Mark, target: Target): Promise<JsonObject> {
    return this.#parts.inboxes.mark(ownerOf(context), mark, target, context.messageId);
  }

  handleReceived(context: Context, upTo: number): JsonObject {
    // A device that claims more than there is would not be told of what comes.
    const atMost = Math.min(upTo, context.room.head);
    const userId = ownerOf(context);
    this.#parts.host.tellReceived?.(userId, atMost);
    return { upTo: this.#parts.pushes?.queue.received(userId, atMost) ?? atMost };
  }

  hearReceived(userId: string, upTo: number): void {
    this.#attached?.pushes?.queue.received(userId, upTo);
  }

  async handleSubscribe(context: Context, subscription: PushSubscription): Promise<JsonObject> {
    const { pushes } = this.#parts;
    if (pushes === null) {
      throw new YamabikoError("unknown_type", "This server sends no push messages.", {
        remedy: "Set YAMABIKO_VAPID_PUBLIC_KEY, YAMABIKO_VAPID_PRIVATE_KEY and YAMABIKO_VAPID_SUBJECT.",
      });
    }
    return { subscriptions: await pushes.subscriptions.add(ownerOf(context), subscription) };
  }

  async handleUnsubscribe(context: Context, endpoint: string): Promise<JsonObject> {
    return { subscriptions: (await this.#parts.pushes?.subscriptions.remove(ownerOf(context), endpoint)) ?? 0 };
  }

  async handleJoin(context: JoinContext): Promise<JsonObject> {
    return this.#parts.inboxes.counts(ownerOf(context));
  }

  get #parts(): Attached {
    if (this.#attached === null) throw new TypeError("notifications need a server: pass them to `createServer`");
    return this.#attached;
  }
}

/** What a service has once it has a server. */
class Attached {
  readonly host: NotificationsHost;
  readonly inboxes: Inboxes;
  readonly pushes: { queue: PushQueue; subscriptions: PushSubscriptions; publicKey: string } | null;

  constructor(host: NotificationsHost, options: Required<Omit<NotificationsOptions, "messagesPerSecond">>) {
    this.host = host;
    const inboxes = new Inboxes(host, (userId) => `${USER}:${userId}`, options);
    this.inboxes = inboxes;
    this.pushes = null;
    const { push: sender } = host;
    if (sender === null) return;
    const subscriptions = new PushSubscriptions(host, (userId) => `${PUSH}:${userId}`, options.inboxes);
    const queue = new PushQueue({
      sender,
      clock: host.clock,
      afterMs: options.pushAfterMs,
      inFlight: options.pushInFlight,
      allowPrivateEndpoints: host.allowPrivateEndpoints === true,
      failure: (where, error) => host.failure(where, error),
      subscriptionsOf: (userId) => subscriptions.of(userId),
      messageOf: async (userId, id) => {
        const item = await inboxes.unnoticed(userId, id);
        return item === null ? null : pushMessageOf(item, host.clock.now());
      },
      remove: (userId, endpoint) => subscriptions.remove(userId, endpoint),
    });
    this.pushes = { queue, subscriptions, publicKey: sender.publicKey };
  }
}

/** The user whose room it is. Access has made sure that the sender is; a handler that relies on it says so once more. */
function ownerOf({ user, roomId }: { user: { id: string }; roomId: RoomAddress["roomId"] }): string {
  if (roomId !== `${USER}:${user.id}`) throw new YamabikoError("access_denied", "An inbox is its user's alone.");
  return user.id;
}

function above0(name: string, value: number | undefined, byDefault: number): number {
  const number = value ?? byDefault;
  if (!Number.isSafeInteger(number) || number < 1) {
    throw new RangeError(`notifications: ${name} must be a whole number above 0`);
  }
  return number;
}

/** Everything in a room of one's own is about its user. */
function eraseOwn({ name, userId, payload }: EraseRequest): JsonObject | null {
  return name === userId && payload.erased !== true ? { erased: true } : null;
}
