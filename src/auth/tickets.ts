import { createHash, randomBytes } from "node:crypto";
import { type Clock, systemClock, YamabikoError } from "../protocol/index.ts";
import type { Identity } from "./identity.ts";

export interface TicketOptions {
  /** Tickets not yet used or expired, of all users. More are refused with `unavailable`. */
  readonly limit: number;
  /** How long a ticket is good, ms. Default: 30,000. */
  readonly ttlMs?: number;
  /** Tickets not yet used or expired of one user. More are refused with `rate_limited`. Default: 20. */
  readonly maxPerUser?: number;
  readonly clock?: Clock;
  /** Names the node that issues, so that another finds it. Letters, digits, `-` and `_`. Default: none, for a node alone. */
  readonly nodeId?: string;
  /** Asks another node to redeem a ticket of its own; null when it does not know it, or is not there. Default: there is none. */
  readonly elsewhere?: (nodeId: string, ticket: string) => Promise<Identity | null>;
}

/** Single-use credentials for URLs, where a token must not stand (AUTH-1). Kept by the node that issued them, good at every node. */
export interface Tickets {
  /**
   * Gives a ticket for a checked identity.
   * @throws {YamabikoError} `unavailable` or `rate_limited` when there are too many.
   */
  issue(identity: Identity): { ticket: string; expiresInMs: number };
  /** Takes a ticket: the identity the first time, null ever after, and null for what never was a ticket. */
  redeem(ticket: unknown): Identity | null;
  /** The same for a ticket of any node. */
  redeemAnywhere(ticket: unknown): Promise<Identity | null>;
  /** Tickets not yet used or expired. */
  readonly count: number;
}

interface Issued {
  readonly identity: Identity;
  /** On the monotonic clock. */
  readonly goodUntil: number;
}

const FORM = /^(?:([A-Za-z0-9_-]{1,40})\.)?[A-Za-z0-9_-]{43}$/;

/** Makes the tickets of a node. Only hashes are kept, so nothing in memory can be used as a ticket. */
export function createTickets(options: TicketOptions): Tickets {
  const { limit, ttlMs = 30_000, maxPerUser = 20, clock = systemClock, nodeId, elsewhere } = options;
  const prefix = nodeId === undefined ? "" : `${nodeId}.`;
  // In order of issue, and as all live equally long, in order of expiry.
  const issued = new Map<string, Issued>();
  const perUser = new Map<string, number>();

  const remove = (hash: string, entry: Issued): void => {
    issued.delete(hash);
    const left = (perUser.get(entry.identity.id) ?? 1) - 1;
    if (left === 0) perUser.delete(entry.identity.id);
    else perUser.set(entry.identity.id, left);
  };
  const sweep = (): void => {
    const now = clock.monotonic();
    for (const [hash, entry] of issued) {
      if (entry.goodUntil > now) return;
      remove(hash, entry);
    }
  };

  const redeem = (ticket: unknown): Identity | null => {
    sweep();
    if (typeof ticket !== "string" || !FORM.test(ticket)) return null;
    const hash = hashOf(ticket);
    const entry = issued.get(hash);
    if (entry === undefined) return null;
    remove(hash, entry);
    return entry.identity.expiresAt > clock.now() ? entry.identity : null;
  };

  return {
    issue(identity) {
      sweep();
      if (issued.size >= limit) {
        throw new YamabikoError("unavailable", "There are too many unused tickets.", { retryAfterMs: ttlMs });
      }
      const mine = perUser.get(identity.id) ?? 0;
      if (mine >= maxPerUser) {
        throw new YamabikoError("rate_limited", "You have too many unused tickets.", { retryAfterMs: ttlMs });
      }
      const ticket = prefix + randomBytes(32).toString("base64url");
      issued.set(hashOf(ticket), { identity, goodUntil: clock.monotonic() + ttlMs });
      perUser.set(identity.id, mine + 1);
      return { ticket, expiresInMs: ttlMs };
    },
    redeem,
    async redeemAnywhere(ticket) {
      const issuer = typeof ticket === "string" ? FORM.exec(ticket)?.[1] : undefined;
      if (issuer === undefined || issuer === nodeId || elsewhere === undefined) return redeem(ticket);
      return elsewhere(issuer, ticket as string);
    },
    get count() {
      sweep();
      return issued.size;
    },
  };
}

function hashOf(ticket: string): string {
  return createHash("sha256").update(ticket).digest("base64url");
}
