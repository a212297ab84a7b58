import type { Clock } from "../../protocol/index.ts";
import {
  type AppendOptions,
  type AppendResult,
  DEFAULT_READ_BYTES,
  type Lease,
  type Log,
  type LogEvent,
  type LogPage,
  type NewEvent,
  type Retention,
  type RoomHead,
  type RoomsPage,
  type Snapshot,
} from "../log.ts";
import { amendedMoved, fenceOver, headMoved, logClosed, logUnavailable } from "../refusals.ts";
import { reasonOf } from "./file.ts";
import {
  AMENDED_MOVED,
  type AppendColumns,
  type BatchOutcome,
  type Condition,
  DUPLICATE,
  EVENT_COLUMNS,
  type EventColumns,
  FENCE_OVER,
  type FileSettings,
  type FromWorker,
  HEAD_MOVED,
  type PageColumns,
  type ReadRequest,
  type TrimOutcome,
  type WriteRequest,
} from "./messages.ts";
import { type SpawnWorker, Thread, type ThreadListener } from "./thread.ts";

interface Waiting<T> {
  resolve(value: T): void;
  reject(reason: Error): void;
}

/** A batch and who waits for it, by position. */
interface OpenBatch {
  readonly appends: AppendColumns;
  readonly conditions: Condition[];
  readonly requests: WriteRequest[];
  readonly appenders: Waiting<AppendResult>[];
  readonly requesters: Waiting<unknown>[];
}

function emptyBatch(): OpenBatch {
  return { appends: [], conditions: [], requests: [], appenders: [], requesters: [] };
}

/**
 * The side of the SQLite log that callers see: it gathers what is written in one turn of the event loop into a batch and
 * has one batch under way at a time; what is called meanwhile is the next one.
 */
export class SqliteLog implements Log, ThreadListener {
  readonly #clock: Clock;
  readonly #thread: Thread;
  #forming = emptyBatch();
  #underWay: OpenBatch | undefined;
  #scheduled = false;
  readonly #questions = new Map<number, Waiting<unknown>>();
  #lastQuestion = 0;
  readonly #trims = new Set<Promise<number>>();
  #closed: Promise<void> | undefined;
  #drained: (() => void) | undefined;

  private constructor(settings: FileSettings, clock: Clock, spawn: SpawnWorker) {
    this.#clock = clock;
    this.#thread = new Thread(settings, this, spawn);
  }

  /** @throws {YamabikoError} `unavailable` when the file cannot be opened. */
  static async open(settings: FileSettings, clock: Clock, spawn: SpawnWorker): Promise<SqliteLog> {
    const log = new SqliteLog(settings, clock, spawn);
    await log.#thread.start();
    return log;
  }

  append(
    roomId: string,
    sender: string | null,
    messageId: string | null,
    event: NewEvent,
    options?: AppendOptions,
  ): Promise<AppendResult> {
    const refusal = this.#refusal();
    if (refusal !== undefined) return Promise.reject(refusal);
    const batch = this.#forming;
    const { expect, fence, amend = [] } = options ?? {};
    if (expect !== undefined || fence !== undefined || amend.length > 0) {
      batch.conditions.push({ index: batch.appenders.length, expect, fence, amend });
    }
    batch.appends.push(roomId, sender, messageId, event.type, event.data);
    this.#schedule();
    return new Promise((resolve, reject) => {
      batch.appenders.push({ resolve, reject });
    });
  }

