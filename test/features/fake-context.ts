import { type JsonObject, validate, YamabikoError } from "../../src/protocol/index.ts";
import type {
  Context,
  Draft,
  HandlerResult,
  JoinContext,
  MessageDefinition,
  Namespace,
  Right,
  RoomView,
  Saved,
  StateView,
  User,
} from "../../src/session/namespace.ts";
import type { FakeClock } from "../../src/testing/fake-clock.ts";
import { FakeRoom, type FakeRoomOptions } from "./fake-room.ts";

/** How often a handler runs for one message whose amendment keeps meeting changes. */
const MAX_RUNS = 5;

/** A server with one namespace and nothing but memory, as far as a feature can tell one from another. */
export interface FakeServer {
  room(roomId: string): FakeRoom;
  connect(userId: string, claims?: Record<string, unknown>): FakeConnection;
}

/** One connection: what it sends goes the way the router would send it. */
export interface FakeConnection {
  readonly user: User;
  /** What `context.reply` sent to this connection. */
  readonly replies: { type: string; payload: JsonObject }[];
  /** Resolves to `you`. */
  join(roomId: string): Promise<JsonObject | undefined>;
  leave(roomId: string): void;
  /** Resolves to the ack's payload, rejects with the refusal. */
  send(type: string, payload: JsonObject, messageId?: string): Promise<JsonObject>;
}

export interface FakeServerOptions extends FakeRoomOptions {
  readonly clock: FakeClock;
}

/** Makes a {@link FakeServer}. */
export function createFakeServer(namespace: Namespace, options: FakeServerOptions): FakeServer {
  const { clock } = options;
  const rooms = new Map<string, FakeRoom>();
  /** The rooms in which a user has a mark, by family and user, latest moved last. */
  const marked = new Map<string, Set<string>>();
  let connections = 0;

  const roomOf = (roomId: string): FakeRoom => {
    let room = rooms.get(roomId);
    if (room === undefined) {
      room = new FakeRoom(roomId, namespace, options, (family, user) => {
        const key = JSON.stringify([family, user]);
        const ids = marked.get(key) ?? new Set();
        ids.delete(roomId);
        marked.set(key, ids.add(roomId));
      });
      rooms.set(roomId, room);
    }
    return room;
  };

  const can = (user: User, roomId: string, right: Right): boolean | Promise<boolean> => {
    if (namespace.access === undefined) return right !== "admin";
    return namespace.access({ user, roomId, name: roomId.slice(roomId.indexOf(":") + 1), right });
  };

  const connect = (userId: string, claims: Record<string, unknown> = {}): FakeConnection => {
    connections += 1;
    const connectionId = `c${connections}`;
    const user: User = { id: userId, name: `${userId.toUpperCase()}`, guest: false, claims };
    const joined = new Set<string>();
    const replies: { type: string; payload: JsonObject }[] = [];

    const stateOf = (room: FakeRoom, family: string): StateView => ({
      set: (key, value) => room.setState(family, key, value, connectionId),
      remove: (key) => room.removeState(family, key),
    });

    const contextOf = (roomId: string, type: string, messageId: string | null): Context => ({
      user,
      connectionId,
      roomId,
      type,
      messageId,
      now: clock.now(),
      get room(): RoomView {
        if (roomId === "") throw new Error("a roomless message has no room");
        return roomOf(roomId);
      },
      feature: null,
      event: (eventType, payload, draftOptions = {}): Draft => ({
        kind: "draft",
        type: eventType,
        payload,
        options: draftOptions,
      }),
      saved: (place, ack = {}) => ({ kind: "saved", place, ack }),
      signal: (eventType, payload) => roomOf(roomId).announce(eventType, payload),
      reply: (eventType, payload) => void replies.push({ type: eventType, payload }),
      can: (right) => can(user, roomId, right),
      state: (family) => stateOf(roomOf(roomId), family),
      async marks(family) {
        await turn();
        const ids = [...(marked.get(JSON.stringify([family, userId])) ?? [])].reverse();
        return new Map(ids.map((id) => [id, roomOf(id).mark(family, userId) ?? 0]));
      },
      async visit(other) {
        await turn();
        const room = rooms.get(other);
        return room !== undefined && (await can(user, other, "read")) ? room : null;
      },
    });

    const run = async (definition: MessageDefinition, context: Context, payload: unknown): Promise<JsonObject> => {
      const findFirst = async () =>
        context.messageId === null || context.roomId === "" || definition.right === "read"
          ? null
          : roomOf(context.roomId).find(user.id, context.messageId);
      for (let runs = 1; ; runs += 1) {
        let result: HandlerResult;
        try {
          result = await definition.handle(context, payload);
        } catch (error) {
          const first = error instanceof YamabikoError && !error.retryable ? await findFirst() : null;
          if (first === null) throw error;
          return { success: true, ...first };
        }
        if (isSaved(result)) return { success: true, ...result.place, ...result.ack };
        if (result === undefined || !isDraft(result)) return { success: true, ...((await findFirst()) ?? result) };
        const appended = await roomOf(context.roomId).append(user.id, context.messageId, result);
        if (appended !== "amended meanwhile") return { success: true, ...appended, ...result.options.ack };
        if (runs === MAX_RUNS) throw new YamabikoError("conflict", "The event changed too often.");
      }
    };

    return {
      user,
      replies,
      async join(roomId) {
        if (!(await can(user, roomId, "read"))) throw new YamabikoError("access_denied", "You may not read this room.");
        const room = roomOf(roomId);
        const context: JoinContext = {
          resumed: false,
          options: {},
          feature: null,
          user,
          connectionId,
          roomId,
          now: clock.now(),
          room,
          state: (family) => stateOf(room, family),
          can: (right) => can(user, roomId, right),
        };
        const you = await namespace.onJoin?.(context);
        joined.add(roomId);
        return you ?? undefined;
      },
      leave(roomId) {
        joined.delete(roomId);
        roomOf(roomId).forget(connectionId);
      },
      async send(type, { roomId = "", ...payload }, messageId) {
        const definition = namespace.messages[type];
        if (definition === undefined) throw new YamabikoError("unknown_type", "There is no such message.");
        const address = definition.roomless === true ? "" : String(roomId);
        if (definition.roomless !== true) {
          if (definition.joined !== false && !joined.has(address)) {
            throw new YamabikoError("not_joined", "Join the room first.");
          }
          if (!(await can(user, address, definition.right ?? "write"))) {
            throw new YamabikoError("access_denied", "You may not do this here.");
          }
        }
        const checked = definition.payload === undefined ? payload : await validate(definition.payload, payload);
        return run(definition, contextOf(address, type, messageId ?? null), checked);
      },
    };
  };

  return { room: roomOf, connect };
}

function isSaved(result: HandlerResult): result is Saved {
  return typeof result === "object" && result.kind === "saved" && "place" in result;
}

function isDraft(result: Draft | JsonObject): result is Draft {
  return result.kind === "draft" && typeof result.options === "object";
}

/** Another turn of the event loop, as a log on a disk or a network would take. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
