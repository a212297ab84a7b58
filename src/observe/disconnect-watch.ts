import type { Clock, Timer } from "../protocol/index.ts";
import { ABNORMAL_CLASSES, type CloseClass, type Closing, classOf } from "./closing.ts";
import { type ClosingSample, type LikelyCause, likelyCause } from "./likely-cause.ts";
import type { Observer } from "./observer.ts";
import { REQUEST_TRANSPORTS } from "./transport-name.ts";

/** How often is looked, ms. */
const LOOK_MS = 1_000;
/** How long a window is, looks. */
const WINDOW = 10;
/** How many windows before this one say what is usual: five minutes. */
const PAST_WINDOWS = 30;
/** With fewer there is hardly a past to compare with: then more must have ended. */
const SOME_WINDOWS = 6;
/** The part of all connections that must have ended, with a past and without. */
const SHARE = 0.05;
const SHARE_WITHOUT_PAST = 0.1;
/** How many times what is usual it must be; and how far from it, in roots of it, which is how far chance goes. */
const FACTOR = 3;
const ROOTS = 5;
/** How long more may follow before it is told, looks: so that it is told with all there is to know. */
const PATIENCE = 3;
/** After so many looks without a jump it is over. */
const QUIET = 30;
/** How many of the ends of a window are looked at. */
const SAMPLES = 256;
/** A look this much too late says that the process was held up, ms; it matters for so long, looks. */
const LATE_MS = 1_000;
const LATE_LOOKS = 45;

/** How many connections must have ended in 10 s, at least, before anything is said. */
export const DEFAULT_MINIMUM = 5;

/** That more connections ended badly than usual. */
export interface AbnormalDisconnects {
  /** What kind of end. */
  readonly class: CloseClass;
  /** The node that noticed; each watches its own connections. */
  readonly node: string;
  /** When, ISO 8601. */
  readonly at: string;
  /** How many ended so within the last `windowMs`. */
  readonly count: number;
  readonly windowMs: number;
  /** How many it usually is: the median of the last five minutes. */
  readonly usual: number;
  /** How many connections there were. */
  readonly connections: number;
  /** How many ended so, by transport. */
  readonly transports: Readonly<Record<string, number>>;
  /** How many addresses they came from, of the 256 newest ends; 0 where none is known. */
  readonly addresses: number;
  /** How long they had been there, ms, of the same. */
  readonly ages: { readonly lowestMs: number; readonly medianMs: number; readonly highestMs: number };
  readonly likelyCause: LikelyCause;
  /** All this in a sentence. */
  readonly message: string;
}

/** That it is over. */
export interface DisconnectsSettled {
  readonly class: CloseClass;
  readonly node: string;
  readonly at: string;
  /** How long it lasted, ms. */
  readonly lastedMs: number;
  readonly message: string;
}

export interface DisconnectWatchOptions {
  readonly clock: Clock;
  readonly node: string;
  /** Default: 5. */
  readonly minimum?: number | undefined;
  raised(alert: AbnormalDisconnects): void;
  settled(over: DisconnectsSettled): void;
}

/** Watches how connections end. */
export interface DisconnectWatch {
  /** An observer that also tells this, and hands everything on. */
  observe(observer: Observer): Observer;
  /** How many classes there is an alert of now. */
  readonly raised: number;
  /** Begins to look. */
  start(): void;
  /** Watches no longer: from now on connections end because the server does. */
  stop(): void;
}

/**
 * Compares, once a second and for each class of its own, how many connections ended badly in the last 10 s with how many usually do.
 * Requests (polls, POSTs) are none of them. What it keeps is bounded: 30 numbers and 256 ends a class.
 */
export function createDisconnectWatch(options: DisconnectWatchOptions): DisconnectWatch {
  return new Watch(options);
}

class Watch implements DisconnectWatch {
  readonly #options: DisconnectWatchOptions;
  readonly #rates = new Map<CloseClass, Rate>(ABNORMAL_CLASSES.map((kind) => [kind, new Rate()]));
  /** How many there are now. */
  #connections = 0;
  #timer: Timer | null = null;
  #lookedAt = 0;
  #looks = 0;
  #heldUp: { readonly forMs: number; readonly look: number } | null = null;

  constructor(options: DisconnectWatchOptions) {
    this.#options = options;
  }

  start(): void {
    this.#lookedAt = this.#options.clock.monotonic();
    this.#arm();
  }

  observe(observer: Observer): Observer {
    return {
      ...observer,
      connectionOpened: (transport) => {
        if (!REQUEST_TRANSPORTS.has(transport)) this.#connections++;
        observer.connectionOpened(transport);
      },
      connectionClosed: (closing) => {
        if (!REQUEST_TRANSPORTS.has(closing.transport)) this.#closed(closing);
        observer.connectionClosed(closing);
      },
    };
  }

  #closed(closing: Closing): void {
    this.#connections--;
    if (this.#timer === null) return;
    const { transport, reason, ageMs, address } = closing;
    const at = this.#options.clock.monotonic();
    this.#rates.get(classOf(closing))?.add({ transport, reason, ageMs, address, at });
  }

