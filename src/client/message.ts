import { YamabikoError } from "../protocol/errors.ts";

/** Where an outgoing message is: waiting to be written, written and not answered, accepted, or refused for good. */
export type MessageState = "queued" | "sent" | "acked" | "failed";

/** What an ack says when the message was accepted (ACK-2). */
export interface AckPayload {
  success: true;
  /** The event's cursor, when the message became one (ACK-7). */
  savedId?: string;
  seq?: number;
  epoch?: string;
  /** The server had it already: an earlier ack was lost on the way (ACK-3). It still counts as accepted. */
  duplicate?: boolean;
  /** What the namespace adds. */
  [member: string]: unknown;
}

/** A message on its way to the server, kept and repeated under one `messageId` until it is answered. */
export interface OutgoingMessage<Ack = AckPayload> {
  readonly messageId: string;
  readonly type: string;
  /** As it was when sent; later changes to the object given are not seen. Has the `roomId` when it has a room. */
  readonly payload: Readonly<Record<string, unknown>>;
  /** The full form, or null. */
  readonly roomId: string | null;
  /** ms since 1970. */
  readonly createdAt: number;
  readonly state: MessageState;
  /** Why it failed; only in state `failed`. */
  readonly error: YamabikoError | undefined;
  /**
   * Settles with the ack, however many reconnects that takes; rejects with a {@link YamabikoError} when the server refuses
   * for good, or the message is discarded. Not handling it is no unhandled rejection. After `retry` it is a new promise.
   */
  readonly ack: Promise<Ack>;
  /** Queues a failed message again, at the end and with the same `messageId` (it was never appended). Returns the new `ack`. */
  retry(): Promise<Ack>;
  /** Takes it out of the outbox. It is not sent again; if it was sent already, it may have arrived. */
  discard(): void;
}

/** How a message looks in an outbox storage. A JSON value. */
export interface StoredMessage {
  messageId: string;
  type: string;
  payload: Record<string, unknown>;
  roomId: string | null;
  createdAt: number;
  /** Present when it failed for good and waits for `retry` or `discard`. */
  error?: { code: YamabikoError["code"]; message: string };
}

/** What a message asks of the outbox that holds it. */
export interface MessageHolder {
  requeue(message: OutboxMessage): void;
  discard(message: OutboxMessage): void;
}

/** The outbox's side of an {@link OutgoingMessage}. */
export class OutboxMessage implements OutgoingMessage {
  readonly messageId!: string;
  readonly type!: string;
  readonly payload!: Record<string, unknown>;
  readonly roomId!: string | null;
  readonly createdAt!: number;
  /** Whether a failure leaves it in the outbox for `retry`. */
  readonly kept: boolean;
  state: MessageState = "queued";
  error: YamabikoError | undefined;
  /** `clock.monotonic()` of the last time it was written. */
  sentAt = 0;
  /** Size of its envelope as it is written, bytes. */
  bytes = 0;
  ack!: Promise<AckPayload>;
  #resolve!: (ack: AckPayload) => void;
  #reject!: (error: YamabikoError) => void;
  readonly #holder: MessageHolder;

  constructor(stored: StoredMessage, holder: MessageHolder, kept: boolean) {
    Object.assign(this, stored);
    this.kept = kept;
    this.#holder = holder;
    this.renew();
    if (stored.error) this.fail(YamabikoError.fromWire(stored.error));
  }

  /** What is written; the same every time. */
  envelope(): { type: string; payload: Record<string, unknown>; messageId: string } {
    return { type: this.type, payload: this.payload, messageId: this.messageId };
  }

  renew(): void {
    this.state = "queued";
    this.error = undefined;
    this.ack = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.ack.catch(() => {}); // the state tells it too, so nobody is obliged to look at the promise
  }

  accept(ack: AckPayload): void {
    this.state = "acked";
    this.#resolve(ack);
  }

  fail(error: YamabikoError): void {
    this.state = "failed";
    this.error = error;
    this.#reject(error);
  }

  store(): StoredMessage {
    const { roomId, createdAt, error } = this;
    const stored: StoredMessage = { ...this.envelope(), roomId, createdAt };
    if (error) stored.error = { code: error.code, message: error.message };
    return stored;
  }

  retry(): Promise<AckPayload> {
    if (this.state === "failed") this.#holder.requeue(this);
    return this.ack;
  }

  discard(): void {
    this.#holder.discard(this);
  }
}
