import { eventEnvelope } from "../codec/json.ts";
import type { LogEvent } from "../log/log.ts";
import { type Envelope, type Json, YamabikoError } from "../protocol/index.ts";
import type { Room } from "../room/room.ts";
import type { FoundEvent, Member, RoomSnapshot, RoomView, StateView, StoredEvent } from "./namespace.ts";
import { OwnedState } from "./owned-state.ts";

/** A room as features see it. */
export function viewRoom(room: Room): RoomView {
  return new ViewedRoom(room);
}

/** The view of a room that every other view of it begins with. */
export class ViewedRoom implements RoomView {
  readonly roomId: string;
  protected readonly room: Room;

  constructor(room: Room) {
    this.room = room;
    this.roomId = room.roomId;
  }

  get epoch(): string {
    return this.room.epoch;
  }

  get head(): number {
    return this.room.head;
  }

  async read(after: number, limit: number): Promise<readonly StoredEvent[]> {
    return (await this.room.read(after, limit)).map(viewEvent);
  }

  async readBack(before: number, limit: number): Promise<readonly StoredEvent[]> {
    return (await this.room.readBack(before, limit)).map(viewEvent);
  }

  async amendments(seq: number, type: string, limit: number): Promise<readonly StoredEvent[]> {
    return (await this.room.amendments(seq, type, limit)).map(viewEvent);
  }

  find(sender: string | null, messageId: string): Promise<FoundEvent | null> {
    return this.room.find(sender, messageId);
  }

  snapshot(): Promise<RoomSnapshot | null> {
    return this.room.snapshot();
  }

  putSnapshot(seq: number, data: string, fence?: number): Promise<void> {
    return this.room.putSnapshot(seq, data, fence);
  }

  value(family: string, key: string): Json {
    return this.room.state.get(family, key);
  }

  isMember(userId: string): boolean {
    return this.room.members.has(userId);
  }

  members(): { count: number; users: readonly Member[] } {
    return this.room.members.list();
  }
}

/** An event as features read it. */
export function viewEvent(event: LogEvent): StoredEvent {
  const { seq, type, sender, timestamp, data } = event;
  return { seq, type, sender, timestamp, data, toEnvelope: (): Envelope => eventEnvelope(event) };
}

/**
 * A state family as one connection sets it.
 * @param owned what the connection set, to be removed when it leaves; null for state that nobody's leaving removes.
 * @param leaseMs how long a value stays where the family does not say, ms. Default: for ever.
 */
export function viewState(room: Room, family: string, owned: OwnedState | null, leaseMs?: number): StateView {
  return {
    set(key, value) {
      // Keys stand in `joined_room.state`, and there no reader of MessagePack would take this one (ENV-5).
      if (key === "__proto__") throw new YamabikoError("invalid_message", "A key cannot be `__proto__`.");
      if (room.kind.state[family]?.kept === true) return room.setState(family, key, value);
      // Set by work that outlived its connection, it would stay for ever.
      if (owned?.isEnded === true) return false;
      const done = room.setState(family, key, value, leaseMs);
      if (done === false) throw new YamabikoError("unavailable", "The room holds as much state as it may.");
      OwnedState.note(room, family, key, owned);
      return done;
    },
    remove(key) {
      OwnedState.note(room, family, key, null);
      return room.removeState(family, key);
    },
  };
}
