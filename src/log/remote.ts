import { type ErrorCode, YamabikoError } from "../protocol/index.ts";
import type { AppendOptions, AppendResult, Log, NewEvent } from "./log.ts";
import { logClosed, logUnavailable } from "./refusals.ts";

/** A way to another process that keeps order and loses nothing for as long as it is open; what is sent is copied. */
export interface LogPort {
  send(message: unknown): void;
  /** Calls these for what the other side sends, and once when it has gone. */
  listen(onMessage: (message: unknown) => void, onGone: () => void): void;
}

type Method = Exclude<keyof Log, "close" | "seen">;

/** A call of the log's. `generation` is how often appends had failed when it was made, as far as the caller knew. */
type Call = readonly [id: number, generation: number, method: Method, args: readonly unknown[]];
type Answer = readonly [id: number, isOk: true, value: unknown] | readonly [id: number, isOk: false, error: WireError];

interface WireError {
  readonly code: ErrorCode;
  readonly message: string;
  readonly remedy: string | undefined;
  readonly retryAfterMs: number | undefined;
}

interface Waiting {
  readonly isAppend: boolean;
  resolve(value: unknown): void;
  reject(error: Error): void;
}

/**
 * A log that another process holds (`serveLog`). What is called in one turn of the event loop travels in one message, so that
 * the appends of one turn are one commit there too. Closing it lets go of nothing but this end; when the other side has gone
 * everything is refused with `unavailable`.
 */
export function createRemoteLog(port: LogPort): Log {
  return new RemoteLog(port);
}

class RemoteLog implements Log {
  readonly #port: LogPort;
  readonly #waiting = new Map<number, Waiting>();
  #calls: Call[] = [];
  #lastId = 0;
  /** How often appends have failed. */
  #generation = 0;
  #isGone = false;
  #isClosed = false;
  #drained: (() => void) | null = null;

  constructor(port: LogPort) {
    this.#port = port;
    port.listen(
      (message) => this.#hear(message as readonly Answer[]),
      () => this.#lose(),
    );
  }

  append(
    roomId: string,
    sender: string | null,
    messageId: string | null,
    event: NewEvent,
    options?: AppendOptions,
  ): Promise<AppendResult> {
    return this.#call("append", [roomId, sender, messageId, event, options]);
  }

  read: Log["read"] = (...question) => this.#call("read", question);
  readBack: Log["readBack"] = (...question) => this.#call("readBack", question);
  find: Log["find"] = (...question) => this.#call("find", question);
  amendments: Log["amendments"] = (...question) => this.#call("amendments", question);
  heads: Log["heads"] = (...question) => this.#call("heads", question);
  trim: Log["trim"] = (...question) => this.#call("trim", question);
  putSnapshot: Log["putSnapshot"] = (...question) => this.#call("putSnapshot", question);
  snapshot: Log["snapshot"] = (...question) => this.#call("snapshot", question);
  setMark: Log["setMark"] = (...question) => this.#call("setMark", question);
  marks: Log["marks"] = (...question) => this.#call("marks", question);
  marksOf: Log["marksOf"] = (...question) => this.#call("marksOf", question);
  dropMarks: Log["dropMarks"] = (...question) => this.#call("dropMarks", question);
  rooms: Log["rooms"] = (...question) => this.#call("rooms", question);
  lease: Log["lease"] = (...question) => this.#call("lease", question);
  endLease: Log["endLease"] = (...question) => this.#call("endLease", question);

  async close(): Promise<void> {
    this.#isClosed = true;
    if (this.#waiting.size === 0) return;
    await new Promise<void>((resolve) => {
      const before = this.#drained;
      this.#drained = () => {
        before?.();
        resolve();
      };
    });
  }

