import { deadline } from "../protocol/deadline.ts";
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
      open: namespace.open && (async (room) => new FeatureCompanion(await openFeature(namespace, room))),
    };
    kinds.set(namespace, kind);
  }
  return kind;
}

/** How long a namespace may take to make what it keeps of a room, ms. */
const OPEN_MS = 10_000;

/** Whoever wants the room waits for it, so it may not take for ever; one that comes too late is let go of. */
async function openFeature(namespace: Namespace, room: Room): Promise<RoomFeature> {
  const making = namespace.open!(new OpenedRoom(room));
  if (!(making instanceof Promise)) return making;
  let isLate = false;
  making.then(
    (feature) => isLate && feature.close?.(),
    () => {},
  );
  try {
    return await deadline(making, OPEN_MS, room.clock, "The room takes too long to open.");
  } catch (error) {
    isLate = true;
    throw error;
  }
}

/** What the namespace keeps of a room; null where it keeps nothing. */
export function featureOf({ companion }: Room): RoomFeature | null {
  return companion instanceof FeatureCompanion ? companion.feature : null;
}
