import type { AppendResult } from "../log/log.ts";
import type { MessageSpan } from "../observe/tracing.ts";
import {
  type Envelope,
  formatCursor,
  type JsonObject,
  type RoomAddress,
  toYamabikoError,
  validate,
  YamabikoError,
} from "../protocol/index.ts";
import type { Room } from "../room/room.ts";
import { HandlerContext } from "./context.ts";
import { handleAuthenticate } from "./handlers/authenticate.ts";
import { handleJoinRoom } from "./handlers/join-room.ts";
import { handleLeaveRoom } from "./handlers/leave-room.ts";
import { Kicks } from "./kicks.ts";
import { Buckets } from "./limits.ts";
import type { Draft, FoundEvent, HandlerResult, MessageDefinition, Namespace, Right, Saved } from "./namespace.ts";
import { kindOf } from "./room-kind.ts";
import type { Services } from "./services.ts";
import type { Session, SessionRouter } from "./session.ts";
import type { Turn } from "./turn.ts";
import { unknownMessage, unknownNamespace } from "./unknown.ts";
import { UserRates } from "./user-rates.ts";

/** How often a handler runs again when somebody else changed what it amends. */
const AMEND_TRIES = 5;

/** Types whose payload may be just a roomId (ENV-3), besides those of the namespaces without a required payload. */
const CORE_TYPES: ReadonlySet<string> = new Set(["join_room", "leave_room"]);

/** One message whose turn comes. */
interface Task {
  readonly session: Session;
  readonly envelope: Envelope;
  /** Its room; null for a message about none. */
  readonly address: RoomAddress | null;
  /** What takes it when it is about no room. */
  readonly roomless: Namespace | undefined;
  /** Why it is refused, whatever it is. */
  readonly refused: YamabikoError | null;
  readonly turn: Turn;
  /** Null where it is not traced. */
  readonly span: MessageSpan | null;
}

/** Finds out what a message is about and what becomes of it. From here on nobody knows what transport it came by. */
export class Router implements SessionRouter {
  readonly services: Services;
  /** Who was taken out of a room and may not go on in it without joining again. */
  readonly kicks: Kicks;
  readonly #userRates: UserRates;
  readonly #roomMessages: Buckets;
  /** Roomless types, and the namespace they belong to. */
  readonly #roomless = new Map<string, Namespace>();

  /** Types of namespaces whose rooms a member of the payload names. */
  readonly #addressed = new Map<string, { readonly namespace: string; readonly member: string }>();

