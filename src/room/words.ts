import { randomBytes } from "node:crypto";
import { type Bus, NODES_CHANNEL, type Notice, nodeChannel } from "../bus/bus.ts";
import type { Observer } from "../observe/observer.ts";
import type { Clock, Json, JsonObject } from "../protocol/index.ts";

/** How many words and questions are remembered, so that a repetition is none; beyond it the oldest is forgotten. */
const REMEMBERED = 1_000;
/** How long an answer is waited for, ms. */
const ANSWER_MS = 2_000;
/** When a word is said again where the bus may lose it, ms. */
const AGAIN_MS = [150, 500];

export interface WordsParts {
  readonly bus: Bus;
  readonly nodeId: string;
  readonly clock: Clock;
  readonly observer: Observer;
}

type Hear = (said: Json, from: string) => void;
type Answer = (asked: Json, from: string) => Json | Promise<Json>;

/**
 * What nodes say to each other that is about no room: words for all, and questions to one. A word is heard once by every node
 * that is there, all but surely: where the bus may lose notices it is said three times within half a second.
 */
export class Words {
  readonly #parts: WordsParts;
  readonly #hearers = new Map<string, Hear>();
  readonly #answerers = new Map<string, Answer>();
  readonly #heard = new Set<string>();
  readonly #questions = new Map<string, (answer: Json) => void>();
  readonly #stops: (() => void)[];
  #isClosed = false;

  constructor(parts: WordsParts) {
    const { bus, nodeId } = parts;
    this.#parts = parts;
    const onNotice = (notice: Notice): void => this.#hear(notice);
    this.#stops = [bus.subscribe(NODES_CHANNEL, onNotice), bus.subscribe(nodeChannel(nodeId), onNotice)];
  }

  /** Whether no word is ever lost or late. */
  get isLossless(): boolean {
    return this.#parts.bus.lossless;
  }

  /** Calls `hear` for every word of this name that another node says. */
  on(name: string, hear: Hear): void {
    this.#hearers.set(name, hear);
  }

  /** Answers questions of this name. */
  answer(name: string, answer: Answer): void {
    this.#answerers.set(name, answer);
  }

  /** Says something to all other nodes. */
  say(name: string, said: Json): void {
    const data = { id: randomBytes(9).toString("base64url"), said };
    this.#publish(NODES_CHANNEL, name, data);
    if (this.#parts.bus.lossless) return;
    for (const delayMs of AGAIN_MS) {
      this.#parts.clock.setTimer(() => this.#publish(NODES_CHANNEL, name, data), delayMs);
    }
  }

  /** Asks a node. Resolves to null when it does not answer within `waitMs` (default: 2 s), or cannot. */
  async ask(nodeId: string, name: string, asked: Json, waitMs = ANSWER_MS): Promise<Json> {
    if (this.#isClosed) return null;
    const id = randomBytes(9).toString("base64url");
    const answer = new Promise<Json>((resolve) => {
      this.#questions.set(id, resolve);
    });
    const timer = this.#parts.clock.setTimer(() => this.#questions.get(id)?.(null), waitMs);
    this.#publish(nodeChannel(nodeId), name, { id, asked });
    const answered = await answer;
    timer.cancel();
    this.#questions.delete(id);
    return answered;
  }

  /** Hears and says nothing more. */
  close(): void {
    this.#isClosed = true;
    for (const stop of this.#stops) stop();
    for (const resolve of this.#questions.values()) resolve(null);
  }

  #hear(notice: Notice): void {
    if (notice.kind !== "note" || notice.from === this.#parts.nodeId) return;
    const { name, from } = notice;
    const data = notice.data as JsonObject;
    const id = data.id as string;
    if ("answered" in data) this.#questions.get(id)?.(data.answered as Json);
    else if (this.#isNew(id)) {
      if ("asked" in data) void this.#reply(name, id, data.asked as Json, from);
      else this.#hearWord(name, data.said as Json, from);
    }
  }

  #hearWord(name: string, said: Json, from: string): void {
    try {
      this.#hearers.get(name)?.(said, from);
    } catch (error) {
      this.#parts.observer.failure(`hearing "${name}" of another node`, error);
    }
  }

  async #reply(name: string, id: string, asked: Json, from: string): Promise<void> {
    let answered: Json = null;
    try {
      answered = (await this.#answerers.get(name)?.(asked, from)) ?? null;
    } catch (error) {
      this.#parts.observer.failure(`answering "${name}" of another node`, error);
    }
    this.#publish(nodeChannel(from), name, { id, answered });
  }

  #isNew(id: string): boolean {
    if (this.#heard.has(id)) return false;
    this.#heard.add(id);
    if (this.#heard.size > REMEMBERED) this.#heard.delete(this.#heard.values().next().value!);
    return true;
  }

  #publish(channel: string, name: string, data: JsonObject): void {
    if (this.#isClosed) return;
    const { bus, nodeId } = this.#parts;
    bus.publish(channel, { kind: "note", from: nodeId, to: null, name, data });
  }
}