  async read(roomId: string, after: number, limit: number, maxBytes = DEFAULT_READ_BYTES): Promise<LogPage> {
    return toPage(roomId, await this.#ask<PageColumns>({ kind: "read", roomId, after, limit, maxBytes }));
  }

  async readBack(roomId: string, before: number, limit: number, maxBytes = DEFAULT_READ_BYTES): Promise<LogPage> {
    return toPage(roomId, await this.#ask<PageColumns>({ kind: "readBack", roomId, before, limit, maxBytes }));
  }

  find(roomId: string, sender: string | null, messageId: string): Promise<AppendResult | null> {
    return this.#ask({ kind: "find", roomId, sender, messageId });
  }

  async amendments(roomId: string, seq: number, type: string, limit: number): Promise<readonly LogEvent[]> {
    return toEvents(roomId, await this.#ask<EventColumns>({ kind: "amendments", roomId, seq, type, limit }));
  }

  heads(roomIds: readonly string[]): Promise<Map<string, RoomHead>> {
    return this.#request({ kind: "heads", roomIds });
  }

  trim(roomId: string, policy: Retention): Promise<number> {
    const trim = this.#trimAll(roomId, policy);
    const forget = () => this.#trims.delete(trim);
    this.#trims.add(trim);
    trim.then(forget, forget);
    return trim;
  }

  async putSnapshot(roomId: string, seq: number, data: string, fence?: number): Promise<void> {
    const code = await this.#request<number | undefined>({ kind: "putSnapshot", roomId, seq, data, fence });
    if (code === FENCE_OVER) throw fenceOver();
  }

  snapshot(roomId: string, atMost = Infinity): Promise<Snapshot | null> {
    return this.#ask({ kind: "snapshot", roomId, atMost });
  }

  setMark(roomId: string, name: string, user: string, seq: number): Promise<{ seq: number; moved: boolean }> {
    return this.#request({ kind: "setMark", roomId, name, user, seq });
  }

  marks(roomId: string, name: string, limit = 1_000): Promise<Map<string, number>> {
    return this.#ask({ kind: "marks", roomId, name, limit });
  }

  marksOf(user: string, name: string, limit = 1_000): Promise<Map<string, number>> {
    return this.#ask({ kind: "marksOf", user, name, limit });
  }

  dropMarks(user: string, name: string): Promise<number> {
    return this.#request({ kind: "dropMarks", user, name });
  }

  async rooms(after: string | null, limit: number): Promise<RoomsPage> {
    const roomIds = await this.#ask<string[]>({ kind: "rooms", after: after ?? "", limit });
    return { roomIds, next: roomIds.length < limit ? null : roomIds.at(-1)! };
  }

  lease(roomId: string, owner: string, ttlMs: number): Promise<Lease> {
    return this.#request({ kind: "lease", roomId, owner, ttlMs });
  }

  endLease(roomId: string, owner: string, fence: number): Promise<void> {
    return this.#request({ kind: "release", roomId, owner, fence });
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  handleMessage(message: FromWorker): void {
    switch (message.kind) {
      case "committed": {
        const batch = this.#underWay!;
        this.#underWay = undefined;
        this.#flush();
        settle(batch, message.outcome);
        break;
      }
      case "failed":
        this.#failBatches(message.reason);
        break;
      case "answer":
        this.#takeQuestion(message.id).resolve(message.answer);
        break;
      case "unanswered":
        this.#takeQuestion(message.id).reject(logUnavailable(message.reason));
        break;
    }
    this.#noteDrained();
  }

  handleCrash(reason: string): void {
    this.#failBatches(reason);
    const questions = [...this.#questions.values()];
    this.#questions.clear();
    for (const waiting of questions) waiting.reject(logUnavailable(reason));
    this.#noteDrained();
  }

  #refusal(): Error | undefined {
    if (this.#closed !== undefined) return logClosed();
    return this.#thread.ready ? undefined : logUnavailable("the worker thread is not running");
  }

  async #request<T>(request: WriteRequest): Promise<T> {
    const refusal = this.#refusal();
    if (refusal !== undefined) throw refusal;
    return this.#enqueue<T>(request);
  }

  #enqueue<T>(request: WriteRequest): Promise<T> {
    const batch = this.#forming;
    batch.requests.push(request);
    this.#schedule();
    return new Promise<T>((resolve, reject) => {
      batch.requesters.push({ resolve: resolve as (value: unknown) => void, reject });
    });
  }

  async #ask<T>(request: ReadRequest): Promise<T> {
    const refusal = this.#refusal();
    if (refusal !== undefined) throw refusal;
    const id = ++this.#lastQuestion;
    this.#thread.post({ kind: "question", id, request });
    return new Promise<T>((resolve, reject) => {
      this.#questions.set(id, { resolve: resolve as (value: unknown) => void, reject });
    });
  }

  #takeQuestion(id: number): Waiting<unknown> {
    const waiting = this.#questions.get(id)!;
    this.#questions.delete(id);
    return waiting;
  }

  async #trimAll(roomId: string, policy: Retention): Promise<number> {
    let { removed, more } = await this.#request<TrimOutcome>({ kind: "trim", roomId, policy });
    while (more) {
      // The thread may have gone since; then nobody would answer.
      if (!this.#thread.ready) throw logUnavailable("the worker thread is not running");
      const step = await this.#enqueue<TrimOutcome>({ kind: "trim", roomId, policy });
      removed += step.removed;
      more = step.more;
    }
    return removed;
  }

  #schedule(): void {
    if (this.#scheduled || this.#underWay !== undefined) return;
    this.#scheduled = true;
    // After the callbacks of this turn, so that what came on many sockets is one commit.
    setImmediate(() => {
      this.#scheduled = false;
      this.#flush();
    });
  }

  #flush(): void {
    const batch = this.#forming;
    if (this.#underWay !== undefined || batch.appenders.length + batch.requesters.length === 0) return;
    this.#forming = emptyBatch();
    this.#underWay = batch;
    const { appends, conditions, requests } = batch;
    try {
      this.#thread.post({ kind: "batch", now: this.#clock.now(), appends, conditions, requests });
    } catch (error) {
      this.#failBatches(reasonOf(error));
    }
  }

  /** Refuses what is under way and what was called since, so that a retry of the former does not come after the latter. */
  #failBatches(reason: string): void {
    const failed = [this.#underWay, this.#forming];
    this.#underWay = undefined;
    this.#forming = emptyBatch();
    for (const batch of failed) {
      for (const waiting of batch?.appenders ?? []) waiting.reject(logUnavailable(reason));
      for (const waiting of batch?.requesters ?? []) waiting.reject(logUnavailable(reason));
    }
  }

  async #close(): Promise<void> {
    await Promise.allSettled(this.#trims);
    if (!this.#isIdle()) {
      await new Promise<void>((resolve) => {
        this.#drained = resolve;
      });
    }
    await this.#thread.close();
  }

  #isIdle(): boolean {
    const waiting = this.#forming.appenders.length + this.#forming.requesters.length + this.#questions.size;
    return this.#underWay === undefined && waiting === 0;
  }

