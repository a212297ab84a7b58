import type { Room } from "../room/room.ts";
import type { Subscription } from "../room/subscription.ts";

/** One connection in one room: its reader, and the state it set. */
export class Membership {
  readonly room: Room;
  readonly subscription: Subscription;
  readonly userId: string;
  /** The keys of state this connection set, as `family\nkey`. */
  readonly owned: Set<string>;

  /** @param owned what it set already, while it joined. */
  constructor(room: Room, subscription: Subscription, user: { id: string; name: string }, owned: Set<string>) {
    this.owned = owned;
    this.room = room;
    this.subscription = subscription;
    this.userId = user.id;
    room.members.join(user);
    // Made after joining, so that the reader is not told of itself.
    subscription.rev = room.state.rev;
    room.mark();
  }

  /** Stops reading, removes what the connection set, and ends the user's presence if it was the last connection. */
  end(reason: "left" | "dropped"): void {
    this.subscription.close();
    removeOwned(this.room, this.owned);
    this.room.members.leave(this.userId, reason);
    this.room.mark();
  }
}

/** Removes the state a connection set in a room. */
export function removeOwned(room: Room, owned: Set<string>): void {
  for (const entry of owned) {
    const at = entry.indexOf("\n");
    room.removeState(entry.slice(0, at), entry.slice(at + 1));
  }
  owned.clear();
}
