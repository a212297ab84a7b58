import cluster, { type Worker } from "node:cluster";
import { EventEmitter } from "node:events";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { createLogger } from "../../observe/logger.ts";
import type { FromWorker, LaneMessage, ToWorker } from "./messages.ts";
import { createPrimary, type Primary } from "./primary.ts";

/** The process of a worker, as far as a primary sees it. */
class FakeProcess extends EventEmitter {
  connected = true;
  pid: number | undefined = 1;
  readonly heard: ToWorker[] = [];
  /** While it is stuck it takes nothing that it is sent. */
  isStuck = false;
  readonly signals: string[] = [];

  send({ message }: LaneMessage, onSent?: (error: Error | null) => void): boolean {
    if (this.isStuck) return false;
    this.heard.push(message as ToWorker);
    onSent?.(null);
    return true;
  }

  kill(signal: string): void {
    this.signals.push(signal);
  }

  say(message: FromWorker): void {
    this.emit("message", { lane: "life", message } satisfies LaneMessage);
  }
}

/** A worker that begins and listens as soon as it is looked after. */
class FakeWorker extends EventEmitter {
  readonly process = new FakeProcess();

  begin(name: string): void {
    this.process.say({ kind: "began", nodeId: name });
    this.process.say({ kind: "listening", url: "http://localhost:1", port: 1, adminUrl: null });
  }

  exit(): void {
    this.process.connected = false;
    this.process.emit("disconnect");
    cluster.emit("exit", this as unknown as Worker, 1, null);
  }
}

describe("the primary of several workers", () => {
  let workers: FakeWorker[];
  let primary: Primary;

  beforeEach(async () => {
    workers = [];
    vi.spyOn(cluster, "setupPrimary").mockImplementation(() => {});
    vi.spyOn(cluster, "fork").mockImplementation(() => {
      const worker = new FakeWorker();
      workers.push(worker);
      queueMicrotask(() => worker.begin(`node-${workers.length}`));
      return worker as unknown as Worker;
    });
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval"] });
    const logger = createLogger({ level: "silent" });
    const address = { port: 1, host: "127.0.0.1", admin: null };
    primary = createPrimary({ count: 2, log: null, ...address, readyGraceMs: 0, devSecret: null, logger });
    await primary.start();
  });

  afterEach(async () => {
    const closing = primary.close();
    for (const worker of workers) worker.exit();
    await closing;
    vi.useRealTimers();
    vi.restoreAllMocks();
  });

  it("starts another when one ends", () => {
    workers[0]!.exit();
    vi.advanceTimersByTime(1_000);
    expect(workers).toHaveLength(3);
  });

  it("goes on when a word does not reach one that is just ending", () => {
    workers[0]!.emit("error", Object.assign(new Error("write EPIPE"), { code: "EPIPE" }));
    workers[0]!.exit();
    vi.advanceTimersByTime(1_000);
    expect(workers).toHaveLength(3);
  });

  it("tries again when the system cannot start a process", () => {
    workers[0]!.exit();
    vi.advanceTimersByTime(1_000);
    // It never ran, so it never exits.
    workers[2]!.process.pid = undefined;
    workers[2]!.emit("error", Object.assign(new Error("spawn EAGAIN"), { code: "EAGAIN" }));
    vi.advanceTimersByTime(1_000);
    expect(workers).toHaveLength(4);
  });

  it("ends a worker that takes nothing for long, so that what waits for it does not fill the memory", () => {
    const [stuck, well] = workers.map((worker) => worker.process);
    vi.advanceTimersByTime(60_000);
    stuck!.isStuck = true;
    // Whoever asks is answered.
    for (const worker of workers) worker.process.say({ kind: "began", nodeId: "again" });
    vi.advanceTimersByTime(10_000);
    expect(stuck!.signals).toEqual([]);
    vi.advanceTimersByTime(6_000);
    expect(stuck!.signals).toContain("SIGKILL");
    expect(well!.signals).toEqual([]);
  });
});