  get raised(): number {
    let count = 0;
    for (const { raisedAt } of this.#rates.values()) if (raisedAt !== null) count++;
    return count;
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = null;
    for (const rate of this.#rates.values()) rate.raisedAt = null;
  }

  #arm(): void {
    this.#timer = this.#options.clock.setTimer(() => {
      this.#arm();
      this.#look();
    }, LOOK_MS);
  }

  #look(): void {
    const now = this.#options.clock.monotonic();
    const lateMs = now - this.#lookedAt - LOOK_MS;
    this.#lookedAt = now;
    this.#looks++;
    if (lateMs >= LATE_MS && lateMs >= (this.#heldUp?.forMs ?? 0)) this.#heldUp = { forMs: lateMs, look: this.#looks };
    if (this.#heldUp !== null && this.#looks - this.#heldUp.look > LATE_LOOKS) this.#heldUp = null;
    for (const [kind, rate] of this.#rates) {
      this.#judge(kind, rate, now);
      rate.next(this.#looks % WINDOW === 0);
    }
  }

  #judge(kind: CloseClass, rate: Rate, now: number): void {
    const { minimum = DEFAULT_MINIMUM } = this.#options;
    const { count, usual } = rate;
    const connections = this.#connections + count;
    const isJump =
      count >= Math.max(minimum, rate.share * connections, FACTOR * usual, usual + ROOTS * Math.sqrt(usual));
    if (rate.raisedAt !== null) {
      rate.quiet = isJump ? 0 : rate.quiet + 1;
      if (rate.quiet >= QUIET) this.#settle(kind, rate, rate.raisedAt, now);
      return;
    }
    if (!isJump) {
      rate.waited = 0;
      return;
    }
    rate.waited++;
    // While more follows, what is known of it is not all.
    if (rate.isGrowing && rate.waited < PATIENCE) return;
    rate.raisedAt = now;
    rate.waited = 0;
    rate.quiet = 0;
    this.#raise(kind, rate, connections);
  }

  #raise(kind: CloseClass, rate: Rate, connections: number): void {
    const { clock, node } = this.#options;
    const { count, usual, samples } = rate;
    const cause = likelyCause(kind, samples, this.#heldUp?.forMs ?? 0);
    const ages = samples.map(({ ageMs }) => Math.round(ageMs)).sort((a, b) => a - b);
    const transports: Record<string, number> = {};
    for (const { transport } of samples) transports[transport] = (transports[transport] ?? 0) + 1;
    const addresses = new Set(samples.map(({ address }) => address).filter((address) => address !== null)).size;
    this.#options.raised({
      class: kind,
      node,
      at: new Date(clock.now()).toISOString(),
      count,
      windowMs: WINDOW * LOOK_MS,
      usual,
      connections,
      transports,
      addresses,
      ages: { lowestMs: ages[0]!, medianMs: ages[Math.floor(ages.length / 2)]!, highestMs: ages.at(-1)! },
      likelyCause: cause,
      message: `${count} of ${connections} connections ended within 10 s (${kind}; usually ${usual}). Likely: ${cause.what}.`,
    });
  }

  #settle(kind: CloseClass, rate: Rate, raisedAt: number, now: number): void {
    rate.raisedAt = null;
    const { clock, node } = this.#options;
    this.#options.settled({
      class: kind,
      node,
      at: new Date(clock.now()).toISOString(),
      lastedMs: Math.round(now - raisedAt),
      message: `No more connections than usual end now (${kind}).`,
    });
  }
}

interface Sample extends ClosingSample {
  readonly transport: string;
  /** The look it was counted in. */
  readonly look: number;
}

/** How connections of one class end: in this window, and in those before. */
class Rate {
  /** How many in each of the last looks; the newest last. */
  readonly #looks: number[] = new Array(WINDOW).fill(0);
  readonly #past: number[] = [];
  #look = 0;
  /** Some of those that are counted, the oldest first; none only where none is. */
  samples: Sample[] = [];
  /** What `next` found last. */
  usual = 0;
  /** When it was told; null while nothing is. */
  raisedAt: number | null = null;
  /** Looks since a jump began that is not told yet. */
  waited = 0;
  /** Looks without a jump since it was told. */
  quiet = 0;

  add(sample: Omit<Sample, "look">): void {
    this.#looks[WINDOW - 1]!++;
    this.samples.push({ ...sample, look: this.#look });
    if (this.samples.length > SAMPLES) this.samples.shift();
  }

  /** How many in this window. */
  get count(): number {
    let sum = 0;
    for (const each of this.#looks) sum += each;
    return sum;
  }

  /** The part of all connections that must have ended. */
  get share(): number {
    return this.#past.length < SOME_WINDOWS ? SHARE_WITHOUT_PAST : SHARE;
  }

  /** Whether more came since the last look. */
  get isGrowing(): boolean {
    return this.#looks[WINDOW - 1]! > 0;
  }

  /** The next second begins. */
  next(isWindowOver: boolean): void {
    if (isWindowOver) {
      this.#past.push(this.count);
      if (this.#past.length > PAST_WINDOWS) this.#past.shift();
      const sorted = this.#past.toSorted((a, b) => a - b);
      this.usual = sorted[Math.floor(sorted.length / 2)]!;
    }
    this.#looks.shift();
    this.#looks.push(0);
    this.#look++;
    // Not by the time, which passes between two looks while the process stands still.
    while (this.samples.length > 0 && this.samples[0]!.look <= this.#look - WINDOW) this.samples.shift();
  }
}