  #call<T>(method: Method, args: readonly unknown[]): Promise<T> {
    if (this.#isClosed) return Promise.reject(logClosed());
    if (this.#isGone) return Promise.reject(logUnavailable("the process that holds it has gone"));
    const id = ++this.#lastId;
    if (this.#calls.push([id, this.#generation, method, args]) === 1) setImmediate(() => this.#flush());
    const isAppend = method === "append";
    return new Promise<T>((resolve, reject) => {
      this.#waiting.set(id, { isAppend, resolve: resolve as (value: unknown) => void, reject });
    });
  }

  #flush(): void {
    const calls = this.#calls;
    this.#calls = [];
    if (!this.#isGone && calls.length > 0) this.#port.send(calls);
  }

  #hear(answers: readonly Answer[]): void {
    for (const [id, isOk, value] of answers) {
      const waiting = this.#waiting.get(id);
      // It may have been given up with an append that failed.
      if (waiting === undefined) continue;
      this.#waiting.delete(id);
      if (isOk) {
        waiting.resolve(value);
        continue;
      }
      const error = fromWire(value);
      waiting.reject(error);
      if (waiting.isAppend && error.code === "unavailable") this.#giveUp(error);
    }
    this.#noteDrained();
  }

  /**
   * An append failed: all that were called before that was known fail with it, so that no retry of it comes after them. The
   * other side takes none of an earlier generation any more.
   */
  #giveUp(error: YamabikoError): void {
    this.#generation++;
    for (const [id, { isAppend, reject }] of this.#waiting) {
      if (!isAppend) continue;
      this.#waiting.delete(id);
      reject(error);
    }
  }

  #lose(): void {
    this.#isGone = true;
    this.#calls = [];
    for (const { reject } of this.#waiting.values()) reject(logUnavailable("the process that holds it has gone"));
    this.#waiting.clear();
    this.#noteDrained();
  }

  #noteDrained(): void {
    if (this.#waiting.size === 0) this.#drained?.();
  }
}

/**
 * Lets another process use a log (`createRemoteLog`). What was called when that process goes is finished, and answered to nobody.
 */
export function serveLog(log: Log, port: LogPort): void {
  new LogService(log, port);
}

class LogService {
  readonly #log: Log;
  readonly #port: LogPort;
  #answers: Answer[] = [];
  /** Appends of an earlier generation were called before a failure was known there, and fail with it. */
  #generation = 0;
  #isGone = false;

  constructor(log: Log, port: LogPort) {
    this.#log = log;
    this.#port = port;
    port.listen(
      (message) => {
        for (const call of message as readonly Call[]) void this.#handle(call);
      },
      () => {
        this.#isGone = true;
      },
    );
  }

  async #handle([id, generation, method, args]: Call): Promise<void> {
    const isAppend = method === "append";
    // Given up there, or about to be.
    if (isAppend && generation < this.#generation) return;
    try {
      const ask = this.#log[method] as (...asked: readonly unknown[]) => Promise<unknown>;
      this.#answer([id, true, await ask.apply(this.#log, args as unknown[])]);
    } catch (error) {
      const wire = toWire(error);
      // Of several that fail together the first is told; the others have been given up with it.
      if (isAppend && wire.code === "unavailable") this.#generation = Math.max(this.#generation, generation + 1);
      this.#answer([id, false, wire]);
    }
  }

  #answer(answer: Answer): void {
    if (this.#answers.push(answer) > 1) return;
    // After the callbacks of this turn: a commit answers many at once.
    setImmediate(() => {
      const answers = this.#answers;
      this.#answers = [];
      if (!this.#isGone) this.#port.send(answers);
    });
  }
}

function toWire(error: unknown): WireError {
  const { code, message, remedy, retryAfterMs } =
    error instanceof YamabikoError ? error : logUnavailable(error instanceof Error ? error.message : String(error));
  return { code, message, remedy, retryAfterMs };
}

function fromWire(wire: unknown): YamabikoError {
  const { code, message, remedy, retryAfterMs } = wire as WireError;
  return new YamabikoError(code, message, { remedy, retryAfterMs });
}
