import type { GuestTokens, VerifyToken } from "../auth/identity.ts";
import type { Revocations } from "../auth/revocations.ts";
import type { Observer } from "../observe/observer.ts";
import type { Tracing } from "../observe/tracing.ts";
import type { Clock, Limits, RoomAddress } from "../protocol/index.ts";
import type { Rooms } from "../room/rooms.ts";
import type { Namespace, Right, User } from "./namespace.ts";

/** Says whether a user has a right in a room. Never rejects; what fails is a no. */
export type Can = (user: User, address: RoomAddress, right: Right) => boolean | Promise<boolean>;

/** What sessions stand on. Made once per server. */
export interface Services {
  /** The server's name and version, for `welcome`. */
  readonly serverName: string;
  readonly rooms: Rooms;
  readonly namespaces: ReadonlyMap<string, Namespace>;
  readonly can: Can;
  /** Null when the server takes no tokens. */
  readonly verifyToken: VerifyToken | null;
  /** How clients without a token are let in; null when they are not. */
  readonly guests: GuestTokens | null;
  /** Who was revoked, and who is banned from where. */
  readonly revocations: Revocations;
  /** The room of messages that name none, which every connection joins by itself; null for none. */
  readonly defaultRoom: RoomAddress | null;
  /** How long a connection may be silent before it is asked for a sign of life, ms. */
  readonly heartbeatMs: number;
  readonly limits: Limits;
  readonly clock: Clock;
  readonly observer: Observer;
  /** Null where nothing is traced. */
  readonly tracing: Tracing | null;
}
