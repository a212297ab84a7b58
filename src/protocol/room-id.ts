import { YamabikoError } from "./errors.ts";

/** The namespace of a `roomId` without a colon. */
export const DEFAULT_NAMESPACE = "chat";

/** The longest `roomId`, in UTF-8 bytes. */
export const MAX_ROOM_ID_BYTES = 255;

const NAMESPACE = /^[a-z][a-z0-9-]{0,31}$/;
const NAME = /^[\p{L}\p{M}\p{N}\-_.~@+=,!':/|]+$/u;
const encoder = new TextEncoder();

/** A `roomId` in its two parts. */
export interface RoomAddress {
  /** The full form `namespace:name`. */
  readonly roomId: string;
  readonly namespace: string;
  readonly name: string;
}

/**
 * Reads a `roomId` and gives it its full form (ENV-4). Nothing is folded or trimmed.
 * @throws {YamabikoError} `invalid_message` with the rule that was broken.
 */
export function parseRoomId(value: unknown): RoomAddress {
  if (typeof value !== "string" || value.length === 0) throw bad("must be a string that is not empty");
  const colon = value.indexOf(":");
  const namespace = colon === -1 ? DEFAULT_NAMESPACE : value.slice(0, colon);
  const name = colon === -1 ? value : value.slice(colon + 1);
  const roomId = colon === -1 ? `${namespace}:${name}` : value;
  if (!NAMESPACE.test(namespace)) throw bad("has a namespace that is not a-z, 0-9 and -, 1 to 32 characters");
  if (roomId.length > MAX_ROOM_ID_BYTES || encoder.encode(roomId).length > MAX_ROOM_ID_BYTES) {
    throw bad(`is longer than ${MAX_ROOM_ID_BYTES} bytes`);
  }
  if (!NAME.test(name)) throw bad("has a name with a character that is not allowed, or none");
  if (name !== name.normalize("NFC")) throw bad("is not in Unicode form NFC");
  for (const segment of name.split("/")) {
    if (segment === "." || segment === "..") throw bad("has `.` or `..` as a segment");
  }
  return { roomId, namespace, name };
}

function bad(rule: string): YamabikoError {
  return new YamabikoError("invalid_message", `\`roomId\` ${rule}.`, {
    remedy: "Use `namespace:name` with letters, digits and - _ . ~ @ + = , ! ' : / |",
  });
}
