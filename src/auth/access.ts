import { type Clock, parseRoomId, type RoomAddress, systemClock } from "../protocol/index.ts";
import { isOperator, mayOperate } from "./operator.ts";

/** What a user may do in a room. */
export type AccessRight = "read" | "write" | "admin";

/** A user, as far as access goes. */
export interface AccessUser {
  readonly id: string;
  readonly name: string;
  readonly guest: boolean;
  readonly claims: Readonly<Record<string, unknown>>;
}

/** What a rule is asked. */
export interface AccessQuestion {
  readonly user: AccessUser;
  readonly roomId: string;
  /** The part of the `roomId` after the colon. */
  readonly name: string;
  readonly right: AccessRight;
}

/** Says whether a user has a right in a room. Only `true` counts as yes; an error or silence of 5 s counts as no. */
export type AccessDecision = (question: AccessQuestion) => boolean | Promise<boolean>;

export interface AccessOptions {
  /** The namespaces there are, each with its own rule or none. */
  readonly namespaces: Iterable<{ readonly name: string; readonly access?: AccessDecision | undefined }>;
  /** The rule of the configuration, asked for rooms of every namespace. */
  readonly rule?: AccessDecision | undefined;
  /** Whether a user is banned from a room. Default: nobody is. */
  readonly isBanned?: ((roomId: string, userId: string) => boolean) | undefined;
  readonly clock?: Clock;
  /** Told when a rule failed or hung, so that it can be logged. */
  onFailure?(error: unknown): void;
}

/** Whether a user has a right in a room. Synchronous when the rules are. Never throws, never rejects. */
export type Access = (user: AccessUser, address: RoomAddress, right: AccessRight) => boolean | Promise<boolean>;

/** How long a rule may take, ms. */
const RULE_TIMEOUT_MS = 5_000;

/** The namespace in which every room belongs to the user it is named after. */
const INBOX_NAMESPACE = "user";

/**
 * Makes the decision of who may do what. An operator has the rights `mayOperate` says and no others. For everybody else all of these
 * must say yes:
 *
 * 1. In `user:<id>` nobody but that user has any right, whatever rules and claims say.
 * 2. Who is banned from a room has no right there.
 * 3. The token's claim `rooms` (AUTH-8), if there is one. A claim that is malformed in any part gives no right at all.
 * 4. The namespace's own rule, if it has one.
 * 5. The rule of the configuration, if there is one.
 *
 * `read` and `write` are given where nothing says no. `admin` is given only where something says yes: the claim, or a rule.
 */
export function createAccess(options: AccessOptions): Access {
  const { rule, isBanned, clock = systemClock } = options;
  const namespaces = new Map<string, AccessDecision | undefined>();
  for (const namespace of options.namespaces) namespaces.set(namespace.name, namespace.access);

  const ask = (decide: AccessDecision, question: AccessQuestion): boolean | Promise<boolean> => {
    try {
      const answer: unknown = decide(question);
      return isThenable(answer) ? settle(answer) : answer === true;
    } catch (error) {
      options.onFailure?.(error);
      return false;
    }
  };
  const settle = (answer: PromiseLike<unknown>): Promise<boolean> =>
    new Promise((resolve) => {
      const timer = clock.setTimer(() => {
        options.onFailure?.(new Error(`An access rule has not answered for ${RULE_TIMEOUT_MS} ms.`));
        resolve(false);
      }, RULE_TIMEOUT_MS);
      answer.then(
        (value) => {
          timer.cancel();
          resolve(value === true);
        },
        (error: unknown) => {
          timer.cancel();
          options.onFailure?.(error);
          resolve(false);
        },
      );
    });

  return (user, address, right) => {
    if (!namespaces.has(address.namespace)) return false;
    if (isOperator(user)) return mayOperate(address.namespace, right);
    if (address.namespace === INBOX_NAMESPACE && address.name !== user.id) return false;
    if (isBanned?.(address.roomId, user.id) === true) return false;
    const claim = claimOf(user);
    if (claim !== null && !claim.allows(address.roomId, right)) return false;
    const own = namespaces.get(address.namespace);
    if (own === undefined && rule === undefined) return right !== "admin" || claim !== null;
    const question: AccessQuestion = { user, roomId: address.roomId, name: address.name, right };
    const first = own === undefined || ask(own, question);
    if (rule === undefined || first === false) return first;
    if (first === true) return ask(rule, question);
    return first.then((yes) => yes && ask(rule, question));
  };
}

/** What room patterns and rights amount to (AUTH-8). */
export interface RoomRights {
  allows(roomId: string, right: string): boolean;
}

const nothing: RoomRights = { allows: () => false };

/** Claims are read once per identity; the object is the one the token was decoded to. */
const read = new WeakMap<object, RoomRights | null>();

/** The claim `rooms` of a user; null when there is none. */
function claimOf(user: AccessUser): RoomRights | null {
  const known = read.get(user.claims);
  if (known !== undefined) return known;
  const claim = Object.hasOwn(user.claims, "rooms") ? (readRoomRights(user.claims.rooms) ?? nothing) : null;
  read.set(user.claims, claim);
  return claim;
}

/** Reads an object from room patterns to rights (AUTH-8); null when it is malformed in any part. */
export function readRoomRights(value: unknown): RoomRights | null {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return null;
  const rooms = new Map<string, Set<string>>();
  const prefixes: { prefix: string; rights: Set<string> }[] = [];
  for (const [pattern, rights] of Object.entries(value)) {
    if (!Array.isArray(rights) || !rights.every((right) => typeof right === "string")) return null;
    if (pattern.endsWith("*")) {
      const prefix = pattern.slice(0, -1);
      // A prefix without a colon could be meant as rooms of `chat` or as namespaces; neither is guessed.
      if (prefix.includes("*") || (prefix !== "" && !prefix.includes(":"))) return null;
      prefixes.push({ prefix, rights: new Set(rights) });
    } else {
      const roomId = canonical(pattern);
      if (roomId === null) return null;
      rooms.set(roomId, new Set([...(rooms.get(roomId) ?? []), ...rights]));
    }
  }
  return {
    allows: (roomId, right) =>
      rooms.get(roomId)?.has(right) === true ||
      prefixes.some(({ prefix, rights }) => rights.has(right) && roomId.startsWith(prefix)),
  };
}

function canonical(roomId: string): string | null {
  try {
    return parseRoomId(roomId).roomId;
  } catch {
    return null;
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && typeof (value as { then?: unknown }).then === "function";
}
