import type { Lease } from "../log.ts";
import type { Database, Statement } from "./driver.ts";
import type { StoredRoom } from "./rooms.ts";

interface LeaseRow {
  fence: number;
  holder: string | null;
  ttl: number;
  expires_at: number;
}

/** The leases of a file. They must be written inside a transaction. */
export class StoredLeases {
  readonly #select: Statement;
  readonly #put: Statement;
  readonly #release: Statement;

  constructor(database: Database) {
    this.#select = database.prepare("SELECT fence, holder, ttl, expires_at FROM leases WHERE room = ?");
    this.#put = database.prepare(
      "INSERT OR REPLACE INTO leases (room, fence, holder, ttl, expires_at) VALUES (?, ?, ?, ?, ?)",
    );
    this.#release = database.prepare("UPDATE leases SET holder = NULL WHERE room = ? AND holder = ? AND fence = ?");
  }

  /** Takes or keeps a room's lease, as `Log.lease`. `now` is the wall clock, because it must mean something after a restart. */
  lease(room: StoredRoom, owner: string, ttlMs: number, now: number): Lease {
    const row = this.#row(room);
    const isHeld = row?.holder != null && row.expires_at > now;
    if (row !== undefined && isHeld && row.holder !== owner) return this.#others(room, row, now);
    const fence = isHeld ? row!.fence : (row?.fence ?? 0) + 1;
    this.#put.run(room.id, fence, owner, Math.ceil(ttlMs), now + Math.ceil(ttlMs));
    return { holder: owner, fence, expiresInMs: ttlMs };
  }

  /** Gives a lease back, as `Log.endLease`. */
  release(room: StoredRoom, owner: string, fence: number): void {
    this.#release.run(room.id, owner, fence);
  }

  /** The newest fence of a room; 0 when there was none. */
  newestFence(room: StoredRoom): number {
    return this.#row(room)?.fence ?? 0;
  }

  #others(room: StoredRoom, { fence, holder, ttl, expires_at }: LeaseRow, now: number): Lease {
    const expiresInMs = expires_at - now;
    if (expiresInMs <= ttl) return { holder: holder!, fence, expiresInMs };
    // The system's time went back: the lease must not last longer than it was taken for.
    this.#put.run(room.id, fence, holder, ttl, now + ttl);
    return { holder: holder!, fence, expiresInMs: ttl };
  }

  #row(room: StoredRoom): LeaseRow | undefined {
    return this.#select.get(room.id) as LeaseRow | undefined;
  }
}