  constructor(services: Services) {
    this.services = services;
    this.kicks = new Kicks(services.clock);
    services.observer.gauge("kicks", () => this.kicks.count);
    const { limits, clock, rooms, observer } = services;
    this.#userRates = new UserRates(limits, clock, rooms.words, () => rooms.otherNodes.length > 0);
    observer.gauge("user_rates", () => this.#userRates.count);
    this.#roomMessages = new Buckets(services.clock);
    for (const namespace of services.namespaces.values()) {
      const { name, addressedBy } = namespace;
      if (addressedBy !== undefined) {
        for (const type of Object.keys(namespace.messages)) {
          if (!this.#addressed.has(type)) this.#addressed.set(type, { namespace: name, member: addressedBy });
        }
      }
      for (const [type, definition] of Object.entries(namespace.messages)) {
        if (definition.roomless === true && !this.#roomless.has(type)) this.#roomless.set(type, namespace);
      }
    }
  }

  /** The session's user is known. */
  welcomed(session: Session): void {
    const address = this.services.defaultRoom;
    const { isDuplex, joinsDefaultRoom = true } = session.connection;
    if (address !== null && isDuplex && joinsDefaultRoom)
      void this.route(session, { type: "join_room", payload: { roomId: address.roomId } }, null, 0, null);
  }

  /**
   * One message. Answers it, whatever happens; undefined when it is answered, else a promise that settles then and never rejects.
   * @param refusal why it is refused whatever it is; it still has its place in the order.
   * @param bytes its size.
   * @param span null where it is not traced.
   */
  route(
    session: Session,
    envelope: Envelope,
    refusal: YamabikoError | null,
    bytes: number,
    span: MessageSpan | null,
  ): Promise<void> | undefined {
    try {
      return this.#route(session, envelope, refusal, bytes, span);
    } catch (error) {
      this.#refuse({ session, envelope, address: null, span }, error);
      return undefined;
    }
  }

  #route(
    session: Session,
    envelope: Envelope,
    refusal: YamabikoError | null,
    bytes: number,
    span: MessageSpan | null,
  ): Promise<void> | undefined {
    if (envelope.type === "ack") return undefined;
    if (envelope.type === "authenticate") {
      if (refusal !== null) throw refusal;
      return handleAuthenticate(session, envelope, this.services, span);
    }
    if (session.user === null) {
      if (refusal !== null) throw refusal;
      this.#welcomeGuest(session, envelope);
      if (session.isEnded) return undefined;
    }
    if (envelope.type === "ping") {
      if (refusal !== null) throw refusal;
      session.send("pong", envelope.payload ?? {});
      session.ack(envelope.messageId, {});
      return undefined;
    }
    const refused = refusal ?? this.#limitUser(session, bytes);
    const roomless = this.#roomless.get(envelope.type);
    const isRoomless = roomless !== undefined && !namesRoom(envelope.payload);
    const address = isRoomless ? null : this.#addressOf(session, envelope);
    span?.about(address?.namespace ?? roomless!.name, address?.roomId ?? null);
    const turn = session.takeTurn(address?.roomId ?? "");
    const task = { session, envelope, address, roomless, refused, turn, span };
    return turn.begin(() => this.#take(task));
  }

  /** @throws {YamabikoError} `unauthenticated` where guests are not allowed. */
  #welcomeGuest(session: Session, envelope: Envelope): void {
    if (this.services.guests === null) {
      throw new YamabikoError("unauthenticated", "Say who you are first.", {
        remedy: 'Send {"type": "authenticate", "payload": {"token": "…"}} as the first message.',
      });
    }
    session.becomeGuest(this.services.guests, undefined, envelope.messageId);
  }

  /** Forgets rates nobody uses. */
  sweep(): void {
    this.#userRates.sweep();
    this.#roomMessages.sweep();
  }

  /** In the order of arrival per room: the next message starts when this one's place in the log is asked for. */
  async #take(task: Task): Promise<void> {
    const { session, refused, turn } = task;
    try {
      if (session.isEnded) return;
      // Refused only here, so that what came before to the same room is not refused for it (ACK-5).
      if (refused !== null) throw refused;
      await this.#handle(task);
    } catch (error) {
      this.#refuse(task, error);
    } finally {
      turn.end();
    }
  }

  #handle(task: Task): Promise<void> | void {
    const { session, envelope, address, roomless } = task;
    if (address === null) return this.#handleMessage(task, roomless!);
    if (envelope.type === "join_room") {
      const { roomId } = address;
      const userId = session.user!.id;
      if (this.kicks.forget(roomId, userId)) this.services.rooms.words.say("back", { roomId, userId });
      return handleJoinRoom(session, envelope, address, this.services);
    }
    if (envelope.type === "leave_room") return handleLeaveRoom(session, envelope, address, this.services);
    checkHold(session, envelope, address);
    const namespace = this.services.namespaces.get(address.namespace);
    if (namespace === undefined) {
      throw unknownNamespace(address.namespace, this.services.namespaces);
    }
    return this.#handleMessage(task, namespace);
  }

