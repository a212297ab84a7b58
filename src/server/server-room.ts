import {
  type Envelope,
  formatCursor,
  type Json,
  type JsonObject,
  parseRoomId,
  toEnvelope,
  YamabikoError,
} from "../protocol/index.ts";
import type { Rooms } from "../room/rooms.ts";
import type { Member, Namespace, RoomView, StateView } from "../session/namespace.ts";
import { kindOf } from "../session/room-kind.ts";
import { unknownNamespace } from "../session/unknown.ts";
import { viewRoom, viewState } from "../session/view.ts";

/** A room, as the server's own code uses it. Needs no membership and no rights. */
export class ServerRoom {
  /** The full form. */
  readonly roomId: string;
  readonly #open: () => Promise<Awaited<ReturnType<Rooms["open"]>>>;
  readonly #isSealed: boolean;
  readonly #kick: (userId: string, roomId: string) => Promise<void>;

  /** @throws {YamabikoError} `invalid_message` for a bad roomId, `unknown_type` for an unknown namespace. */
  constructor(
    roomId: string,
    rooms: () => Promise<Rooms>,
    namespaces: ReadonlyMap<string, Namespace>,
    kick: (userId: string, roomId: string) => Promise<void>,
  ) {
    this.#kick = kick;
    const address = parseRoomId(roomId);
    const namespace = namespaces.get(address.namespace);
    if (namespace === undefined) throw unknownNamespace(address.namespace, namespaces);
    this.roomId = address.roomId;
    this.#isSealed = namespace.isSealed === true;
    this.#open = async () => (await rooms()).open(address.roomId, kindOf(namespace));
  }

  /**
   * Appends an event; resolves when it is durable. With a `messageId`, the same one of the same sender twice is one event.
   * `sender` is the user on whose behalf it is, which nothing checks. Default: the server's own.
   * `traceparent` is the trace that its spans belong to (W3C Trace Context). Default: that of the active span.
   * Rejects with `access_denied` where only the namespace itself puts events into its logs.
   * Rejects with `invalid_message` for a `type` or `messageId` that no envelope may have (ENV-1), with `conflict` when `expect` is not the head, with `unavailable` when the log cannot take it.
   */
  async publish(
    type: string,
    payload: JsonObject,
    options: {
      sender?: string | null | undefined;
      messageId?: string | undefined;
      expect?: number | undefined;
      traceparent?: string | undefined;
    } = {},
  ): Promise<{ savedId: string; epoch: string; seq: number; duplicate: boolean }> {
    toEnvelope({ type, payload, messageId: options.messageId });
    if (this.#isSealed) throw new YamabikoError("access_denied", "Only its own messages change this kind of room.");
    const room = await this.#open();
    const event = { type, data: JSON.stringify(payload) };
    const { sender = null, messageId = null, expect, traceparent = null } = options;
    const { epoch, seq, duplicate } = await room.publish(sender, messageId, event, { expect }, traceparent);
    return { savedId: formatCursor(epoch, seq), epoch, seq, duplicate };
  }

  /**
   * Sends something to everyone there now that is neither logged nor kept.
   * Rejects with `invalid_message` for a `type` that no envelope may have (ENV-1).
   */
  async signal(type: string, payload: Json): Promise<void> {
    toEnvelope({ type, payload });
    (await this.#open()).signal(type, payload);
  }

  /** The room's head, history and state. */
  async view(): Promise<RoomView> {
    return viewRoom(await this.#open());
  }

  /** A family of the room's state. */
  async state(family: string): Promise<StateView> {
    return viewState(await this.#open(), family, null);
  }

  /** Who is there: at most 100 are named, the count is of all. */
  async members(): Promise<{ count: number; users: readonly Member[] }> {
    return (await this.#open()).members.list();
  }

  /** The envelopes after a seq, oldest first. */
  async history(after: number, limit: number): Promise<Envelope[]> {
    return (await (await this.view()).read(after, limit)).map((event) => event.toEnvelope());
  }

  /**
   * Takes a user's connections, on all nodes, out of the room, also such as only wait in a poll: they get `left_room` with
   * the reason `kicked`, and nothing of the room after it. The user may join again, unless a rule says otherwise.
   */
  kick(userId: string): Promise<void> {
    return this.#kick(userId, this.roomId);
  }
}
