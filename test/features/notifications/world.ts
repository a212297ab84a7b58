import { createMemoryBus } from "../../../src/bus/memory.ts";
import {
  type NotificationService,
  type NotificationsOptions,
  notifications,
  type PushMessage,
  type PushOutcome,
  type PushSender,
  type PushSubscription,
  pushSubscriptions,
} from "../../../src/features/index.ts";
import type { Log } from "../../../src/log/log.ts";
import { createMemoryLog } from "../../../src/log/memory.ts";
import { nullObserver } from "../../../src/observe/observer.ts";
import { type Clock, type JsonObject, resolveLimits, validate } from "../../../src/protocol/index.ts";
import { Rooms } from "../../../src/room/rooms.ts";
import { ServerRoom } from "../../../src/server/server-room.ts";
import type { Context, MessageDefinition, Namespace } from "../../../src/session/namespace.ts";
import { createFakeClock } from "../../../src/testing/fake-clock.ts";

/** An event as the log has it. */
export interface Logged {
  seq: number;
  type: string;
  payload: JsonObject;
}

/** One server process, as far as notifications can tell. */
export interface Node {
  readonly service: NotificationService;
  readonly rooms: Rooms;
  readonly failures: { where: string; error: unknown }[];
  room(roomId: string): ServerRoom;
  /** A client's message, as the router hands it to the handler: with access and schema checked. */
  send(userId: string, type: string, payload: JsonObject, messageId?: string): Promise<JsonObject>;
  /** Resolves to `you`. */
  join(userId: string): Promise<JsonObject>;
  close(): void;
}

export interface WorldOptions {
  readonly clock?: Clock;
  readonly log?: Log;
  readonly options?: NotificationsOptions;
  readonly push?: PushSender | null;
  readonly allowPrivateEndpoints?: boolean;
}

/** A log, and as many nodes over it as a test starts. */
export function createWorld({
  clock = createFakeClock(),
  log = createMemoryLog({ clock }),
  options = {},
  push = null,
  allowPrivateEndpoints = false,
}: WorldOptions = {}) {
  const bus = createMemoryBus();
  const nodes: Node[] = [];

  const start = (more: NotificationsOptions = {}): Node => {
    const namespace = notifications({ ...options, ...more });
    const namespaces = new Map<string, Namespace>([
      ["user", namespace],
      ["push", pushSubscriptions()],
    ]);
    const nodeId = `n${nodes.length}`;
    const rooms = new Rooms({ log, bus, nodeId, observer: nullObserver, clock, limits: resolveLimits({}, true) });
    const room = (roomId: string) =>
      new ServerRoom(
        roomId,
        async () => rooms,
        namespaces,
        async () => {},
      );
    const failures: { where: string; error: unknown }[] = [];
    namespace.service.attach({
      room,
      clock,
      failure: (where, error) => void failures.push({ where, error }),
      push,
      allowPrivateEndpoints,
    });
    const contextOf = async (userId: string, type: string, messageId?: string) => ({
      user: { id: userId, name: userId, guest: false, claims: {} },
      connectionId: "c",
      roomId: `user:${userId}`,
      type,
      messageId: messageId ?? null,
      now: clock.now(),
      room: await room(`user:${userId}`).view(),
    });
    const node: Node = {
      service: namespace.service,
      rooms,
      failures,
      room,
      async send(userId, type, payload, messageId) {
        const definition = (namespace.messages as Record<string, MessageDefinition>)[type]!;
        const checked = await validate(definition.payload!, payload);
        const context = (await contextOf(userId, type, messageId)) as unknown as Context;
        return (await definition.handle(context, checked)) as JsonObject;
      },
      async join(userId) {
        return (await namespace.onJoin!((await contextOf(userId, "join_room")) as never)) as JsonObject;
      },
      close() {
        namespace.service.close();
        rooms.close();
      },
    };
    nodes.push(node);
    return node;
  };

  return {
    clock,
    log,
    start,
    /** What the log has of a user's room. */
    async events(userId: string, namespace = "user"): Promise<Logged[]> {
      const found: Logged[] = [];
      let after = 0;
      for (;;) {
        const { events } = await log.read(`${namespace}:${userId}`, after, 1_000);
        if (events.length === 0) return found;
        for (const { seq, type, data } of events) found.push({ seq, type, payload: JSON.parse(data) as JsonObject });
        after = events.at(-1)!.seq;
      }
    },
    async close(): Promise<void> {
      for (const node of nodes) node.close();
      await bus.close();
      await log.close();
    },
  };
}

/** A notification to send, when it does not matter what it says. */
export function hello(more: JsonObject = {}) {
  return { type: "greeting", title: "Hello", body: "It is me.", url: "/messages/1", ...more };
}

/** A push service that keeps what it got, and answers as it is told. */
export class FakeSender implements PushSender {
  readonly publicKey = "the-public-key";
  readonly sent: { endpoint: string; message: PushMessage }[] = [];
  atOnce = 0;
  mostAtOnce = 0;
  answer: (endpoint: string) => PushOutcome | Promise<PushOutcome> = () => ({ kind: "sent" });

  async send({ endpoint }: PushSubscription, message: PushMessage): Promise<PushOutcome> {
    this.sent.push({ endpoint, message });
    this.atOnce += 1;
    this.mostAtOnce = Math.max(this.mostAtOnce, this.atOnce);
    try {
      return await this.answer(endpoint);
    } finally {
      this.atOnce -= 1;
    }
  }

  /** The payloads so far, as a service worker reads them. */
  get payloads(): JsonObject[] {
    return this.sent.map(({ message }) => JSON.parse(message.payload) as JsonObject);
  }
}

/** A subscription as a browser would make it. */
export function subscription(endpoint = "https://push.example.com/send/1") {
  const p256dh = Buffer.concat([Buffer.from([4]), Buffer.alloc(64, 7)]).toString("base64url");
  return { endpoint, keys: { p256dh, auth: Buffer.alloc(16, 9).toString("base64url") } };
}
