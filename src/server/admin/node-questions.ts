import { randomBytes } from "node:crypto";
import type { Json, JsonObject } from "../../protocol/index.ts";
import type { Words } from "../../room/words.ts";

/** How long an answer is waited for, ms. */
const WAIT_MS = 500;
/** What one notice holds of an answer, characters: some buses carry 8,000 bytes. */
const PART_LENGTH = 2_500;
/** How many answers a node keeps at once until they were fetched, and how long one is, characters. */
const MOST_KEPT = 32;
const MOST_LENGTH = 400_000;
/** The word that nodes are asked by. */
const WORD = "operations";

export interface NodeQuestionsParts {
  readonly nodeId: string;
  readonly words: Words;
  /** The other nodes that are there. */
  otherNodes(): readonly string[];
}

/** What one node answered. */
export interface NodeAnswer<T> {
  readonly nodeId: string;
  readonly answer: T;
}

/** What all nodes answered, and which of them did not in time. */
export interface Answers<T> {
  readonly answers: readonly NodeAnswer<T>[];
  readonly silent: readonly string[];
}

/** The first part of an answer. `more` names what the others are fetched by; null when there are none. */
interface FirstPart {
  readonly text: string;
  readonly parts: number;
  readonly more: string | null;
}

/**
 * What nodes are asked for operators: every node is asked at once, and one that does not answer within half a second is named and
 * not waited for. Answers longer than a notice may be are fetched in parts.
 */
export class NodeQuestions {
  readonly #parts: NodeQuestionsParts;
  readonly #answerers = new Map<string, (asked: Json) => unknown>();
  /** Answers that were not fetched yet, the oldest first. */
  readonly #kept = new Map<string, string>();

  constructor(parts: NodeQuestionsParts) {
    this.#parts = parts;
    parts.words.answer(WORD, (asked) => this.#answer(asked as JsonObject));
  }

  /** Answers questions of this name, of this node and of others. The answer is JSON. */
  on(name: string, answer: (asked: Json) => unknown): void {
    this.#answerers.set(name, answer);
  }

  /** Asks all nodes. Rejects when this node's own answer does. */
  async all<T>(name: string, asked: unknown): Promise<Answers<T>> {
    const { nodeId, otherNodes } = this.#parts;
    const others = otherNodes();
    const [own, ...rest] = await Promise.all([
      this.#ownAnswer(name, asked),
      ...others.map((other) => this.#askOther(other, name, asked)),
    ]);
    const answers: NodeAnswer<T>[] = [{ nodeId, answer: own as T }];
    const silent: string[] = [];
    for (const [index, other] of others.entries()) {
      const answer = rest[index];
      if (answer === null || answer === undefined) silent.push(other);
      else answers.push({ nodeId: other, answer: answer as T });
    }
    return { answers, silent };
  }

  /** Asks one node. Resolves to null when it does not answer in time. */
  async one<T>(nodeId: string, name: string, asked: unknown): Promise<T | null> {
    if (nodeId === this.#parts.nodeId) return (await this.#ownAnswer(name, asked)) as T;
    if (!this.#parts.otherNodes().includes(nodeId)) return null;
    return (await this.#askOther(nodeId, name, asked)) as T | null;
  }

  async #ownAnswer(name: string, asked: unknown): Promise<unknown> {
    return (await this.#answerers.get(name)?.(asked as Json)) ?? null;
  }

  async #askOther(other: string, name: string, asked: unknown): Promise<unknown> {
    const { words } = this.#parts;
    const first = (await words.ask(other, WORD, { name, asked: asked as Json }, WAIT_MS)) as FirstPart | null;
    if (first === null) return null;
    const numbers = Array.from({ length: first.parts - 1 }, (_, index) => index + 1);
    const rest = await Promise.all(
      numbers.map((part) => words.ask(other, WORD, { more: first.more, part }, WAIT_MS) as Promise<string | null>),
    );
    return rest.includes(null) ? null : JSON.parse(first.text + rest.join(""));
  }

  async #answer(asked: JsonObject): Promise<Json> {
    if (typeof asked.more === "string") return this.#partOf(asked.more, asked.part as number);
    const text = JSON.stringify(await this.#ownAnswer(asked.name as string, asked.asked));
    if (text.length > MOST_LENGTH) throw new Error(`an answer of ${text.length} characters`);
    const parts = Math.max(1, Math.ceil(text.length / PART_LENGTH));
    return { text: text.slice(0, PART_LENGTH), parts, more: parts === 1 ? null : this.#keep(text) };
  }

  #keep(text: string): string {
    const name = randomBytes(9).toString("base64url");
    this.#kept.set(name, text);
    if (this.#kept.size > MOST_KEPT) this.#kept.delete(this.#kept.keys().next().value!);
    return name;
  }

  #partOf(name: string, part: number): string | null {
    return this.#kept.get(name)?.slice(part * PART_LENGTH, (part + 1) * PART_LENGTH) ?? null;
  }
}
