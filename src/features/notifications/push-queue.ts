import type { Clock, Timer } from "../../protocol/index.ts";
import { refusalOfEndpoint } from "./push-endpoint.ts";
import type { PushMessage, PushOutcome, PushSender } from "./push-sender.ts";
import type { PushSubscription } from "./schemas.ts";

export interface PushQueueParts {
  readonly sender: PushSender;
  readonly clock: Clock;
  /** How long a notification waits for a sign that somebody has it, ms. */
  readonly afterMs: number;
  /** Messages on their way to push services at once. */
  readonly inFlight: number;
  readonly allowPrivateEndpoints: boolean;
  failure(where: string, error: unknown): void;
  subscriptionsOf(userId: string): Promise<readonly PushSubscription[]>;
  /** What to send of a notification; null when its user has noticed it, or it is gone. */
  messageOf(userId: string, id: string): Promise<PushMessage | null>;
  remove(userId: string, endpoint: string): Promise<unknown>;
}

/** Notifications waiting at once; more are not pushed. */
const MAX_WAITING = 100_000;
/** Messages waiting to be tried again at once; more are given up. */
const MAX_RETRYING = 1_000;
/** Users whose latest receipt is remembered. */
const MAX_RECEIPTS = 10_000;
/** How long until a message is tried again, ms, without jitter. After the last it is given up. */
const BACKOFF_MS = [1_000, 5_000, 30_000];
/** The longest a push service may ask us to wait, ms. */
const MAX_RETRY_AFTER_MS = 5 * 60_000;

interface Waiting {
  readonly userId: string;
  readonly id: string;
  readonly seq: number;
  readonly dueAt: number;
}

interface Job extends Waiting {
  /** Only to this endpoint; null for all of the user's. */
  readonly endpoint: string | null;
  readonly attempt: number;
}

/**
 * Pushes notifications that nobody received: each waits a while for a device that says it has it, or for a mark, and goes
 * to all of the user's subscriptions if there is none. In memory: a push is an attempt, the inbox is the promise.
 */
export class PushQueue {
  readonly #parts: PushQueueParts;
  /** In the order they fall due. */
  readonly #waiting = new Set<Waiting>();
  /** In the order they became so. A Set, since taking the first of a long array costs all the others. */
  readonly #ready = new Set<Job>();
  readonly #retrying = new Set<Timer>();
  /** The highest seq a user's devices received, the latest receipt last. */
  readonly #receipts = new Map<string, number>();
  #timer: Timer | null = null;
  #inFlight = 0;
  #isClosed = false;

  constructor(parts: PushQueueParts) {
    this.#parts = parts;
  }

  /** How many notifications wait, for a receipt or for their turn. */
  get waiting(): number {
    return this.#waiting.size + this.#ready.size;
  }

  /** A notification is in the log. */
  add(userId: string, id: string, seq: number): void {
    if (this.#isClosed || this.#waiting.size >= MAX_WAITING) return;
    this.#waiting.add({ userId, id, seq, dueAt: this.#parts.clock.monotonic() + this.#parts.afterMs });
    this.#arm();
  }

  /** A device of the user has everything up to `upTo`. */
  received(userId: string, upTo: number): number {
    const highest = Math.max(upTo, this.#receipts.get(userId) ?? 0);
    this.#receipts.delete(userId);
    this.#receipts.set(userId, highest);
    if (this.#receipts.size > MAX_RECEIPTS) this.#receipts.delete(this.#receipts.keys().next().value!);
    return highest;
  }

  /** Gives up what waits. */
  close(): void {
    this.#isClosed = true;
    this.#timer?.cancel();
    for (const timer of this.#retrying) timer.cancel();
    this.#retrying.clear();
    this.#waiting.clear();
    this.#ready.clear();
  }

  #arm(): void {
    if (this.#timer !== null) return;
    const [first] = this.#waiting;
    if (first === undefined) return;
    const delay = Math.max(0, first.dueAt - this.#parts.clock.monotonic());
    this.#timer = this.#parts.clock.setTimer(() => {
      this.#timer = null;
      this.#takeDue();
      this.#arm();
    }, delay);
  }

  #takeDue(): void {
    const now = this.#parts.clock.monotonic();
    for (const waiting of this.#waiting) {
      if (waiting.dueAt > now) break;
      this.#waiting.delete(waiting);
      if (!this.#isReceived(waiting)) this.#ready.add({ ...waiting, endpoint: null, attempt: 0 });
    }
    this.#pump();
  }

  #isReceived({ userId, seq }: Waiting): boolean {
    return (this.#receipts.get(userId) ?? 0) >= seq;
  }

  #pump(): void {
    for (const job of this.#ready) {
      if (this.#inFlight >= this.#parts.inFlight) return;
      this.#ready.delete(job);
      this.#inFlight += 1;
      this.#perform(job)
        .catch((error: unknown) => this.#parts.failure("pushing a notification", error))
        .finally(() => {
          this.#inFlight -= 1;
          this.#pump();
        });
    }
  }

  async #perform(job: Job): Promise<void> {
    const { userId, id, endpoint } = job;
    const all = await this.#parts.subscriptionsOf(userId);
    const subscriptions = endpoint === null ? all : all.filter((subscription) => subscription.endpoint === endpoint);
    if (subscriptions.length === 0) return;
    const message = await this.#parts.messageOf(userId, id);
    if (message === null) return;
    // One after the other, so that what is in flight is as many as there are jobs.
    for (const subscription of subscriptions) {
      if (this.#isClosed || this.#isReceived(job)) return;
      await this.#send(job, subscription, message);
    }
  }

  async #send(job: Job, subscription: PushSubscription, message: PushMessage): Promise<void> {
    const { endpoint } = subscription;
    // Checked when it came; but the log may hold what another version, or another hand, wrote.
    if (refusalOfEndpoint(endpoint, this.#parts.allowPrivateEndpoints) !== null) return;
    let outcome: PushOutcome;
    try {
      outcome = await this.#parts.sender.send(subscription, message);
    } catch (error) {
      this.#parts.failure("sending a push message", error);
      outcome = { kind: "retry" };
    }
    if (outcome.kind === "gone") await this.#parts.remove(job.userId, endpoint);
    else if (outcome.kind === "refused") this.#parts.failure("sending a push message", new Error(outcome.reason));
    else if (outcome.kind === "retry") this.#retry({ ...job, endpoint, attempt: job.attempt + 1 }, outcome.afterMs);
  }

  #retry(job: Job, afterMs = 0): void {
    const backoff = BACKOFF_MS[job.attempt - 1];
    if (
      backoff === undefined ||
      afterMs > MAX_RETRY_AFTER_MS ||
      this.#retrying.size >= MAX_RETRYING ||
      this.#isClosed
    ) {
      return;
    }
    // Spread, so that what failed together does not come back together.
    const delay = Math.max(backoff, afterMs) * (1 + Math.random() / 4);
    const timer = this.#parts.clock.setTimer(() => {
      this.#retrying.delete(timer);
      if (this.#isReceived(job)) return;
      this.#ready.add(job);
      this.#pump();
    }, delay);
    this.#retrying.add(timer);
  }
}
