import { type Json, type JsonObject, YamabikoError } from "../../../protocol/index.ts";
import type { StateChange, StateDefinition, StateView } from "../../../session/namespace.ts";

/** The family of state that awareness is kept in. */
export const AWARENESS = "awareness";

/** How long what a client says of itself stays when it says nothing more, ms: as long as Yjs' clients keep it. */
const LEASE_MS = 30_000;
/** How long it is remembered what clients that are gone last said, ms, and of how many. */
const GONE_MS = 60_000;
const GONE_CLIENTS = 1_000;
/** The most clients that one connection may speak for; a provider speaks for one. */
const CLIENTS_PER_CONNECTION = 16;
/** The deepest value. */
const DEPTH = 32;

/** What a client says of itself, as Yjs' awareness protocol has it. */
export interface AwarenessEntry {
  /** The number of the client's document. */
  readonly clientId: number;
  /** Rises with everything the client says. */
  readonly clock: number;
  /** JSON text; null when the client is gone. */
  readonly state: string | null;
}

/** What is kept of it. */
interface Kept {
  readonly clock: number;
  readonly state: string;
  /** The user of the connection that said it. */
  readonly userId: string;
}

/** The family of state: one value per client, which ends with its connection, or when it is not renewed. */
export const awarenessState: StateDefinition = {
  event: "awareness_changed",
  leaseMs: LEASE_MS,
  change: (key, value, last): JsonObject => ({ states: [told(key, value, last)] }),
  changes: (changes): JsonObject => ({ states: changes.map(({ key, value, last }) => told(key, value, last)) }),
};

function told(key: string, value: Json, last: Json): JsonObject {
  const { clock, state, userId } = (value ?? last) as unknown as Kept;
  return { clientId: Number(key), clock, state: value === null ? null : state, userId };
}

/** Who speaks. */
export interface Speaker {
  readonly connectionId: string;
  readonly userId: string;
  /** The family, as this connection sets it. */
  readonly view: StateView;
}

/** Whom the clients of one document say that they are: whose word counts, and what was said last. */
export class Awareness {
  readonly #maxBytes: number;
  readonly #now: () => number;
  readonly #kept = new Map<number, Kept>();
  /** The connections of this node that speak for the clients. */
  readonly #speakers = new Map<number, string>();
  /** What clients that are gone last said, the latest last. */
  readonly #gone = new Map<number, { readonly clock: number; readonly at: number }>();

  /**
   * @param maxBytes of what one client says, as text.
   * @param now a clock that does not go back, ms.
   */
  constructor(maxBytes: number, now: () => number) {
    this.#maxBytes = maxBytes;
    this.#now = now;
  }

  /** How many clients there are. */
  get count(): number {
    return this.#kept.size;
  }

  /** The values of the family, as `joined_room.state` has them. */
  values(): JsonObject {
    return Object.fromEntries(Array.from(this.#kept, ([clientId, kept]) => [String(clientId), { ...kept }]));
  }

  /** What everybody says of themselves now. */
  entries(): AwarenessEntry[] {
    return Array.from(this.#kept, ([clientId, { clock, state }]) => ({ clientId, clock, state }));
  }

  /**
   * Takes what a connection says of a client. A connection speaks for the clients nobody else speaks for; providers repeat what they
   * hear of others, which changes nothing. Gives what the connection should hear in return: that a client is gone; if it is the
   * client's own, it says it again, with a higher clock that the others take.
   *
   * @throws {YamabikoError} `invalid_message` for what others could not read, `payload_too_large`, `unavailable` for too many clients.
   */
  take(entry: AwarenessEntry, speaker: Speaker): AwarenessEntry | null {
    const { clientId, clock, state } = entry;
    const kept = this.#kept.get(clientId);
    const isSpeaker = this.#speakers.get(clientId) === speaker.connectionId;
    if (state === null || isGone(state, this.#maxBytes)) {
      if (kept !== undefined && isSpeaker && clock >= kept.clock) speaker.view.remove(String(clientId));
      return null;
    }
    if (kept !== undefined) {
      if (clock <= kept.clock || (!isSpeaker && kept.userId !== speaker.userId)) return null;
    } else {
      const gone = this.#gone.get(clientId);
      if (gone !== undefined && clock <= gone.clock) return { clientId, clock: gone.clock, state: null };
    }
    if (!isSpeaker && this.#countOf(speaker.connectionId) >= CLIENTS_PER_CONNECTION) {
      throw new YamabikoError("unavailable", `A connection speaks for at most ${CLIENTS_PER_CONNECTION} clients.`);
    }
    speaker.view.set(String(clientId), { clock, state, userId: speaker.userId });
    this.#speakers.set(clientId, speaker.connectionId);
    return null;
  }

  /** A value was set or removed, here or on another node. */
  changed({ key, value, last }: StateChange): void {
    const clientId = Number(key);
    if (value !== null) {
      this.#kept.set(clientId, value as unknown as Kept);
      this.#gone.delete(clientId);
      return;
    }
    this.#kept.delete(clientId);
    this.#speakers.delete(clientId);
    this.#gone.delete(clientId);
    this.#gone.set(clientId, { clock: (last as unknown as Kept).clock, at: this.#now() });
    for (const [oldest, { at }] of this.#gone) {
      if (this.#gone.size <= GONE_CLIENTS && this.#now() - at < GONE_MS) break;
      this.#gone.delete(oldest);
    }
  }

  #countOf(connectionId: string): number {
    let count = 0;
    for (const each of this.#speakers.values()) if (each === connectionId) count++;
    return count;
  }
}

/**
 * Whether a client says nothing of itself any more.
 * @throws {YamabikoError} for text that other clients could not read.
 */
function isGone(state: string, maxBytes: number): boolean {
  if (Buffer.byteLength(state) > maxBytes) {
    throw new YamabikoError("payload_too_large", `What a client says of itself has at most ${maxBytes} bytes.`);
  }
  let value: Json;
  try {
    value = JSON.parse(state) as Json;
  } catch (cause) {
    throw new YamabikoError("invalid_message", "What a client says of itself must be JSON.", { cause });
  }
  if (value !== null && !isWithin(value, DEPTH)) {
    throw new YamabikoError("invalid_message", `What a client says of itself must not be deeper than ${DEPTH}.`);
  }
  return value === null;
}

function isWithin(value: Json, depth: number): boolean {
  if (typeof value !== "object" || value === null) return true;
  return depth > 0 && Object.values(value).every((each) => isWithin(each, depth - 1));
}
