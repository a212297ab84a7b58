import type { Socket } from "node:net";
import { CLOSE } from "../../protocol/index.ts";
import { Bucket } from "../../session/limits.ts";
import { FramedSocket, type FramedSocketParts } from "../framed-socket.ts";

/** Sooner than this a connection is not pinged again, whoever asks, ms. */
const PING_MS = 1_000;

/** Providers think that a connection is dead which says nothing for 30 s, however it answers pings; so it is never that quiet. */
export const QUIET_MS = 12_000;

/**
 * The socket of a provider of Yjs, whichever dialect it speaks. A provider does not repeat what is refused: what it sends too fast is not
 * refused but read later, so that the provider feels it.
 */
export abstract class YjsSocket extends FramedSocket {
  /** The address it comes from. */
  readonly address: string;
  readonly #messages: Bucket;
  readonly #bytes: Bucket;
  readonly #parts: FramedSocketParts;
  /** What came in while its turn had not come. */
  #early: Buffer[] = [];
  #isWaiting = false;
  #isOver = false;
  /** Who would rather not have it read. */
  readonly #pausing = new Set<object>();
  #pingedAt = Number.NEGATIVE_INFINITY;

  constructor(socket: Socket, parts: FramedSocketParts, address: string) {
    super(socket, parts, { messageBytes: parts.limits.yjsMessageBytes, deflated: false });
    this.address = address;
    this.#parts = parts;
    this.#messages = new Bucket(parts.limits.messagesPerSecond, parts.clock);
    this.#bytes = new Bucket(parts.limits.bytesPerSecond, parts.clock);
  }

  /** A message whose turn has come. The bytes are only valid until this returns. */
  protected abstract take(bytes: Buffer): void;

  received(bytes: Buffer, isBinary: boolean): void {
    if (!isBinary) {
      this.close(CLOSE.unsupported_data, "this connection speaks binary");
      return;
    }
    if (this.#isOver) return;
    if (this.#isWaiting || this.#delay(bytes.length) > 0) this.#early.push(Buffer.from(bytes));
    else this.take(bytes);
  }

  pinged(payload: Buffer): void {
    if (this.#messages.take(0.1) === 0) this.pong(payload);
  }

  /** Takes a message of this size from the connection's rates, or waits until it may be taken, ms. */
  #delay(bytes: number): number {
    const { clock, observer } = this.#parts;
    const messagesWait = this.#messages.take();
    const bytesWait = messagesWait > 0 ? 0 : this.#bytes.take(bytes);
    if (bytesWait > 0) this.#messages.giveBack();
    const wait = messagesWait + bytesWait;
    if (wait === 0) return 0;
    observer.limited(messagesWait > 0 ? "messagesPerSecond" : "bytesPerSecond");
    this.#isWaiting = true;
    this.pauseFor(this, true);
    clock.setTimer(() => this.#goOn(), wait);
    return wait;
  }

  #goOn(): void {
    this.#isWaiting = false;
    while (this.#early.length > 0 && !this.#isOver) {
      if (this.#delay(this.#early[0]!.length) > 0) return;
      this.take(this.#early.shift()!);
    }
    this.pauseFor(this, false);
  }

  /** Stops reading for as long as somebody wants it. */
  pauseFor(who: object, paused: boolean): void {
    if (paused) this.#pausing.add(who);
    else this.#pausing.delete(who);
    this.pauseReading(this.#pausing.size > 0);
  }

  /** Asks for a sign of life, once for all who ask now. False when it is over. */
  override ping(): boolean {
    const now = this.#parts.clock.monotonic();
    if (now - this.#pingedAt < PING_MS) return true;
    this.#pingedAt = now;
    return super.ping();
  }

  override close(code: number, reason: string): void {
    this.#isOver = true;
    this.#early = [];
    super.close(KINDER[code] ?? code, reason);
  }
}

/** Providers take 4400 to 4499 for final; after these they should come back. */
const KINDER: Readonly<Record<number, number>> = {
  [CLOSE.heartbeat_timeout]: CLOSE.going_away,
  [CLOSE.too_many]: CLOSE.try_later,
};
