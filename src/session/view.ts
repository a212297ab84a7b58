import { eventEnvelope } from "../codec/json.ts";
import type { LogEvent } from "../log/log.ts";
import { type Envelope, type Json, YamabikoError } from "../protocol/index.ts";
import type { Room } from "../room/room.ts";
import type { Member, RoomView, StateView, StoredEvent } from "./namespace.ts";

/** A room as features see it. */
export function viewRoom(room: Room): RoomView {
  return {
    roomId: room.roomId,
    get epoch() {
      return room.epoch;
    },
    get head() {
      return room.head;
    },
    read: async (after, limit) => (await room.read(after, limit)).map(viewEvent),
    readBack: async (before, limit) => (await room.readBack(before, limit)).map(viewEvent),
    amendments: async (seq, type, limit) => (await room.amendments(seq, type, limit)).map(viewEvent),
    value: (family, key): Json => room.state.get(family, key),
    members: (): { count: number; users: readonly Member[] } => room.members.list(),
  };
}

function viewEvent(event: LogEvent): StoredEvent {
  const { seq, type, sender, timestamp, data } = event;
  return { seq, type, sender, timestamp, data, toEnvelope: (): Envelope => eventEnvelope(event) };
}

/**
 * A state family as one connection sets it.
 * @param owned remembers what this connection set, to be removed when it leaves.
 */
export function viewState(room: Room, family: string, owned: Set<string> | null): StateView {
  return {
    set(key, value) {
      // Keys stand in `joined_room.state`, and there no reader of MessagePack would take this one (ENV-5).
      if (key === "__proto__") throw new YamabikoError("invalid_message", "A key cannot be `__proto__`.");
      const done = room.setState(family, key, value);
      if (room.kind.state[family]?.kept === true) return done;
      if (done === false) throw new YamabikoError("unavailable", "The room holds as much state as it may.");
      owned?.add(ownedKey(family, key));
      return done;
    },
    remove(key) {
      owned?.delete(ownedKey(family, key));
      return room.removeState(family, key);
    },
  };
}

/** How a membership remembers a key it set. */
export function ownedKey(family: string, key: string): string {
  return `${family}\n${key}`;
}
