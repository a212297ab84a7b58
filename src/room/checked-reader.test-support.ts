import type { Envelope, Json } from "../protocol/index.ts";
import type { Place } from "./page.ts";
import type { Room } from "./room.ts";
import type { Format } from "./sink.ts";
import type { Subscription } from "./subscription.ts";
import { FakeSink } from "./world.test-support.ts";

/** An event as a reader was given it. */
export interface Given {
  readonly epoch: string;
  readonly seq: number;
  readonly payload: unknown;
}

/** Events up to `to` are gone, a reader was told. */
export interface Loss {
  readonly reason: "retention" | "epoch";
  readonly epoch: string;
  readonly to: number;
}

/** A way out that checks everything it is given against where its reader is, as a client would. */
export class CheckedSink extends FakeSink {
  epoch = "";
  cursor = 0;
  /** The values of the family `topic`, as this reader was told. */
  topics = new Map<string, Json>();
  readonly problems: string[] = [];
  readonly given: Given[] = [];
  readonly losses: Loss[] = [];

  /** The reader joins, or joins again: from `after`, or where the room says. */
  join(room: Room, after: { epoch: string; seq: number } | null, place: Place): void {
    if (after !== null && place.lost === null && place.start !== after.seq) this.problems.push("moved without a loss");
    this.epoch = after?.epoch ?? place.epoch;
    this.cursor = after?.seq ?? place.start;
    this.topics = new Map(Object.entries(room.stateSnapshot().topic ?? {}));
  }

  override deliver(bytes: Buffer): void {
    super.deliver(bytes);
    for (const envelope of this.take()) this.#check(envelope);
  }

  #check({ type, payload, seq }: Envelope): void {
    if (seq !== undefined) {
      if (seq !== this.cursor + 1) this.problems.push(`${seq} after ${this.cursor}`);
      this.cursor = seq;
      this.given.push({ epoch: this.epoch, seq, payload });
    } else if (type === "history_lost") this.#checkLoss(payload as LossPayload);
    else if (type === "topic_changed") {
      const { key, value } = payload as { key: string; value: Json };
      if (value === null) this.topics.delete(key);
      else this.topics.set(key, value);
    } else if (type === "room_state") {
      const { state } = payload as { state: { topic?: Record<string, Json> } };
      this.topics = new Map(Object.entries(state.topic ?? {}));
    }
  }

  #checkLoss({ reason, from, to, cursor }: LossPayload): void {
    const [epoch, start] = cursor.split(":") as [string, string];
    const isSameEpoch = epoch === this.epoch;
    if (isSameEpoch !== (reason === "retention")) this.problems.push(`${reason} lost, from ${this.epoch} to ${epoch}`);
    if (reason === "retention" && (from !== this.cursor + 1 || to !== Number(start) || to < from)) {
      this.problems.push(`lost ${from} to ${to}, goes on after ${start}, was at ${this.cursor}`);
    }
    this.epoch = epoch;
    this.cursor = Number(start);
    this.losses.push({ reason, epoch, to: this.cursor });
  }
}

interface LossPayload {
  readonly reason: "retention" | "epoch";
  readonly from: number | null;
  readonly to: number | null;
  readonly cursor: string;
}

/** A reader that joins as a session lets it, and checks what it gets. */
export class CheckedReader {
  readonly room: Room;
  readonly sink: CheckedSink;
  #subscription: Subscription | null = null;
  isGone = false;

  constructor(room: Room, format: Format) {
    this.room = room;
    this.sink = new CheckedSink(format);
  }

  /** Joins, or joins again, from a place. Settles when the room has answered, whatever it answered. */
  async join(after: { epoch: string; seq: number } | null): Promise<void> {
    const unpin = this.room.pin();
    try {
      const place = await this.room.locate(after, 3);
      if (this.isGone) return;
      this.sink.join(this.room, after, place);
      if (this.#subscription === null) this.#subscription = this.room.subscribe(this.sink, place);
      else this.room.seek(this.#subscription, place);
      if (place.lost !== null) this.#subscription.tellLost(place.lost, place.start);
      this.#subscription.pump();
    } catch {
      // The log could not be asked: a client would be refused. One that is not in yet stays out.
      if (this.#subscription === null) this.isGone = true;
    } finally {
      unpin();
    }
  }

  /** Takes bytes again, up to about `bytes`. */
  wake(bytes = Infinity): void {
    this.sink.room = bytes;
    if (this.sink.writable) return;
    this.sink.writable = true;
    this.#subscription?.pump();
  }

  leave(): void {
    this.isGone = true;
    this.#subscription?.close();
  }

  get isLive(): boolean {
    return this.#subscription?.isLive === true;
  }
}