  async #handleMessage(task: Task, namespace: Namespace): Promise<void> {
    const { session, envelope, address } = task;
    const definition = definitionOf(namespace, envelope.type);
    if (definition === undefined) {
      throw unknownMessage(envelope.type, namespace);
    }
    // Taken before anything waits: what the handler sets belongs to the membership the message was sent in.
    const membership = address === null ? undefined : session.memberships.get(address.roomId);
    let room = membership?.room ?? null;
    if (address !== null) {
      const needsToRead = room === null && definition.joined !== false;
      if (needsToRead && session.connection.isDuplex) {
        throw new YamabikoError("not_joined", "Join the room before you send to it.", {
          remedy: `Send {"type": "join_room", "payload": {"roomId": ${JSON.stringify(address.roomId)}}} first.`,
        });
      }
      const right = definition.right ?? "write";
      const checking = this.#checkRight(session, address, right);
      if (checking !== undefined) await checking;
      if (needsToRead && right !== "read") await this.#checkRight(session, address, "read");
      if (room === null) {
        const opened = this.services.rooms.open(address.roomId, kindOf(namespace));
        room = opened instanceof Promise ? await opened : opened;
      }
      this.#limitRoom(session, address, namespace);
    }
    const context = new HandlerContext(session, this.services, envelope, address, room, membership?.owned ?? null);
    const unpin = room?.pin();
    try {
      await this.#perform(task, context, definition, room);
    } finally {
      unpin?.();
    }
  }

  #checkRight(session: Session, address: RoomAddress, right: Right): void | Promise<void> {
    const check = (may: boolean): void => {
      if (!may) throw new YamabikoError("access_denied", `You do not have the right to ${right} here.`);
    };
    const may = this.services.can(session.user!, address, right);
    return may instanceof Promise ? may.then(check) : check(may);
  }

  /** Runs a message's handler and does what it returns. */
  async #perform(
    { session, envelope, address, turn, span }: Task,
    context: HandlerContext,
    definition: MessageDefinition,
    room: Room | null,
  ): Promise<void> {
    const fields = payloadFields(envelope.payload);
    let payload: unknown = fields;
    if (definition.payload !== undefined) {
      const checked = validate(definition.payload, fields);
      payload = checked instanceof Promise ? await checked : checked;
    }
    for (let attempt = 1; ; attempt++) {
      let result: HandlerResult;
      try {
        const returned =
          span === null ? definition.handle(context, payload) : span.run(() => definition.handle(context, payload));
        result = returned instanceof Promise ? await returned : returned;
      } catch (error) {
        const isFinal = error instanceof YamabikoError && !error.retryable;
        const first = isFinal ? await findFirst(room, session, envelope, definition) : null;
        if (first === null) throw error;
        session.ack(envelope.messageId, savedAs(first));
        return;
      }
      if (isSaved(result)) {
        session.ack(envelope.messageId, { ...savedAs(result.place), ...result.ack });
        return;
      }
      if (result === undefined || result === null || !isDraft(result)) {
        const found = findFirst(room, session, envelope, definition);
        const first = found instanceof Promise ? await found : found;
        session.ack(envelope.messageId, first === null ? ((result ?? {}) as JsonObject) : savedAs(first));
        return;
      }
      const { amend, expect } = result.options;
      // While the handler waited, an earlier message may have been refused. From here to `publish` nothing waits.
      checkHold(session, envelope, address!);
      const publishing = publishDraft(room!, session.user!.id, envelope, result, span);
      // A plain append has its place in the order now. An amendment may have to be asked for again, so the next waits.
      if (amend === undefined) turn.end();
      try {
        session.ack(envelope.messageId, { ...savedAs(await publishing), ...result.options.ack });
        return;
      } catch (error) {
        // Noted at once: what comes later must not find the failed append reported and the hold not yet there.
        this.#hold(session, envelope, address, error);
        const isRace =
          error instanceof YamabikoError && error.code === "conflict" && amend !== undefined && expect === undefined;
        if (!isRace || attempt >= AMEND_TRIES) throw error;
      }
    }
  }

  #refuse(
    { session, envelope, address, span }: Pick<Task, "session" | "envelope" | "address" | "span">,
    error: unknown,
  ): void {
    this.#hold(session, envelope, address, error);
    span?.refused(toYamabikoError(error).code);
    session.refuse(envelope.messageId, error);
  }

  /** Keeps the order of the room's messages when this one is refused but may come again (ACK-5). */
  #hold(session: Session, envelope: Envelope, address: RoomAddress | null, error: unknown): void {
    const isRetryable = !(error instanceof YamabikoError) || error.retryable;
    if (isRetryable && address !== null && envelope.messageId !== undefined && !CORE_TYPES.has(envelope.type)) {
      session.hold(address.roomId, envelope.messageId);
    }
  }

  #addressOf(session: Session, envelope: Envelope): RoomAddress {
    const { payload } = envelope;
    if (typeof payload === "string") return session.addressOf(payload);
    const roomId =
      typeof payload === "object" && payload !== null ? (payload as { roomId?: unknown }).roomId : undefined;
    if (roomId !== undefined && roomId !== null) return session.addressOf(roomId);
    const named = this.#addressed.get(envelope.type);
    const name = named === undefined ? undefined : (payload as JsonObject | null)?.[named.member];
    if (typeof name === "string") return session.addressOf(`${named!.namespace}:${name}`);
    if (this.services.defaultRoom !== null) return this.services.defaultRoom;
    throw new YamabikoError("invalid_message", `"${envelope.type}" needs a \`roomId\` in its payload.`);
  }

  #limitUser(session: Session, bytes: number): YamabikoError | null {
    const tooSoon = this.#userRates.take(session.user!.id, bytes);
    if (tooSoon === null) return null;
    this.services.observer.limited(tooSoon.limit);
    return new YamabikoError("rate_limited", "Too many messages from this user.", { retryAfterMs: tooSoon.waitMs });
  }

  #limitRoom(session: Session, address: RoomAddress, namespace: Namespace): void {
    const perSecond = namespace.messagesPerSecond ?? 0;
    if (perSecond === 0) return;
    const wait = this.#roomMessages.take(`${session.user!.id}\n${address.roomId}`, perSecond);
    if (wait === 0) return;
    this.services.observer.limited("userMessagesPerSecond");
    throw new YamabikoError("rate_limited", "Too many messages in this room.", { retryAfterMs: wait });
  }
}

