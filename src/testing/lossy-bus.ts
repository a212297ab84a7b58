import type { Bus, Notice } from "../bus/bus.ts";
import { type Clock, systemClock, type Timer } from "../protocol/index.ts";

export interface LossyBusOptions {
  /** The start of the random numbers: the same seed and the same calls meet the same faults. Default: 1. */
  readonly seed?: number | undefined;
  /** How likely a notice is lost, 0 to 1. Default: 0.2. */
  readonly loss?: number | undefined;
  /** How likely a notice comes twice, 0 to 1. Default: 0.2. */
  readonly repetition?: number | undefined;
  /** How likely a notice is held back for up to `maxDelayMs`, so that later ones overtake it, 0 to 1. Default: 0.3. */
  readonly delay?: number | undefined;
  /** ms. Default: 20. */
  readonly maxDelayMs?: number | undefined;
  /** Where the delays come from. Default: the system's clock. */
  readonly clock?: Clock | undefined;
}

/** A bus with all the faults the seam allows. */
export interface LossyBus extends Bus {
  /** While false, no fault happens; true at first. */
  faulty: boolean;
  /** What was done so far. */
  readonly counts: { lost: number; repeated: number; delayed: number };
}

/** Wraps a bus: what is published through it is lost, delayed, repeated and reordered by a seeded random. */
export function createLossyBus(inner: Bus, options: LossyBusOptions = {}): LossyBus {
  const { seed = 1, loss = 0.2, repetition = 0.2, delay = 0.3, maxDelayMs = 20, clock = systemClock } = options;
  const random = seededRandom(seed);
  const timers = new Set<Timer>();

  function publishLater(roomId: string, notice: Notice): void {
    const timer = clock.setTimer(() => {
      timers.delete(timer);
      inner.publish(roomId, notice);
    }, random() * maxDelayMs);
    timers.add(timer);
  }

  const bus: LossyBus = {
    lossless: false,
    faulty: true,
    counts: { lost: 0, repeated: 0, delayed: 0 },
    publish(roomId, notice) {
      if (!bus.faulty) return inner.publish(roomId, notice);
      if (random() < loss) {
        bus.counts.lost++;
        return;
      }
      const repeated = random() < repetition;
      if (repeated) bus.counts.repeated++;
      for (let copy = 0; copy < (repeated ? 2 : 1); copy++) {
        if (random() < delay) {
          bus.counts.delayed++;
          publishLater(roomId, notice);
        } else {
          inner.publish(roomId, notice);
        }
      }
    },
    subscribe: (roomId, onNotice) => inner.subscribe(roomId, onNotice),
    close() {
      for (const timer of timers) timer.cancel();
      timers.clear();
      return inner.close();
    },
  };
  return bus;
}

/** Numbers from 0 to below 1, always the same for a seed (mulberry32). */
function seededRandom(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
