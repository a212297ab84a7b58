import { cpus, freemem, totalmem } from "node:os";
import type { Clock } from "../protocol/index.ts";

/** How often the event loop is looked at, ms. */
const LOOK_MS = 20;
const MIB = 1024 * 1024;

/** What the machine and this process were doing since the last time. */
export interface SystemReading {
  /** How busy all processors of the machine were, percent. */
  readonly cpu: number;
  /** How busy this process kept one processor, percent; more than 100 with several threads. */
  readonly process_cpu: number;
  /** How much of the machine's memory is in use, percent. */
  readonly memory: number;
  /** What this process holds of the machine's memory, MiB. */
  readonly rss_mb: number;
  /** What of it are JavaScript's objects, MiB. */
  readonly heap_mb: number;
  /** The longest time the event loop let somebody wait, ms. */
  readonly event_loop_ms: number;
}

/** Reads how the machine and this process are. */
export interface SystemGauge {
  /** What was since the last call, or since it was made. */
  read(): SystemReading;
  /** Stops looking at the event loop. */
  close(): void;
}

/** Makes a gauge. It costs a timer that runs 50 times a second and does next to nothing. */
export function createSystemGauge(clock: Clock): SystemGauge {
  const waits = watchEventLoop();
  let machine = machineTimes();
  let own = { cpu: process.cpuUsage(), at: clock.monotonic() };
  return {
    read() {
      const machineNow = machineTimes();
      const ownNow = { cpu: process.cpuUsage(own.cpu), at: clock.monotonic() };
      const [busy, all] = [machineNow.busy - machine.busy, machineNow.all - machine.all];
      const ownMs = (ownNow.cpu.user + ownNow.cpu.system) / 1_000;
      const { rss, heapUsed } = process.memoryUsage();
      const reading: SystemReading = {
        cpu: rounded(all > 0 ? (100 * busy) / all : 0),
        process_cpu: rounded(ownNow.at > own.at ? (100 * ownMs) / (ownNow.at - own.at) : 0),
        memory: rounded(100 * (1 - freemem() / totalmem())),
        rss_mb: rounded(rss / MIB),
        heap_mb: rounded(heapUsed / MIB),
        event_loop_ms: rounded(waits.longestMs()),
      };
      machine = machineNow;
      own = { cpu: process.cpuUsage(), at: ownNow.at };
      return reading;
    },
    close: () => waits.close(),
  };
}

/**
 * Looks how much later than it should a timer runs. Node's own histogram of delays leaves out what is under way when it is
 * reset, which is just what a busy process does then.
 */
function watchEventLoop(): { longestMs(): number; close(): void } {
  let lookedAt = performance.now();
  let longestMs = 0;
  const look = (): void => {
    const now = performance.now();
    longestMs = Math.max(longestMs, now - lookedAt - LOOK_MS);
    lookedAt = now;
  };
  const timer = setInterval(look, LOOK_MS).unref();
  return {
    longestMs() {
      const longest = Math.max(longestMs, performance.now() - lookedAt - LOOK_MS);
      longestMs = 0;
      return longest;
    },
    close: () => clearInterval(timer),
  };
}

/** What all processors did since the machine started, ms. */
function machineTimes(): { busy: number; all: number } {
  let [busy, all] = [0, 0];
  for (const { times } of cpus()) {
    const working = times.user + times.nice + times.sys + times.irq;
    busy += working;
    all += working + times.idle;
  }
  return { busy, all };
}

function rounded(value: number): number {
  return Math.round(value * 100) / 100;
}
