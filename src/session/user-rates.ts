import type { Clock, JsonObject, LimitName, Limits } from "../protocol/index.ts";
import { inNoticeParts } from "../room/notice-parts.ts";
import type { Words } from "../room/words.ts";
import { Buckets } from "./limits.ts";

/** What it is called between nodes. */
const WORD = "used";
/** The most users of whom is kept what they used in a second. */
const USERS = 1_000;
/** Of what a user may use in a second, the part that is too little to be told of. */
const UNTOLD = 10;

/** What a user used since it was last told. */
interface Used {
  messages: number;
  bytes: number;
}

/** A message that comes too soon. */
export interface TooSoon {
  readonly limit: LimitName;
  /** When it may come again, ms. */
  readonly waitMs: number;
}

/**
 * The rates of users, over all their connections and all nodes. Each node has a bucket of its own for a user, and once a second
 * tells the others who used more than a tenth of a rate; they take the same out of theirs. So a user who is at several nodes has,
 * on average, what one connection could have at one node, and for the second until that is told at most that at each of them.
 */
export class UserRates {
  readonly #limits: Limits;
  readonly #messages: Buckets;
  readonly #bytes: Buckets;
  readonly #words: Words;
  readonly #hasOthers: () => boolean;
  /** By user. */
  readonly #used = new Map<string, Used>();

  /** @param hasOthers whether there are other nodes now. */
  constructor(limits: Limits, clock: Clock, words: Words, hasOthers: () => boolean) {
    this.#limits = limits;
    this.#messages = new Buckets(clock);
    this.#bytes = new Buckets(clock);
    this.#words = words;
    this.#hasOthers = hasOthers;
    words.on(WORD, (said) => this.#hear(said as unknown as UsedWord));
  }

  /** How many users are remembered. */
  get count(): number {
    return Math.max(this.#messages.count, this.#bytes.count);
  }

  /** Takes a message of this size. Null when it may come, else nothing was taken. */
  take(userId: string, bytes: number): TooSoon | null {
    const { userMessagesPerSecond, userBytesPerSecond } = this.#limits;
    const messagesWait = this.#messages.take(userId, userMessagesPerSecond);
    if (messagesWait > 0) return { limit: "userMessagesPerSecond", waitMs: messagesWait };
    const bytesWait = userBytesPerSecond === 0 ? 0 : this.#bytes.of(userId, userBytesPerSecond).take(bytes);
    if (bytesWait > 0) {
      if (userMessagesPerSecond > 0) this.#messages.of(userId, userMessagesPerSecond).giveBack();
      return { limit: "userBytesPerSecond", waitMs: bytesWait };
    }
    this.#note(userId, bytes);
    return null;
  }

  /** Tells the other nodes what was used here, and forgets rates nobody uses. Called about once a second. */
  sweep(): void {
    const { userMessagesPerSecond, userBytesPerSecond } = this.#limits;
    const isMuch = (used: number, limit: number): boolean => limit > 0 && used * UNTOLD > limit;
    const much: [string, number, number][] = [];
    for (const [userId, { messages, bytes }] of this.#used) {
      if (!isMuch(messages, userMessagesPerSecond) && !isMuch(bytes, userBytesPerSecond)) continue;
      much.push([userId, messages, bytes]);
    }
    this.#used.clear();
    for (const used of inNoticeParts(much)) this.#words.say(WORD, { used } satisfies UsedWord as unknown as JsonObject);
    this.#messages.sweep();
    this.#bytes.sweep();
  }

  #note(userId: string, bytes: number): void {
    let used = this.#used.get(userId);
    if (used === undefined) {
      if (this.#used.size >= USERS) this.#makeRoom();
      if (this.#used.size >= USERS || !this.#hasOthers()) return;
      used = { messages: 0, bytes: 0 };
      this.#used.set(userId, used);
    }
    used.messages++;
    used.bytes += bytes;
  }

  /** Most send little: those who have sent one message give their places to those who send more. */
  #makeRoom(): void {
    for (const [userId, { messages }] of this.#used) if (messages === 1) this.#used.delete(userId);
  }

  #hear({ used }: UsedWord): void {
    const { userMessagesPerSecond, userBytesPerSecond } = this.#limits;
    for (const [userId, messages, bytes] of used) {
      if (userMessagesPerSecond > 0) this.#messages.of(userId, userMessagesPerSecond).charge(messages);
      if (userBytesPerSecond > 0) this.#bytes.of(userId, userBytesPerSecond).charge(bytes);
    }
  }
}

interface UsedWord {
  readonly used: readonly (readonly [userId: string, messages: number, bytes: number])[];
}
