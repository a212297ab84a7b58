import { readdirSync } from "node:fs";

/** What a process holds after a full collection, bytes. */
export interface MemorySample {
  /** Objects and buffers of the main thread that something still refers to. */
  readonly held: number;
  /** All pages of the process, the log's thread included. */
  readonly rss: number;
  /** The most pages the process ever had. */
  readonly peakRss: number;
  /** Files and sockets that are open. */
  readonly descriptors: number;
  /** What keeps the event loop alive: sockets, timers, requests. */
  readonly handles: number;
}

// Loaded into the server with `--import`: answers on the channel to the process that started it. The log's thread loads it
// too, but has no channel.
if (process.send !== undefined) {
  process.on("message", () => {
    globalThis.gc?.();
    const { heapUsed, external, rss } = process.memoryUsage();
    const sample: MemorySample = {
      held: heapUsed + external,
      rss,
      peakRss: process.resourceUsage().maxRSS * 1024,
      descriptors: readdirSync("/proc/self/fd").length,
      handles: process.getActiveResourcesInfo().length,
    };
    process.send?.(sample);
  });
  process.channel?.unref();
}
