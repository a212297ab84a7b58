import type { RoomKind } from "../room/kind.ts";
import type { Namespace } from "./namespace.ts";

const kinds = new WeakMap<Namespace, RoomKind>();

/** What a room must know of its namespace. */
export function kindOf(namespace: Namespace): RoomKind {
  let kind = kinds.get(namespace);
  if (kind === undefined) {
    kind = { state: namespace.state, retention: namespace.retention ?? {}, gatherMs: namespace.batchMs };
    kinds.set(namespace, kind);
  }
  return kind;
}
