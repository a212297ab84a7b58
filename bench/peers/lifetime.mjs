import diagnostics from "node:diagnostics_channel";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { createInterface } from "node:readline";

/** How often the delay of the event loop is looked at, ms. */
const LOOK_MS = 1;

/** Sockets of connections made here, not of those that were accepted. */
const made = [];
diagnostics.subscribe("net.client.socket", ({ socket }) => made.push(socket));

/**
 * Ends this process when it is told to, and when the benchmark that started it is gone, whatever ended that. Until then it
 * answers the benchmark's questions, a line each:
 *
 *   watch    from now on the delay of the event loop is watched
 *   report   {"loopP99Ms", "loopMaxMs", "rssKb", "usedKb"}: since `watch`; memory after a collection, where `--expose-gc` lets it
 *   traffic  {"inBytes", "outBytes"}: what came and went on all connections this process made itself, which are those to Redis
 *
 * @param {() => Promise<void>} [tidy] what to do before
 */
export function endWithBenchmark(tidy = async () => {}) {
  const end = () => void tidy().finally(() => process.exit(0));
  process.once("SIGTERM", end);
  let delay = null;
  const answers = {
    watch: () => {
      delay ??= monitorEventLoopDelay({ resolution: LOOK_MS });
      delay.reset();
      delay.enable();
      return { watching: true };
    },
    report: () => {
      delay?.disable();
      globalThis.gc?.();
      const { rss, heapUsed, external } = process.memoryUsage();
      const beyond = (ns) => Math.max(0, ns / 1e6 - LOOK_MS);
      return {
        loopP99Ms: delay === null ? null : beyond(delay.percentile(99)),
        loopMaxMs: delay === null ? null : beyond(delay.max),
        rssKb: rss / 1024,
        usedKb: (heapUsed + external) / 1024,
      };
    },
    traffic: () => ({
      inBytes: made.reduce((sum, socket) => sum + socket.bytesRead, 0),
      outBytes: made.reduce((sum, socket) => sum + socket.bytesWritten, 0),
    }),
  };
  createInterface(process.stdin)
    .on("line", (line) => process.stdout.write(`${JSON.stringify(answers[line]?.() ?? {})}\n`))
    .once("close", end);
}

/** What the benchmark asks of a peer besides its kind: see `ServerSettings` in `lib/server-process.mjs`. */
export const settings = JSON.parse(process.argv.at(-1) ?? "{}");

/** Tells the benchmark where the server listens. */
export function listening(port) {
  process.stdout.write(`${JSON.stringify({ port })}\n`);
}
