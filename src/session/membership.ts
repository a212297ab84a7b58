import type { JsonObject } from "../protocol/index.ts";
import type { Room } from "../room/room.ts";
import type { Subscription } from "../room/subscription.ts";
import type { OwnedState } from "./owned-state.ts";

/** One connection in one room: its reader, and the state it set. */
export class Membership {
  readonly room: Room;
  readonly subscription: Subscription;
  readonly userId: string;
  /** What the reader asked for when it joined (`Namespace.joinOptions`). */
  readonly options: JsonObject;
  /** The state this connection set here. */
  readonly owned: OwnedState;

  readonly #isMember: boolean;

  /**
   * @param owned what it set already, while it joined.
   * @param options what it asked for.
   * @param isMember whether the user counts as one who is here.
   */
  constructor(
    room: Room,
    subscription: Subscription,
    user: { id: string; name: string },
    owned: OwnedState,
    options: JsonObject,
    isMember: boolean,
  ) {
    this.options = options;
    this.#isMember = isMember;
    this.owned = owned;
    this.room = room;
    this.subscription = subscription;
    this.userId = user.id;
    if (isMember) room.members.join(user);
    // Made after joining, so that the reader is not told of itself.
    subscription.rev = room.state.rev;
    room.markArrival();
  }

  /** Stops reading, removes what the connection set, and ends the user's presence if it was the last connection. */
  end(reason: "left" | "dropped"): void {
    this.subscription.close();
    this.room.ticks?.drop(this.subscription.sink);
    this.owned.end();
    if (this.#isMember) this.room.members.leave(this.userId, reason);
    this.room.mark();
  }
}
