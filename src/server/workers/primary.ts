import cluster, { type Worker } from "node:cluster";
import { randomBytes } from "node:crypto";
import { type AddressInfo, createServer } from "node:net";
import { NODES_CHANNEL } from "../../bus/bus.ts";
import { type BusHub, createBusHub } from "../../bus/remote.ts";
import type { Log } from "../../log/log.ts";
import { serveLog } from "../../log/remote.ts";
import type { Logger } from "../../observe/logger.ts";
import type { AdminOptions } from "../admin/options.ts";
import { type LanePort, Lanes } from "./lanes.ts";
import type { Failure, FromWorker, ToWorker } from "./messages.ts";

/** How long a worker has to end after its grace, ms: longer than a server takes to close. */
const END_MS = 12_000;
/** How long to wait before a worker that died is started anew, ms: twice as long each time, until one has lived a while. */
const FIRST_PAUSE_MS = 100;
const MAX_PAUSE_MS = 10_000;
const LIVED_MS = 30_000;
/** How often it is looked whether workers take what they are sent, ms. */
const LOOK_MS = 1_000;
/** One that took nothing of what waits for it for so many looks is ended: what waits is in the memory of this process. */
const STUCK_LOOKS = 15;

export interface PrimaryParts {
  readonly count: number;
  /** The log that this process holds for its workers; null where the configured one is shared by nodes anyway. */
  readonly log: Log | null;
  /** Where to listen. Port 0 is any free one, the same for all. */
  readonly port: number;
  readonly host: string;
  /** The admin listener, which all serve; null for none. Port 0 as above. */
  readonly admin: AdminOptions | null;
  /** How long workers serve on when they are told to end, ms. */
  readonly readyGraceMs: number;
  /** The secret of development mode; null where there is another key. */
  readonly devSecret: string | null;
  readonly logger: Logger;
}

/** The workers of a port: starts them, starts those anew that die, ends them. */
export interface Primary {
  /** Resolves when all are listening. Rejects with what keeps them from it. */
  start(): Promise<Address>;
  /** Lets all finish and end. The log stays open. */
  close(): Promise<void>;
}

/** Where workers listen. */
export interface Address {
  readonly url: string;
  readonly port: number;
  readonly adminUrl: string | null;
}

/** Makes the primary of several workers, which run the same command as this process. */
export function createPrimary(parts: PrimaryParts): Primary {
  return new ClusterPrimary(parts);
}

/** A worker process, and what it said of itself. */
interface Started {
  readonly worker: Worker;
  readonly lanes: Lanes;
  readonly life: LanePort;
  readonly startedAt: number;
  /** What had left for it at the last look, and for how many looks nothing has although something waits. */
  leftBefore: number;
  stuckLooks: number;
  nodeId: string | null;
  isListening: boolean;
}

class ClusterPrimary implements Primary {
  readonly #parts: PrimaryParts;
  readonly #guestSecret = randomBytes(32).toString("base64url");
  readonly #hub: BusHub = createBusHub();
  readonly #started = new Map<Worker, Started>();
  readonly #pauses = new Set<NodeJS.Timeout>();
  #port: number;
  #admin: AdminOptions | null;
  #pauseMs = FIRST_PAUSE_MS;
  #address: Address | null = null;
  #onListening: () => void = () => {};
  #onFailed: (failure: Failure) => void = () => {};
  #looks: NodeJS.Timeout | null = null;
  #isClosing = false;
  #onEnded: () => void = () => {};

  constructor(parts: PrimaryParts) {
    this.#parts = parts;
    this.#port = parts.port;
    this.#admin = parts.admin;
  }