  #noteDrained(): void {
    if (this.#isIdle()) this.#drained?.();
  }
}

function settle(batch: OpenBatch, { appended, answers }: BatchOutcome): void {
  const { codes, seqs, timestamps, epochs } = appended;
  for (let index = 0; index < batch.appenders.length; index++) {
    const waiting = batch.appenders[index]!;
    const code = codes[index]!;
    if (code === HEAD_MOVED) waiting.reject(headMoved());
    else if (code === AMENDED_MOVED) waiting.reject(amendedMoved());
    else if (code === FENCE_OVER) waiting.reject(fenceOver());
    else {
      waiting.resolve({
        epoch: epochs[index]!,
        seq: seqs[index]!,
        duplicate: code === DUPLICATE,
        timestamp: timestamps[index]!,
      });
    }
  }
  batch.requesters.forEach((waiting, index) => {
    waiting.resolve(answers[index]);
  });
}

function toPage(roomId: string, { epoch, first, head, columns }: PageColumns): LogPage {
  return { epoch, first, head, events: toEvents(roomId, columns) };
}

function toEvents(roomId: string, columns: EventColumns): LogEvent[] {
  const events: LogEvent[] = [];
  for (let column = 0; column < columns.length; column += EVENT_COLUMNS) {
    const [seq, timestamp, amends, type, sender, messageId, data] = columns.slice(column, column + EVENT_COLUMNS);
    events.push({ roomId, seq, timestamp, amends, type, sender, messageId, data } as LogEvent);
  }
  return events;
}
