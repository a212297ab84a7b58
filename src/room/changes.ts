import { isoTime, JsonPayload } from "../codec/json.ts";
import type { Observer } from "../observe/observer.ts";
import type { Clock, Envelope, Json } from "../protocol/index.ts";
import type { StateVoice } from "./delivery.ts";
import type { Members } from "./members.ts";
import { type Change, MEMBERS, type RoomState } from "./state.ts";
import type { KeyChange, StateFamily } from "./state-family.ts";

/** How the changes of a room's state look on the wire. */
export class ChangeVoice implements StateVoice {
  readonly #roomId: string;
  readonly #kind: { readonly state: Readonly<Record<string, StateFamily>> };
  readonly #state: RoomState;
  readonly #members: Members;
  readonly #clock: Clock;
  readonly #observer: Observer;
  /** Whether readers learn the whole state in the namespace's own way, and never by `room_state` from here. */
  speaksForState = false;

  constructor(parts: {
    roomId: string;
    kind: { readonly state: Readonly<Record<string, StateFamily>> };
    state: RoomState;
    members: Members;
    clock: Clock;
    observer: Observer;
  }) {
    this.#roomId = parts.roomId;
    this.#kind = parts.kind;
    this.#state = parts.state;
    this.#members = parts.members;
    this.#clock = parts.clock;
    this.#observer = parts.observer;
  }

  get rev(): number {
    return this.#state.rev;
  }

  /** The newest change of every key, or, for a reader too far behind, the whole (STA-1, STA-3). */
  changesSince(rev: number): Envelope[] {
    const changes = this.#state.changesSince(rev);
    if (changes === null) return this.#whole();
    const envelopes: Envelope[] = [];
    let joined: Map<string, Change[]> | null = null;
    for (const change of changes) {
      if (this.#kind.state[change.family]?.changes === undefined) {
        this.#attempt(change.family, envelopes, () => this.#tell(change));
        continue;
      }
      joined ??= new Map();
      const ofFamily = joined.get(change.family);
      if (ofFamily === undefined) joined.set(change.family, [change]);
      else ofFamily.push(change);
    }
    if (joined !== null) for (const [family, ofFamily] of joined) this.#tellJoined(family, ofFamily, envelopes);
    return envelopes;
  }

  /** For a reader that is too far behind: families that speak for many keys at once do so for all, the others are named whole. */
  #whole(): Envelope[] {
    const envelopes: Envelope[] = [];
    const families = Object.keys(this.#kind.state);
    const isOwn = (family: string): boolean => this.#kind.state[family]!.changes !== undefined;
    if (!this.speaksForState && (families.length === 0 || !families.every(isOwn)))
      envelopes.push(this.#stamp("room_state", { roomId: this.#roomId, state: this.snapshot() }));
    for (const family of families) {
      if (isOwn(family)) this.#tellJoined(family, this.#state.all(family), envelopes);
    }
    envelopes.push(this.users());
    return envelopes;
  }

  #tellJoined(family: string, changes: readonly KeyChange[], envelopes: Envelope[]): void {
    const { event, changes: tell } = this.#kind.state[family]!;
    this.#attempt(family, envelopes, () => {
      const payload = tell!(changes);
      return payload === null ? null : this.#stamp(event, payload);
    });
  }

  /** A namespace's own code: what it cannot tell is left out, and nobody else pays for it. */
  #attempt(family: string, envelopes: Envelope[], tell: () => Envelope | null): void {
    try {
      const envelope = tell();
      if (envelope !== null) envelopes.push(envelope);
    } catch (error) {
      this.#observer.failure(`telling a change of "${family}"`, error);
    }
  }

  /** `joined_room.state`. */
  snapshot(): { [family: string]: { [key: string]: Json } } {
    return this.#state.snapshot(Object.keys(this.#kind.state));
  }

  /** `room_users` (MEM-1). */
  users(): Envelope {
    return this.#stamp("room_users", this.usersPayload());
  }

  /** The payload of `room_users`. */
  usersPayload(): JsonPayload {
    const { count } = this.#members;
    const users = this.#members.usersText();
    return new JsonPayload(`{"roomId":${JSON.stringify(this.#roomId)},"count":${count},"users":${users}}`);
  }

  #tell({ family, key, value, last, fresh }: Change): Envelope | null {
    if (family !== MEMBERS) {
      const { event, change } = this.#kind.state[family]!;
      return this.#stamp(event, change(key, value, last));
    }
    const { userId, userName, reason } = (value ?? last) as { userId: string; userName: string; reason?: string };
    // Who went and came back since is still there, to whoever is told now.
    if (value !== null) return fresh ? this.#stamp("user_joined", { userId, userName }) : null;
    return this.#stamp("user_left", { userId, userName, reason: reason ?? "dropped" });
  }

  #stamp(type: string, payload: Json | JsonPayload): Envelope {
    return { type, payload, timestamp: isoTime(this.#clock.now()), roomId: this.#roomId };
  }
}
