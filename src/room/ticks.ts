import { isoTime } from "../codec/json.ts";
import type { Observer } from "../observe/observer.ts";
import type { Clock, Envelope, JsonObject } from "../protocol/index.ts";
import type { Fanout } from "./fanout.ts";
import { oneMessage, type Sink } from "./sink.ts";

/** With more than so many frames of its own size waiting in its connection a reader is not given another one. */
const WAITING_FRAMES = 2;
/** A reader that says what it has is not given more while the oldest it has not confirmed is older than this, ms. */
const FLIGHT_MS = 500;

/** Who makes what the readers of ticks are given. */
export interface TickSource<Reader> {
  readonly perSecond: number;
  /** How often those are told who read text, per second. */
  readonly textPerSecond: number;
  /** How far back a difference may reach, ticks. */
  readonly maxBase: number;
  /** What this reader wants; of bytes it gets text all the same where its connection knows nothing else. */
  wants(reader: Reader): "bytes" | "text" | "nothing";
  /** Whether there is no newest tick now. Default: false, once there was one. */
  readonly isEmpty?: boolean;
  /** The newest tick for everybody who has `base`, as bytes; null: whole, for somebody who has nothing. */
  bytes(base: number | null): Uint8Array;
  /** As `bytes`, for one alone, where not everybody is told the same. */
  bytesFor?(reader: Reader, base: number | null): Uint8Array;
  /** The newest tick as an envelope: always whole. */
  text(): { readonly type: string; readonly payload: JsonObject };
  /** As `text`, for one alone, where not everybody is told the same. */
  textFor?(reader: Reader): { readonly type: string; readonly payload: JsonObject };
}

/** How a room's ticks reach its readers. */
export interface TickParts {
  readonly roomId: string;
  readonly fanout: Fanout;
  readonly observer: Observer;
  readonly clock: Clock;
}

/** Somebody who is given ticks, and how far. */
interface Receiver<Reader> {
  readonly reader: Reader;
  readonly sink: Sink;
  readonly asBytes: boolean;
  /** The tick it was given last; null when it must be given a whole one. */
  given: number | null;
  /** The newest tick it says it has; null when it has never said. */
  confirmed: number | null;
  /** Was left out when it was due. */
  isOwed: boolean;
}

/**
 * Brings a room's ticks to its readers. A tick is neither logged nor kept: each reader is given the difference to what it was
 * given last, and one whose connection does not keep up misses ticks, never anything else. Readers that were given the same
 * share the same buffer.
 */
export class Ticks<Reader extends { readonly connectionId: string }> {
  readonly #parts: TickParts;
  readonly #source: TickSource<Reader>;
  readonly #receivers = new Map<Sink, Receiver<Reader>>();
  readonly #byConnection = new Map<string, Receiver<Reader>>();
  readonly #flightTicks: number;
  readonly #textTicks: number;
  #tick: number | null = null;
  /** Of the newest tick: what was framed, by format and base. */
  #frames = new Map<string, Buffer>();

  constructor(parts: TickParts, source: TickSource<Reader>) {
    this.#parts = parts;
    this.#source = source;
    this.#flightTicks = (FLIGHT_MS * source.perSecond) / 1_000;
    this.#textTicks = source.perSecond / source.textPerSecond;
  }

  /** How many readers are given ticks. */
  get readers(): number {
    return this.#receivers.size;
  }

