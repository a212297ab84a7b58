import { YamabikoError } from "../protocol/errors.ts";
import type { ClientCodec } from "./codec.ts";
import { Lane, type LaneHost } from "./lane.ts";
import { type AckPayload, type MessageHolder, OutboxMessage, type StoredMessage } from "./message.ts";
import { newMessageId } from "./message-id.ts";
import type { OutboxStorage } from "./outbox-storage.ts";

/** What an outbox needs of its client. */
export interface OutboxHost extends LaneHost {
  readonly outboxLimit: number;
  readonly codec: ClientCodec;
  readonly storage?: OutboxStorage | undefined;
  /** Whether the connection takes messages of this room now; `restored` ones have no room handle that vouches for them. */
  mayWrite(roomId: string | null, restored: boolean): boolean;
  /** The largest envelope the server takes, bytes; null until it said so. */
  messageBytes(): number | null;
  report(thrown: unknown): void;
}

/** What the server takes unless it says otherwise, bytes. */
const USUAL_MESSAGE_BYTES = 64 * 1024;

/**
 * Every message that was sent and not yet answered, in a {@link Lane} per room, and those refused for good that wait for
 * `retry` or `discard`.
 */
export class Outbox implements MessageHolder {
  readonly #host: OutboxHost;
  readonly #lanes = new Map<string | null, Lane>();
  readonly #messages = new Map<string, OutboxMessage>();
  readonly #restored = new Set<OutboxMessage>();
  #loaded = false;
  #closed = false;
  #saving = false;

  constructor(host: OutboxHost) {
    this.#host = host;
    void this.#load();
  }

