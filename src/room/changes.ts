import { isoTime } from "../codec/json.ts";
import type { Observer } from "../observe/observer.ts";
import type { Clock, Envelope, Json } from "../protocol/index.ts";
import type { StateVoice } from "./delivery.ts";
import type { RoomKind } from "./kind.ts";
import { MEMBERS, type Members } from "./members.ts";
import type { Change, RoomState } from "./state.ts";

/** How the changes of a room's state look on the wire. */
export class ChangeVoice implements StateVoice {
  readonly #roomId: string;
  readonly #kind: RoomKind;
  readonly #state: RoomState;
  readonly #members: Members;
  readonly #clock: Clock;
  readonly #observer: Observer;

  constructor(parts: {
    roomId: string;
    kind: RoomKind;
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
    if (changes === null)
      return [this.#stamp("room_state", { roomId: this.#roomId, state: this.snapshot() }), this.users()];
    const envelopes: Envelope[] = [];
    for (const change of changes) {
      try {
        envelopes.push(this.#tell(change));
      } catch (error) {
        // A namespace's own code; what it cannot tell is left out, and nobody else pays for it.
        this.#observer.failure(`telling a change of "${change.family}"`, error);
      }
    }
    return envelopes;
  }

  /** `joined_room.state`. */
  snapshot(): { [family: string]: { [key: string]: Json } } {
    return this.#state.snapshot(Object.keys(this.#kind.state));
  }

  /** `room_users` (MEM-1). */
  users(): Envelope {
    return this.#stamp("room_users", { roomId: this.#roomId, ...this.#members.list() });
  }

  #tell({ family, key, value, last }: Change): Envelope {
    if (family !== MEMBERS) {
      const { event, change } = this.#kind.state[family]!;
      return this.#stamp(event, change(key, value, last));
    }
    const { userId, userName, reason } = (value ?? last) as { userId: string; userName: string; reason?: string };
    if (value !== null) return this.#stamp("user_joined", { userId, userName });
    return this.#stamp("user_left", { userId, userName, reason: reason ?? "dropped" });
  }

  #stamp(type: string, payload: Json): Envelope {
    return { type, payload, timestamp: isoTime(this.#clock.now()), roomId: this.#roomId };
  }
}