  async start(): Promise<Address> {
    cluster.setupPrimary({ serialization: "advanced" });
    cluster.on("exit", this.#handleExit);
    this.#looks = setInterval(() => this.#look(), LOOK_MS);
    // A worker that takes the place of another must find the port of the others.
    if (this.#port === 0) this.#port = await freePort(this.#parts.host);
    if (this.#admin?.port === 0) this.#admin = { ...this.#admin, port: await freePort(this.#admin.host) };
    await new Promise<void>((resolve, reject) => {
      this.#onListening = () => {
        if (Array.from(this.#started.values()).every(({ isListening }) => isListening)) resolve();
      };
      this.#onFailed = ({ message, remedy, code, port }) =>
        reject(Object.assign(new Error(message), { remedy: remedy ?? undefined, code: code ?? undefined, port }));
      for (let index = 0; index < this.#parts.count; index++) this.#startOne();
    });
    this.#onFailed = ({ message }) => this.#parts.logger.error({ reason: message }, "a worker cannot serve");
    return this.#address!;
  }

  async close(): Promise<void> {
    this.#isClosing = true;
    for (const pause of this.#pauses) clearTimeout(pause);
    this.#pauses.clear();
    if (this.#started.size > 0) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(() => {
          for (const worker of this.#started.keys()) worker.process.kill("SIGKILL");
        }, this.#parts.readyGraceMs + END_MS);
        this.#onEnded = () => {
          clearTimeout(timer);
          resolve();
        };
        for (const { life } of this.#started.values()) life.send({ kind: "close" } satisfies ToWorker);
      });
    }
    if (this.#looks !== null) clearInterval(this.#looks);
    cluster.off("exit", this.#handleExit);
  }

  /** Looks are counted, and not time: after a sleep of the machine everybody is to have as many again. */
  #look(): void {
    for (const started of this.#started.values()) {
      const { lanes, worker } = started;
      started.stuckLooks = lanes.waiting > 0 && lanes.left === started.leftBefore ? started.stuckLooks + 1 : 0;
      started.leftBefore = lanes.left;
      if (started.stuckLooks < STUCK_LOOKS) continue;
      this.#parts.logger.error({ waiting: lanes.waiting }, "a worker takes nothing that it is sent; it is ended");
      worker.process.kill("SIGKILL");
    }
  }

  #startOne(): void {
    const worker = cluster.fork();
    const lanes = new Lanes(worker.process);
    const life = lanes.port("life");
    const started: Started = {
      worker,
      lanes,
      life,
      startedAt: performance.now(),
      leftBefore: 0,
      stuckLooks: 0,
      nodeId: null,
      isListening: false,
    };
    this.#started.set(worker, started);
    // Unheard, it would end this process, and all workers with it.
    worker.on("error", (error: Error) => this.#handleError(started, error));
    const { log } = this.#parts;
    if (log !== null) {
      serveLog(log, lanes.port("log"));
      this.#hub.attach(lanes.port("bus"));
    }
    life.listen(
      (message) => this.#hear(started, message as FromWorker),
      () => {},
    );
  }

  #hear(started: Started, word: FromWorker): void {
    switch (word.kind) {
      case "began": {
        started.nodeId = word.nodeId;
        const { devSecret, log } = this.#parts;
        const setup = {
          port: this.#port,
          admin: this.#admin,
          devSecret,
          guestSecret: this.#guestSecret,
          isLogHere: log !== null,
        };
        started.life.send({ kind: "setup", setup } satisfies ToWorker);
        return;
      }
      case "listening":
        this.#address ??= { url: word.url, port: word.port, adminUrl: word.adminUrl };
        started.isListening = true;
        this.#onListening();
        return;
      case "failed":
        this.#onFailed(word.failure);
        started.life.send({ kind: "close" } satisfies ToWorker);
    }
  }

  readonly #handleExit = (worker: Worker, code: number, signal: string | null): void => {
    const started = this.#started.get(worker);
    if (started === undefined) return;
    this.#started.delete(worker);
    // Others learn at once what they would find out by its silence.
    const { nodeId } = started;
    if (nodeId !== null) this.#hub.publish(NODES_CHANNEL, { kind: "gone", from: "primary", nodeId });
    if (this.#isClosing) {
      if (this.#started.size === 0) this.#onEnded();
      return;
    }
    if (this.#address === null) {
      const how = signal ?? `code ${code}`;
      this.#onFailed({
        message: `A worker ended before it could serve (${how}).`,
        code: null,
        remedy: null,
        port: null,
      });
      return;
    }
    this.#replace(started, code, signal);
  };

  /** A word did not reach a worker, which is just ending; or the system could not start one, which then never exits. */
  #handleError({ worker }: Started, { message }: Error): void {
    this.#parts.logger.error({ reason: message }, "a worker cannot be reached");
    if (worker.process.pid === undefined) this.#handleExit(worker, 1, null);
  }

  #replace({ startedAt }: Started, code: number, signal: string | null): void {
    if (performance.now() - startedAt >= LIVED_MS) this.#pauseMs = FIRST_PAUSE_MS;
    const pauseMs = this.#pauseMs;
    this.#pauseMs = Math.min(pauseMs * 2, MAX_PAUSE_MS);
    this.#parts.logger.error({ code, signal, pauseMs }, "a worker ended; another is started");
    const pause = setTimeout(() => {
      this.#pauses.delete(pause);
      this.#startOne();
    }, pauseMs);
    this.#pauses.add(pause);
  }
}

/** A port of this address that nobody listens on now. */
function freePort(host: string | undefined): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen({ port: 0, host, exclusive: true }, () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}
