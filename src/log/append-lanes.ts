import { YamabikoError } from "../protocol/index.ts";
import type { AppendOptions, AppendResult, NewEvent } from "./log.ts";
import { logClosed, logUnavailable } from "./refusals.ts";

/** One call of `append`, and who waits for it. */
export interface AppendCall {
  readonly roomId: string;
  readonly sender: string | null;
  readonly messageId: string | null;
  readonly event: NewEvent;
  readonly options: AppendOptions | undefined;
  resolve(result: AppendResult): void;
  reject(error: Error): void;
}

/** What became of one append: its result, or the error that concerns it alone. */
export type AppendAnswer = AppendResult | YamabikoError;

/** What brings batches to where they are kept. */
export interface AppendCarrier {
  /** Appends of one lane are carried one batch after the other; lanes go side by side. A room is always in the same lane. */
  laneOf(roomId: string): string;
  /** Why nothing can be carried now; null when it can. */
  refusal(): Error | null;
  /**
   * Carries calls of one lane, in order. Resolves to the answers, in the same order. A rejection means that nothing is
   * known of any.
   */
  carry(calls: readonly AppendCall[]): Promise<readonly AppendAnswer[]>;
}

/** The most that one batch holds, so that those who wait behind it need not wait long. */
const BATCH_CALLS = 256;
const BATCH_SIZE = 1024 * 1024;
/** The most that waits, over all lanes; more is refused. */
export const WAITING_CALLS = 20_000;
export const WAITING_SIZE = 64 * 1024 * 1024;

interface Lane {
  waiting: AppendCall[];
  isUnderWay: boolean;
}

/**
 * The appends on their way to a log that is elsewhere. What one turn of the event loop appends leaves together; in each
 * lane one batch is under way, and what is called meanwhile is the next. A batch that fails takes with it whatever waits
 * in its lane, and what is called in that turn, so that no retry overtakes.
 */
export class AppendLanes {
  readonly #carrier: AppendCarrier;
  readonly #lanes = new Map<string, Lane>();
  /** Lanes with something to carry that have nothing under way. */
  #due = new Set<string>();
  /** Lanes that refused or failed in this turn. */
  readonly #refusing = new Map<string, Error>();
  #isScheduled = false;
  #isClosed = false;
  #calls = 0;
  #size = 0;
  #drained: (() => void) | null = null;

  constructor(carrier: AppendCarrier) {
    this.#carrier = carrier;
  }

  /** How many appends have no answer yet. */
  get waiting(): number {
    return this.#calls;
  }

  append(
    roomId: string,
    sender: string | null,
    messageId: string | null,
    event: NewEvent,
    options?: AppendOptions,
  ): Promise<AppendResult> {
    if (this.#isClosed) return Promise.reject(logClosed());
    const name = this.#carrier.laneOf(roomId);
    const refusal = this.#refusing.get(name) ?? this.#carrier.refusal() ?? this.#overflow();
    if (refusal !== null) {
      this.#refuse(name, refusal);
      return Promise.reject(refusal);
    }
    return new Promise((resolve, reject) => {
      let lane = this.#lanes.get(name);
      if (lane === undefined) {
        lane = { waiting: [], isUnderWay: false };
        this.#lanes.set(name, lane);
      }
      const call = { roomId, sender, messageId, event, options, resolve, reject };
      lane.waiting.push(call);
      this.#calls++;
      this.#size += sizeOf(call);
      if (!lane.isUnderWay) this.#schedule(name);
    });
  }

  /** Takes nothing more. Resolves when everything has its answer. */
  async close(): Promise<void> {
    this.#isClosed = true;
    if (this.#calls === 0) return;
    await new Promise<void>((resolve) => {
      this.#drained = resolve;
    });
  }

  #overflow(): Error | null {
    if (this.#calls < WAITING_CALLS && this.#size < WAITING_SIZE) return null;
    return logUnavailable(`${this.#calls} appends wait already`);
  }

  /** Refuses whatever else is called in this turn, which is before anybody knows of the refusal. */
  #refuse(name: string, reason: Error): void {
    this.#refusing.set(name, reason);
    this.#arm();
  }

  #schedule(name: string): void {
    this.#due.add(name);
    this.#arm();
  }

  #arm(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    // After the callbacks of this turn, so that what came on many sockets leaves together.
    setImmediate(() => {
      this.#isScheduled = false;
      this.#refusing.clear();
      const due = this.#due;
      this.#due = new Set();
      for (const name of due) void this.#carry(name);
    });
  }

  async #carry(name: string): Promise<void> {
    const lane = this.#lanes.get(name);
    if (lane === undefined || lane.waiting.length === 0) return;
    const batch = takeBatch(lane);
    lane.isUnderWay = true;
    try {
      const answers = await this.#carrier.carry(batch);
      lane.isUnderWay = false;
      this.#leave(batch);
      batch.forEach((call, index) => {
        const answer = answers[index]!;
        if (answer instanceof YamabikoError) call.reject(answer);
        else call.resolve(answer);
      });
    } catch (error) {
      lane.isUnderWay = false;
      const failed = [...batch, ...lane.waiting];
      lane.waiting = [];
      this.#leave(failed);
      const reason = error instanceof YamabikoError ? error : logUnavailable(messageOf(error));
      this.#refuse(name, reason);
      for (const call of failed) call.reject(reason);
    }
    if (lane.waiting.length > 0) this.#schedule(name);
    else this.#lanes.delete(name);
    if (this.#calls === 0) this.#drained?.();
  }

  #leave(calls: readonly AppendCall[]): void {
    this.#calls -= calls.length;
    for (const call of calls) this.#size -= sizeOf(call);
  }
}

/** Takes the oldest of what waits, as much as a batch holds. */
function takeBatch(lane: Lane): readonly AppendCall[] {
  let count = 0;
  let size = 0;
  for (const call of lane.waiting) {
    size += sizeOf(call);
    if (count > 0 && (count >= BATCH_CALLS || size > BATCH_SIZE)) break;
    count++;
  }
  return lane.waiting.splice(0, count);
}

/** About what it occupies, in characters. */
function sizeOf({ event, options }: AppendCall): number {
  let size = event.data.length;
  for (const amendment of options?.amend ?? []) size += amendment.data.length + amendment.expectData.length;
  return size;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
