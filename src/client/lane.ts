import type { Clock, Timer } from "../protocol/clock.ts";
import type { Envelope } from "../protocol/envelope.ts";
import type { OutboxMessage } from "./message.ts";
import { backoffMs } from "./reconnect.ts";

/** What a lane needs of its client. */
export interface LaneHost {
  readonly clock: Clock;
  readonly random: () => number;
  readonly ackTimeoutMs: number;
  write(envelope: Envelope): void;
  /** An ack did not come in time. */
  timedOut(): void;
  /** A message of this room is in another state. */
  changed(roomId: string | null): void;
}

/** As many of one room's messages are on their way at once; the server stops reading at 1,000. */
const MAX_IN_FLIGHT = 1000;
const BACKOFF_MS = 200;
const MAX_BACKOFF_MS = 10_000;

/**
 * The unacknowledged messages of one room, first in, first out.
 *
 * What is on its way is always a prefix, written in order on one connection. Whenever the prefix is in doubt – a
 * retryable refusal, a timeout, a new connection – the whole lane is written again from its first message: by ACK-3
 * what the server had already is acked as a duplicate, and by ACK-5 what stood behind a refused one was refused too, so
 * no message ever overtakes an earlier one. Starting at the first message and not at the refused one keeps that true
 * when the refusal of an earlier one was lost.
 */
export class Lane {
  readonly messages: OutboxMessage[] = [];
  readonly #host: LaneHost;
  readonly #mayWrite: (message: OutboxMessage) => boolean;
  /** How many, from the first, are on their way. */
  #written = 0;
  /** After a refusal one message tests the water, and each ack lets one more go. */
  #window = MAX_IN_FLIGHT;
  #refusals = 0;
  #timeouts = 0;
  #pause: Timer | null = null;
  #deadline: Timer | null = null;

  /** `mayWrite` says whether a message may be written now; what is behind it waits too. */
  constructor(host: LaneHost, mayWrite: (message: OutboxMessage) => boolean) {
    this.#host = host;
    this.#mayWrite = mayWrite;
  }

  /** Writes what may be written now. */
  flush(): void {
    const { clock } = this.#host;
    while (!this.#pause && this.#written < Math.min(this.messages.length, this.#window)) {
      const message = this.messages[this.#written]!;
      if (!this.#mayWrite(message)) break;
      this.#written++;
      message.sentAt = clock.monotonic();
      this.#host.write(message.envelope());
      if (message.state === "sent") continue;
      message.state = "sent";
      this.#host.changed(message.roomId);
    }
    if (!this.#deadline) this.#watch();
  }

  /** Takes a message out, wherever it stands. */
  remove(message: OutboxMessage): void {
    const index = this.messages.indexOf(message);
    if (index === -1) return;
    this.messages.splice(index, 1);
    if (index < this.#written) this.#written--;
    if (this.messages.length === 0) this.suspend();
  }

  /** The server took one: what is behind may go. */
  acked(): void {
    this.#refusals = this.#timeouts = 0;
    this.#window = Math.min(this.#window + 1, MAX_IN_FLIGHT);
    this.flush();
  }

  /**
   * A retryable refusal (ACK-5). One that concerns an earlier round changes nothing. `retryAfterMs` is the server's word,
   * null stands for "until the room is joined": the next `flush` may go at once.
   */
  refused(message: OutboxMessage, retryAfterMs: number | null | undefined): void {
    if (!this.messages.slice(0, this.#written).includes(message)) return;
    this.#window = 1;
    if (retryAfterMs !== null) {
      const waitMs = retryAfterMs ?? backoffMs(++this.#refusals, BACKOFF_MS, MAX_BACKOFF_MS, this.#host.random);
      this.#pause = this.#host.clock.setTimer(() => {
        this.#pause = null;
        this.flush();
      }, waitMs);
    }
    this.rewind();
  }

  /** The connection is gone: everything is to be written again on the next one. */
  suspend(): void {
    this.#pause?.cancel();
    this.#pause = null;
    this.#window = MAX_IN_FLIGHT;
    this.#refusals = this.#timeouts = 0;
    this.rewind();
  }

  /** Everything is to be written again, from the first. */
  rewind(): void {
    this.#deadline?.cancel();
    this.#deadline = null;
    this.#written = 0;
    // Told once and last: a listener may discard, or send more.
    const sent = this.messages.filter(({ state }) => state === "sent");
    for (const message of sent) message.state = "queued";
    if (sent[0]) this.#host.changed(sent[0].roomId);
  }

  /** One timer watches the first message, which is the oldest on its way. */
  #watch(): void {
    if (this.#written === 0) return;
    const { clock, ackTimeoutMs } = this.#host;
    const leftMs = (): number =>
      // A server that is slow, not deaf, is not helped by the same messages every 5 s.
      this.messages[0]!.sentAt + ackTimeoutMs * 2 ** Math.min(this.#timeouts, 3) - clock.monotonic();
    this.#deadline = clock.setTimer(() => {
      this.#deadline = null;
      if (this.#written === 0) return;
      if (leftMs() > 0) return this.#watch();
      this.#timeouts++;
      this.rewind();
      this.flush();
      this.#host.timedOut();
    }, leftMs());
  }
}
