import { Worker } from "node:worker_threads";
import { YamabikoError } from "../../protocol/index.ts";
import { reasonOf } from "./file.ts";
import type { FileSettings, FromWorker, ToWorker } from "./messages.ts";

/** What the owner of the thread is told. */
export interface ThreadListener {
  handleMessage(message: FromWorker): void;
  /** The thread ended unasked: what it was given is not answered any more. */
  handleCrash(reason: string): void;
}

export type SpawnWorker = (settings: FileSettings) => Worker;

/** How often the worker is started anew within `CRASH_WINDOW_MS` before the log gives up. */
const RESTARTS = 5;
const CRASH_WINDOW_MS = 60_000;
const FIRST_PAUSE_MS = 20;

/** Starts the worker's file: the compiled one beside this one, or through jiti when this itself runs from source. */
export function spawnWorker(settings: FileSettings): Worker {
  const isSource = import.meta.url.endsWith(".ts");
  return new Worker(new URL(isSource ? "./worker.ts" : "./worker.js", import.meta.url), {
    workerData: settings,
    ...(isSource ? { execArgv: ["--import", "jiti/register"] } : {}),
  });
}

/** The worker thread, started anew when it crashes, up to `RESTARTS` times a minute. */
export class Thread {
  readonly #settings: FileSettings;
  readonly #listener: ThreadListener;
  readonly #spawn: SpawnWorker;
  #worker: Worker | undefined;
  #starting: Promise<void> | undefined;
  #closing = false;
  /** When the thread crashed of late, ms of `performance.now()`. */
  #crashes: number[] = [];

  constructor(settings: FileSettings, listener: ThreadListener, spawn: SpawnWorker) {
    this.#settings = settings;
    this.#listener = listener;
    this.#spawn = spawn;
  }

  /** Whether the worker can be given something. */
  get ready(): boolean {
    return this.#worker !== undefined;
  }

  /**
   * Starts the worker; resolves when the file is open.
   * @throws {YamabikoError} `unavailable` when the file cannot be opened.
   */
  start(): Promise<void> {
    return new Promise((resolve, reject) => {
      const worker = this.#spawn(this.#settings);
      let reason = "the worker thread ended";
      let opened = false;
      worker.on("message", (message: FromWorker) => {
        if (message.kind === "opened") {
          opened = true;
          this.#worker = worker;
          resolve();
        } else if (message.kind === "refused") {
          reject(new YamabikoError("unavailable", message.message, { remedy: message.remedy }));
        } else {
          this.#listener.handleMessage(message);
        }
      });
      worker.on("error", (error) => {
        reason = reasonOf(error);
      });
      worker.on("exit", () => {
        reject(new YamabikoError("unavailable", `The log's worker thread ended at its start: ${reason}`));
        if (!opened) return;
        this.#worker = undefined;
        if (this.#closing) return;
        this.#listener.handleCrash(reason);
        this.#starting = this.#restart();
      });
    });
  }

  /** Gives the worker a message. It must be `ready`. */
  post(message: ToWorker): void {
    this.#worker!.postMessage(message);
  }

  /** Lets the worker close the file and waits for its end. */
  async close(): Promise<void> {
    this.#closing = true;
    await this.#starting;
    const worker = this.#worker;
    if (worker === undefined) return;
    const ended = new Promise<void>((resolve) => worker.once("exit", () => resolve()));
    this.post({ kind: "close" });
    await ended;
  }

  async #restart(): Promise<void> {
    for (let pauseMs = FIRST_PAUSE_MS; this.#mayRestart(); pauseMs *= 2) {
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
      try {
        await this.start();
        return;
      } catch {
        // Counted as one more crash by `#mayRestart`.
      }
    }
  }

  #mayRestart(): boolean {
    const now = performance.now();
    this.#crashes = this.#crashes.filter((at) => now - at < CRASH_WINDOW_MS);
    this.#crashes.push(now);
    return !this.#closing && this.#crashes.length <= RESTARTS;
  }
}