/** @throws {YamabikoError} `unavailable` while an earlier message to the room must come again first (ACK-5). */
function checkHold(session: Session, { messageId }: Envelope, { roomId }: RoomAddress): void {
  if (messageId === undefined || session.admits(roomId, messageId)) return;
  throw new YamabikoError("unavailable", "An earlier message to this room was refused; send that one first.");
}

function definitionOf(namespace: Namespace, type: string): MessageDefinition | undefined {
  if (Object.hasOwn(namespace.messages, type)) return namespace.messages[type];
  return Object.hasOwn(namespace.messages, "*") ? namespace.messages["*"] : undefined;
}

function namesRoom(payload: unknown): boolean {
  return typeof payload === "object" && payload !== null && "roomId" in payload;
}

/** The payload without the room, which has been read from it. */
function payloadFields(payload: unknown): JsonObject {
  if (typeof payload === "string") return {};
  if (typeof payload !== "object" || payload === null || Array.isArray(payload)) {
    throw new YamabikoError("invalid_message", "The payload must be an object.");
  }
  const { roomId: _room, ...fields } = payload as JsonObject;
  return fields;
}

function isDraft(result: Draft | JsonObject): result is Draft {
  return result.kind === "draft" && "options" in result;
}

function isSaved(result: HandlerResult): result is Saved {
  return typeof result === "object" && result !== null && result.kind === "saved" && "place" in result;
}

/**
 * What became of this message when it came before: its effect may be the very reason why it now does nothing, and others
 * may have made it impossible since (ACK-3).
 */
function findFirst(
  room: Room | null,
  session: Session,
  { messageId }: Envelope,
  definition: MessageDefinition,
): Promise<AppendResult | null> | null {
  if (room === null || messageId === undefined || definition.right === "read") return null;
  return room.find(session.user!.id, messageId);
}

function savedAs({ epoch, seq, duplicate }: FoundEvent): JsonObject {
  return { savedId: formatCursor(epoch, seq), seq, epoch, duplicate };
}

function publishDraft(room: Room, sender: string, envelope: Envelope, draft: Draft, span: MessageSpan | null) {
  const { amend, expect } = draft.options;
  return room.publish(
    sender,
    envelope.messageId ?? null,
    { type: draft.type, data: JSON.stringify(draft.payload) },
    {
      expect,
      amend: amend?.map(({ seq, expectData, data }) => ({ seq, expectData, data: JSON.stringify(data) })),
    },
    span,
  );
}
