import type { Room } from "../room/room.ts";
import type { Subscription } from "../room/subscription.ts";

/** One connection in one room: its reader, and the state it set. */
export class Membership {
  readonly room: Room;
  readonly subscription: Subscription;
  readonly userId: string;
  /** The keys of state this connection set, as `family\nkey`. */
  readonly owned = new Set<string>();

  constructor(room: Room, subscription: Subscription, user: { id: string; name: string }) {
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
    for (const entry of this.owned) {
      const [family, key] = entry.split("\n") as [string, string];
      this.room.removeState(family, key);
    }
    this.owned.clear();
    this.room.members.leave(this.userId, reason);
    this.room.mark();
  }
}