  /** Messages of a room (null: of none; undefined: all), oldest first, failed ones included. */
  list(roomId?: string | null): OutboxMessage[] {
    const all = [...this.#messages.values()];
    return roomId === undefined ? all : all.filter((message) => message.roomId === roomId);
  }

  /**
   * Takes a message and writes it as soon as its turn comes. A full outbox, a payload that is not JSON, and a room
   * that is `over` make a message that has failed already.
   */
  add(
    type: string,
    payload: unknown,
    roomId: string | null,
    kept: boolean,
    over: boolean,
    messageId = newMessageId(),
  ): OutboxMessage {
    const stored: StoredMessage = { messageId, type, payload: {}, roomId, createdAt: this.#host.clock.now() };
    let message: OutboxMessage;
    try {
      message = this.#make({ ...stored, payload: JSON.parse(JSON.stringify(payload ?? {})) }, kept);
    } catch (thrown) {
      message = this.#make(stored, kept);
      message.fail(new YamabikoError("invalid_message", "The payload cannot be written.", { cause: thrown }));
      return message;
    }
    if (over) message.fail(new YamabikoError("not_joined", "The room is not joined."));
    else {
      const known = this.#messages.get(messageId);
      if (known) return known;
      if (this.#hasPlaceFor(message)) this.#append(message);
    }
    return message;
  }

  /** Writes what may be written, of one room or of all. */
  flush(roomId?: string | null): void {
    if (!this.#loaded) return;
    if (roomId !== undefined) this.#lanes.get(roomId)?.flush();
    else for (const lane of [...this.#lanes.values()]) lane.flush();
  }

  /** The join of a room was refused, and with it what was written behind it: it goes again behind the next. */
  rewind(roomId: string): void {
    this.#lanes.get(roomId)?.rewind();
  }

  /** The connection is gone. */
  suspend(): void {
    for (const lane of this.#lanes.values()) lane.suspend();
  }

  /** Handles `ack{success:true}`, if anybody waits for it. */
  accept(messageId: string, ack: AckPayload): void {
    const message = this.#messages.get(messageId);
    if (!message) return;
    const lane = this.#forget(message);
    message.accept(ack);
    this.#changed(message.roomId);
    lane?.acked();
  }

  /** The message with this id. */
  find(messageId: string): OutboxMessage | undefined {
    return this.#messages.get(messageId);
  }

  /**
   * Handles `ack{success:false}`. `hold` keeps the message for the next join or connection although the error is
   * final, for refusals that are about the connection and not about the message.
   */
  refuse(message: OutboxMessage, error: YamabikoError, hold: boolean): void {
    if (hold || error.retryable) this.#lanes.get(message.roomId)?.refused(message, hold ? null : error.retryAfterMs);
    else this.#fail(message, error);
  }

  /** Fails every message of a room that is not on its way, or all of them. */
  failRoom(roomId: string, error: YamabikoError, alsoSent: boolean): void {
    for (const message of this.list(roomId)) {
      if (message.state === "queued" || alsoSent) this.#fail(message, error);
    }
  }

  requeue(message: OutboxMessage): void {
    message.renew();
    if (this.#closed) return message.fail(new YamabikoError("unavailable", "The client was closed."));
    if (!this.#hasPlaceFor(message)) return;
    // At the end of the map as well, so that a reload finds the same order.
    this.#messages.delete(message.messageId);
    this.#append(message);
  }

  discard(message: OutboxMessage): void {
    if (this.#messages.get(message.messageId) !== message) return;
    const lane = this.#forget(message);
    if (message.state !== "failed") message.fail(new YamabikoError("unavailable", "The message was discarded."));
    this.#changed(message.roomId);
    lane?.flush();
  }

  /** Rejects what is still waiting. The storage keeps it, so that the next page load finds it. */
  close(): void {
    this.suspend();
    void this.#store();
    this.#loaded = false;
    this.#closed = true;
    const waiting = this.list();
    this.#messages.clear();
    this.#lanes.clear();
    for (const message of waiting) {
      if (message.state !== "failed") message.fail(new YamabikoError("unavailable", "The client was closed."));
    }
  }

  /** Whatever throws here would throw at every attempt to write it. */
  #make(stored: StoredMessage, kept: boolean): OutboxMessage {
    const message = new OutboxMessage(stored, this, kept);
    const frame = this.#host.codec.encode(message.envelope());
    message.bytes = (typeof frame === "string" ? new TextEncoder().encode(frame) : frame).length;
    return message;
  }

  /** Makes room at the cost of the oldest failed message. Without any, this one fails. */
  #hasPlaceFor(message: OutboxMessage): boolean {
    if (this.#messages.has(message.messageId) || this.#messages.size < this.#host.outboxLimit) return true;
    const oldest = this.list().find(({ state }) => state === "failed");
    if (oldest) this.discard(oldest);
    else message.fail(new YamabikoError("unavailable", "The outbox is full."));
    return oldest !== undefined;
  }

  #append(message: OutboxMessage): void {
    this.#messages.set(message.messageId, message);
    if (message.state !== "failed") this.#lane(message.roomId).messages.push(message);
    this.#changed(message.roomId);
    this.flush(message.roomId);
  }

  #mayWrite(message: OutboxMessage): boolean {
    const { roomId } = message;
    if (!this.#host.mayWrite(roomId, this.#restored.has(message))) return false;
    const limit = this.#host.messageBytes();
    if (message.bytes <= (limit ?? USUAL_MESSAGE_BYTES)) return true;
    // Written, it would cost the connection (ENV-6), again and again. Before `welcome` the limit is not known: wait.
    if (limit) {
      const error = new YamabikoError("payload_too_large", `The message is over ${limit} bytes.`);
      queueMicrotask(() => this.#fail(message, error));
    }
    return false;
  }

  #fail(message: OutboxMessage, error: YamabikoError): void {
    const { roomId } = message;
    if (message.state === "failed") return;
    this.#lanes.get(roomId)?.remove(message);
    if (!message.kept) this.#forget(message);
    message.fail(error);
    this.#changed(roomId);
    this.flush(roomId);
  }

  #forget(message: OutboxMessage): Lane | undefined {
    const lane = this.#lanes.get(message.roomId);
    this.#messages.delete(message.messageId);
    this.#restored.delete(message);
    lane?.remove(message);
    if (lane?.messages.length === 0) this.#lanes.delete(message.roomId);
    return lane;
  }

  #lane(roomId: string | null): Lane {
    const lane = this.#lanes.get(roomId) ?? new Lane(this.#host, (message) => this.#mayWrite(message));
    this.#lanes.set(roomId, lane);
    return lane;
  }

  #changed(roomId: string | null): void {
    this.#save();
    this.#host.changed(roomId);
  }

  #save(): void {
    if (!this.#host.storage || this.#saving || !this.#loaded) return;
    this.#saving = true;
    queueMicrotask(() => {
      this.#saving = false;
      void this.#store();
    });
  }

  async #store(): Promise<void> {
    // Before it is loaded, what is stored is not known; after `close` it is the next page load's.
    if (!this.#loaded) return;
    try {
      await this.#host.storage?.save(this.list().map((message) => message.store()));
    } catch (thrown) {
      this.#host.report(thrown);
    }
  }

  async #load(): Promise<void> {
    const { storage } = this.#host;
    if (storage) {
      try {
        await null; // whoever made this outbox is not finished yet
        const stored = await storage.load();
        if (!this.#closed) this.#restore(stored);
      } catch (thrown) {
        this.#host.report(thrown);
      }
    }
    if (this.#closed) return;
    this.#loaded = true;
    if (this.#messages.size > 0) this.#save();
    this.flush();
  }

  /** Puts restored messages before those sent since the page was loaded. */
  #restore(stored: readonly StoredMessage[]): void {
    const sent = this.list();
    const again = stored.filter(({ messageId }) => !this.#messages.has(messageId));
    const restored = again.map((entry) => this.#make(entry, true));
    this.#messages.clear();
    this.#lanes.clear();
    for (const message of restored) {
      this.#restored.add(message);
      this.#append(message);
    }
    for (const message of sent) this.#append(message);
  }
}
