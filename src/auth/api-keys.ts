import { createHash, timingSafeEqual } from "node:crypto";
import { YamabikoError } from "../protocol/index.ts";
import { type RoomRights, readRoomRights } from "./access.ts";

/**
 * What a back end may do with a key: `publish` events and metrics; `read` history and members; `notify` users; have `tokens` signed;
 * `moderate`: revoke, kick, ban, and see the connections; `admin`: all of it, and what operators do.
 */
export const SCOPES = ["publish", "read", "notify", "tokens", "moderate", "admin"] as const;

/** One of `SCOPES`. */
export type Scope = (typeof SCOPES)[number];

/** A key that a back end shows, and what it may do with it. */
export interface ApiKey {
  /** Visible ASCII characters. */
  readonly key: string;
  /** At least one. */
  readonly scopes: readonly Scope[];
  /** Room patterns (AUTH-8) it is limited to. Default: all rooms, and what is about none. */
  readonly rooms?: readonly string[] | undefined;
}

/** A back end, as its key describes it. */
export interface BackEnd {
  /** @throws {YamabikoError} `access_denied`, naming the scope, for a key that does not have it. */
  checkScope(scope: Scope): void;
  /** @throws {YamabikoError} `access_denied` for a key that is limited to other rooms. */
  checkRoom(roomId: string): void;
  /** For what is about no room. @throws {YamabikoError} `access_denied` for a key that is limited to rooms. */
  checkUnlimited(): void;
}

/** The keys of a server. */
export interface ApiKeys {
  /** How many there are. */
  readonly count: number;
  /** Whose key it is; null for one that is none. Takes the same time for every key. */
  find(key: string): BackEnd | null;
}

/** A back end that may do everything. */
export const UNLIMITED: BackEnd = { checkScope() {}, checkRoom() {}, checkUnlimited() {} };

/**
 * Makes the check of API keys. A key given as text alone may do everything.
 * @throws {TypeError} for a key that no request can show, above all an empty one, which every request would show; for one given twice; for scopes
 * and rooms that are none.
 */
export function createApiKeys(keys: readonly (string | ApiKey)[]): ApiKeys {
  const entries = keys.map((given) => {
    const { key, backEnd } = typeof given === "string" ? { key: given, backEnd: UNLIMITED } : readKey(given);
    if (typeof key !== "string" || !/^[!-~]+$/.test(key)) {
      throw new TypeError("An API key must be of visible ASCII characters, and not empty (option `apiKeys`).");
    }
    return { digest: digestOf(key), backEnd };
  });
  if (new Set(entries.map(({ digest }) => digest.toString("hex"))).size < entries.length) {
    throw new TypeError("An API key is given twice (option `apiKeys`). Give it once, with all its scopes.");
  }
  return {
    count: entries.length,
    find(key) {
      const given = digestOf(key);
      // Every key is compared, so that the time says nothing about which.
      const [found] = entries.filter(({ digest }) => timingSafeEqual(digest, given));
      return found?.backEnd ?? null;
    },
  };
}

function readKey({ key, scopes, rooms }: ApiKey): { key: string; backEnd: BackEnd } {
  const isScope = (scope: unknown): boolean => (SCOPES as readonly unknown[]).includes(scope);
  if (!Array.isArray(scopes) || scopes.length === 0 || !scopes.every(isScope)) {
    throw new TypeError(`The scopes of an API key are one or more of ${SCOPES.join(", ")} (option \`apiKeys\`).`);
  }
  const limits = rooms === undefined ? null : readRooms(rooms);
  return { key, backEnd: limitedTo(new Set<Scope>(scopes), limits) };
}

function readRooms(rooms: unknown): RoomRights {
  const patterns = Array.isArray(rooms) ? rooms.map((pattern) => [String(pattern), ["use"]] as const) : null;
  const rights = patterns === null ? null : readRoomRights(Object.fromEntries(patterns));
  if (rights !== null) return rights;
  throw new TypeError('The rooms of an API key are patterns such as "feed:*" or "chat:lobby" (option `apiKeys`).');
}

function limitedTo(scopes: ReadonlySet<Scope>, rooms: RoomRights | null): BackEnd {
  return {
    checkScope(scope) {
      if (scopes.has(scope) || scopes.has("admin")) return;
      throw new YamabikoError("access_denied", `This API key does not have the scope \`${scope}\`.`, {
        remedy: `Use a key with the scope \`${scope}\`, or add it to this one (option \`apiKeys\`, YAMABIKO_API_KEYS).`,
      });
    },
    checkRoom(roomId) {
      if (rooms === null || rooms.allows(roomId, "use")) return;
      throw new YamabikoError("access_denied", "This API key is limited to other rooms.");
    },
    checkUnlimited() {
      if (rooms === null) return;
      throw new YamabikoError("access_denied", "This API key is limited to rooms, and this is about none.");
    },
  };
}

function digestOf(key: string): Buffer {
  return createHash("sha256").update(key).digest();
}
