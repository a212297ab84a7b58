import type { Room, RoomKind } from "../room/room.ts";
import { FeatureCompanion } from "./companion.ts";
import type { Namespace, RoomFeature } from "./namespace.ts";
import { OpenedRoom } from "./open-room.ts";

const kinds = new WeakMap<Namespace, RoomKind>();

/** What a room must know of its namespace. */
export function kindOf(namespace: Namespace): RoomKind {
  let kind = kinds.get(namespace);
  if (kind === undefined) {
    kind = {
      state: namespace.state,
      retention: namespace.retention ?? {},
      gatherMs: namespace.batchMs,
      open: namespace.open && (async (room) => new FeatureCompanion(await namespace.open!(new OpenedRoom(room)))),
    };
    kinds.set(namespace, kind);
  }
  return kind;
}

/** What the namespace keeps of a room; null where it keeps nothing. */
export function featureOf({ companion }: Room): RoomFeature | null {
  return companion instanceof FeatureCompanion ? companion.feature : null;
}
