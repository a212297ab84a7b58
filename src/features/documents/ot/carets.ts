import type { ChangeSet } from "@codemirror/state";
import type { Json, JsonObject, Timer } from "../../../protocol/index.ts";
import type { OpenRoom, StateChange, StateDefinition, StateView } from "../../../session/namespace.ts";
import { type Caret, colourOf, movePosition, placeIn } from "./caret.ts";
import { type DocumentState, MAX_LAG } from "./document-state.ts";

/** The state family of carets; a key is `<userId>` or `<userId>/<caretId>`, with `%` and `/` of the userId as in URLs. */
export const CARET_FAMILY = "caret";
/** A caret that its user does not move or renew is gone after so long, ms. */
const LEASE_MS = 30_000;
/** The time between two positions of one caret that others are told, ms: 20 a second. */
const PACE_MS = 50;
/** How many carets one user has at most: windows, on all devices. */
const CARETS_PER_USER = 20;
/** Carets are moved along with the text when it is so many versions further. */
const MOVE_VERSIONS = MAX_LAG / 2;

/** Where somebody says the caret is. */
export interface CaretPlace {
  readonly anchor: number;
  readonly head: number;
  /** The version the positions are of. Default: the newest. */
  readonly version?: number | undefined;
}

/** How changes of carets are told: `remote_cursor`, with `position` null for a caret that is gone. */
export const caretState: StateDefinition = {
  event: "remote_cursor",
  leaseMs: LEASE_MS,
  change(key, value, last): JsonObject {
    const { userId, userName, colour, anchor, head, version } = (value ?? last) as Caret;
    const who = { caretId: key, userId, userName, colour };
    return value === null ? { ...who, position: null } : { ...who, position: head, anchor, head, version };
  },
};

/** Who writes where in one document: paced, bounded, and moved along with the text. */
export class Carets {
  readonly #room: OpenRoom;
  readonly #state: () => DocumentState;
  /** As they were set, or where they have moved since. */
  readonly #carets = new Map<string, Caret>();
  /** When each caret was last told, and what is to be told next. */
  readonly #paces = new Map<string, { toldAt: number; next: (() => void) | null; timer: Timer | null }>();
  #movedAt: number;

  /** @param state the document as this node knows it. */
  constructor(room: OpenRoom, state: () => DocumentState) {
    this.#room = room;
    this.#state = state;
    this.#movedAt = state().version;
  }

  /** Sets a user's caret, at most 20 times a second; of what comes faster the newest counts. */
  set(user: { id: string; name: string }, caretId: string | undefined, place: CaretPlace, family: StateView): void {
    const key = keyOf(user.id, caretId);
    if (!this.#carets.has(key)) this.#makeRoom(user.id);
    this.#pace(key, () => {
      const { id: userId, name: userName } = user;
      void family.set(key, { ...this.#locate(place), userId, userName, colour: colourOf(userId) });
    });
  }

  /** Removes a user's caret. */
  remove(userId: string, caretId: string | undefined, family: StateView): void {
    const key = keyOf(userId, caretId);
    this.#forgetPace(key);
    family.remove(key);
  }

  /** A caret was set or removed, here or on another node. */
  changed({ key, value }: StateChange): void {
    if (value !== null) this.#carets.set(key, value as Caret);
    else {
      this.#carets.delete(key);
      this.#forgetPace(key);
    }
  }

  /** The text changed. */
  advanced(): void {
    if (this.#state().version - this.#movedAt >= MOVE_VERSIONS) this.#move();
  }

  /** The carets as they stand in the document now, by key. */
  places(): JsonObject {
    this.#move();
    return Object.fromEntries(this.#carets) as JsonObject;
  }

  close(): void {
    for (const { timer } of this.#paces.values()) timer?.cancel();
    this.#paces.clear();
  }

  #move(): void {
    this.#movedAt = this.#state().version;
    for (const [key, caret] of this.#carets) {
      const moved = this.#locate(caret);
      if (caret.version <= moved.version) this.#carets.set(key, { ...caret, ...moved });
    }
  }

  /** A place as it is in the newest version. What it was too long ago to tell stays at its distance from the beginning. */
  #locate({ anchor, head, version }: CaretPlace): { anchor: number; head: number; version: number } {
    const state = this.#state();
    const over: readonly ChangeSet[] =
      version === undefined || version >= state.version ? [] : (state.since(version) ?? []);
    const at = (position: number): number => placeIn(state.text, movePosition(position, over));
    return { anchor: at(anchor), head: at(head), version: state.version };
  }

  #makeRoom(userId: string): void {
    const user = userPart(userId);
    const own = Array.from(this.#carets.keys()).filter((key) => key === user || key.startsWith(`${user}/`));
    const family = this.#room.state(CARET_FAMILY);
    for (const key of own.slice(0, Math.max(0, own.length - CARETS_PER_USER + 1))) family.remove(key);
  }

  #pace(key: string, tell: () => void): void {
    const now = this.#room.clock.monotonic();
    let pace = this.#paces.get(key);
    if (pace === undefined) {
      pace = { toldAt: Number.NEGATIVE_INFINITY, next: null, timer: null };
      this.#paces.set(key, pace);
    }
    const { timer } = pace;
    if (timer === null && now - pace.toldAt >= PACE_MS) {
      pace.toldAt = now;
      tell();
      return;
    }
    pace.next = tell;
    pace.timer ??= this.#room.clock.setTimer(() => this.#tellNext(key), PACE_MS - (now - pace.toldAt));
  }

  #tellNext(key: string): void {
    const pace = this.#paces.get(key);
    if (pace === undefined) return;
    const { next } = pace;
    pace.timer = null;
    pace.next = null;
    pace.toldAt = this.#room.clock.monotonic();
    try {
      next?.();
    } catch (error) {
      this.#room.failure("telling a caret", error);
    }
  }

  #forgetPace(key: string): void {
    this.#paces.get(key)?.timer?.cancel();
    this.#paces.delete(key);
  }
}

function keyOf(userId: string, caretId: string | undefined): string {
  const user = userPart(userId);
  return caretId === undefined ? user : `${user}/${caretId}`;
}

/** A user's part of a key. No two users have the same keys, whatever they are called. */
function userPart(userId: string): string {
  return userId.replace(/[%/]/g, encodeURIComponent);
}

/** Whether a state's value is a caret, for whoever reads `joined_room.state`. */
export function isCaret(value: Json): value is Caret {
  return typeof value === "object" && value !== null && "anchor" in value && "head" in value && "version" in value;
}
