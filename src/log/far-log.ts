import type { Clock } from "../protocol/index.ts";
import { type AppendAnswer, type AppendCall, type AppendCarrier, AppendLanes } from "./append-lanes.ts";
import { KnownHeads } from "./known-heads.ts";
import type { AppendOptions, AppendResult, NewEvent } from "./log.ts";
import { amendedMoved, fenceOver, headMoved, logClosed, logUnavailable } from "./refusals.ts";

/** The connection to whoever keeps a log. */
export interface FarLink {
  /** Whether it can be asked now. */
  readonly isUp: boolean;
  /** Lets go of it. What has no answer yet fails. */
  close(): void | Promise<void>;
}

/** What an append ended in, as whoever keeps the log says it; 0 is an append. */
const DUPLICATE = 1;
const HEAD_MOVED = 2;
const AMENDED_MOVED = 3;
const FENCE_OVER = 4;

/**
 * What logs that another program keeps have in common: appends travel in lanes, one batch of a lane at a time; how far each
 * room was seen is remembered, so that a keeper that has lost something is found out; nothing is asked while there is no
 * connection; and closing waits for what was asked. What to ask, and how, is the log's own.
 */
export abstract class FarLog implements AppendCarrier {
  /** How far this node has seen the rooms. */
  protected readonly known = new KnownHeads();
  readonly #link: FarLink;
  /** Who keeps the log, as errors call it. */
  readonly #keeper: string;
  /** Null: the keeper's own time. */
  readonly #clock: Clock | null;
  readonly #lanes = new AppendLanes(this);
  readonly #underWay = new Set<Promise<unknown>>();
  #closed: Promise<void> | undefined;

  constructor(link: FarLink, keeper: string, clock: Clock | null) {
    this.#link = link;
    this.#keeper = keeper;
    this.#clock = clock;
  }

  abstract laneOf(roomId: string): string;
  abstract carry(calls: readonly AppendCall[]): Promise<readonly AppendAnswer[]>;

  /** How many appends have no answer yet. */
  get waiting(): number {
    return this.#lanes.waiting;
  }

  append(
    roomId: string,
    sender: string | null,
    messageId: string | null,
    event: NewEvent,
    options?: AppendOptions,
  ): Promise<AppendResult> {
    return this.#lanes.append(roomId, sender, messageId, event, options);
  }

  seen(roomId: string, epoch: string, head: number, timestamp?: number): void {
    // What others tell may be late: only the log itself says that there is another epoch.
    if (this.known.isOther(roomId, epoch)) return;
    this.known.note(roomId, epoch, head, timestamp === undefined ? undefined : { seq: head, at: timestamp });
  }

  refusal(): Error | null {
    return this.#link.isUp ? null : logUnavailable(`there is no connection to ${this.#keeper}`);
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  /** The time to give whoever keeps the log, ms since 1970; null when it is to take its own. */
  protected now(): number | null {
    return this.#clock?.now() ?? null;
  }

  /** Asks whoever keeps the log; `close` waits for it, and its failures are `unavailable`. */
  protected async ask<T>(question: () => Promise<T>): Promise<T> {
    if (this.#closed !== undefined) throw logClosed();
    const refusal = this.refusal();
    if (refusal !== null) throw refusal;
    const answer = question();
    this.#underWay.add(answer);
    try {
      return await answer;
    } catch (error) {
      throw logUnavailable(error instanceof Error ? error.message : String(error));
    } finally {
      this.#underWay.delete(answer);
    }
  }

  /** What became of an append, and notes how far its room is seen. */
  protected answerOf(roomId: string, code: number, epoch: string, seq: number, timestamp: number): AppendAnswer {
    if (code === HEAD_MOVED) return headMoved();
    if (code === AMENDED_MOVED) return amendedMoved();
    if (code === FENCE_OVER) return fenceOver();
    this.known.note(roomId, epoch, seq, { seq, at: timestamp });
    return { epoch, seq, duplicate: code === DUPLICATE, timestamp };
  }

  async #close(): Promise<void> {
    await this.#lanes.close();
    await Promise.allSettled(this.#underWay);
    await this.#link.close();
  }
}

/** A number as Lua and SQL take it: whole, not below 0, and never endless. */
export function whole(value: number): number {
  return Math.max(0, Math.min(Math.floor(value), Number.MAX_SAFE_INTEGER));
}