  /** A reader that was let in, or joined again: it begins with a whole tick. */
  add(reader: Reader, sink: Sink): void {
    this.drop(sink);
    const wants = this.#source.wants(reader);
    if (wants === "nothing") return;
    const asBytes = wants === "bytes" && sink.format.bytes !== undefined;
    const receiver = { reader, sink, asBytes, given: null, confirmed: null, isOwed: false };
    this.#receivers.set(sink, receiver);
    this.#byConnection.set(reader.connectionId, receiver);
    // It will not be there when the next one comes.
    if (this.#tick !== null && sink.waitsMs === 0 && this.#source.isEmpty !== true)
      this.#giveText(receiver, this.#tick);
  }

  drop(sink: Sink): void {
    const receiver = this.#receivers.get(sink);
    if (receiver === undefined) return;
    this.#receivers.delete(sink);
    if (this.#byConnection.get(receiver.reader.connectionId) === receiver) {
      this.#byConnection.delete(receiver.reader.connectionId);
    }
  }

  /** A reader says which tick it has; null when it has lost its way and needs a whole one. */
  confirm(connectionId: string, tick: number | null): void {
    const receiver = this.#byConnection.get(connectionId);
    if (receiver === undefined || receiver.given === null) return;
    if (tick === null) {
      receiver.given = null;
      receiver.confirmed = null;
      return;
    }
    // Nobody has what it was not given.
    const has = Math.min(tick, receiver.given);
    receiver.confirmed = Math.max(receiver.confirmed ?? has, has);
  }

  /** There is a newer tick: everybody is given it whose connection keeps up. It leaves at once. */
  publish(tick: number): void {
    const before = this.#tick;
    this.#tick = tick;
    this.#frames.clear();
    if (before !== null && tick <= before) this.#restart();
    const isTextDue = before === null || Math.floor(tick / this.#textTicks) > Math.floor(before / this.#textTicks);
    for (const receiver of this.#receivers.values()) {
      try {
        if (receiver.asBytes) this.#giveBytes(receiver, tick);
        else if (isTextDue || receiver.isOwed || receiver.given === null) this.#giveText(receiver, tick);
      } catch (error) {
        // What the namespace cannot say to one, it may say to others.
        this.#parts.observer.failure("encoding a tick", error);
      }
    }
    this.#parts.fanout.flush();
  }

  /** Counts a step of whoever makes the ticks. */
  stepped(durationMs: number, lost: number): void {
    this.#parts.observer.stepped(durationMs, lost);
  }

  /** Time goes on from elsewhere: what was given before is the base of nothing. */
  #restart(): void {
    for (const receiver of this.#receivers.values()) {
      receiver.given = null;
      receiver.confirmed = null;
    }
  }

  #giveBytes(receiver: Receiver<Reader>, tick: number): void {
    const { reader, sink, given } = receiver;
    const base = given !== null && tick - given <= this.#source.maxBase ? given : null;
    const frame =
      this.#source.bytesFor === undefined
        ? this.#shared(`${sink.format.id} ${base}`, () => sink.format.bytes!(this.#source.bytes(base)))
        : null;
    if (this.#isBehind(receiver, tick, frame?.length ?? 0)) return this.#leaveOut(receiver);
    this.#give(receiver, tick, frame ?? sink.format.bytes!(this.#source.bytesFor!(reader, base)));
    this.#parts.observer.ticked(base === null ? "whole" : "difference");
  }

  #giveText(receiver: Receiver<Reader>, tick: number): void {
    const { reader, sink } = receiver;
    const { textFor } = this.#source;
    const encode = (text: { type: string; payload: JsonObject }): Buffer => {
      const timestamp = isoTime(this.#parts.clock.now());
      const envelope: Envelope = { ...text, timestamp, roomId: this.#parts.roomId };
      return oneMessage(sink.format, envelope);
    };
    const message =
      textFor === undefined
        ? this.#shared(`${sink.format.id} text`, () => encode(this.#source.text()))
        : encode(textFor.call(this.#source, reader));
    if (this.#isBehind(receiver, tick, message.length)) return this.#leaveOut(receiver);
    this.#give(receiver, tick, message);
    this.#parts.observer.ticked("text");
  }

  #give(receiver: Receiver<Reader>, tick: number, bytes: Buffer): void {
    receiver.given = tick;
    receiver.isOwed = false;
    receiver.sink.deliver(bytes);
    this.#parts.observer.delivered(1, bytes.length);
  }

  #leaveOut(receiver: Receiver<Reader>): void {
    receiver.isOwed = true;
    this.#parts.observer.ticked("left_out");
  }

  /** Whether its connection has not taken, or its client not yet seen, what it was given. */
  #isBehind({ sink, given, confirmed }: Receiver<Reader>, tick: number, frameBytes: number): boolean {
    if (sink.pendingBytes === undefined ? !sink.writable : sink.pendingBytes > WAITING_FRAMES * frameBytes) return true;
    // The system's own buffers hold seconds for a slow link: only the client knows what has come through.
    return confirmed !== null && given !== null && given > confirmed && tick - confirmed > this.#flightTicks;
  }

  #shared(key: string, make: () => Buffer): Buffer {
    let buffer = this.#frames.get(key);
    if (buffer === undefined) {
      buffer = make();
      this.#frames.set(key, buffer);
    }
    return buffer;
  }
}
