import { YamabikoError } from "../../protocol/index.ts";
import type { Database } from "./driver.ts";

/** What `PRAGMA user_version` says of a file written by this code. */
export const SCHEMA_VERSION = 2;

/**
 * The steps from each version to the next; step 0 makes an empty file into version 1.
 *
 * - `events` is in the order of appending. `sender` has no affinity: the server itself is the number 0, which no user's
 *   name equals. `size` is the payload in bytes. An event that was trimmed but whose messageId must still be known has
 *   `data` null.
 * - `rooms` is written when a room is made and when it is trimmed, not when it is appended to: the head is the highest
 *   seq in `events`, or `head_floor` when that is higher. `bytes` counts the payload of the kept events up to
 *   `head_floor`, and `floor_at` is the newest timestamp up to there.
 * - `leases` has the newest lease of every room that ever had one; `holder` is null when it was given back.
 */
const STEPS: readonly string[] = [
  `
  CREATE TABLE rooms (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    epoch TEXT NOT NULL,
    first INTEGER NOT NULL DEFAULT 1,
    head_floor INTEGER NOT NULL DEFAULT 0,
    floor_at INTEGER NOT NULL DEFAULT 0,
    bytes INTEGER NOT NULL DEFAULT 0
  );
  CREATE TABLE events (
    id INTEGER PRIMARY KEY,
    room INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    at INTEGER NOT NULL,
    size INTEGER NOT NULL,
    amends INTEGER,
    type TEXT NOT NULL,
    sender NOT NULL,
    message_id TEXT,
    data TEXT
  );
  CREATE UNIQUE INDEX events_seq ON events (room, seq);
  CREATE UNIQUE INDEX events_message ON events (room, sender, message_id) WHERE message_id IS NOT NULL;
  CREATE INDEX events_amends ON events (room, amends, type, seq) WHERE amends IS NOT NULL;
  CREATE INDEX events_hollow ON events (at) WHERE data IS NULL;
  CREATE TABLE snapshots (
    room INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    data TEXT NOT NULL,
    PRIMARY KEY (room, seq)
  );
  CREATE TABLE marks (
    room INTEGER NOT NULL,
    name TEXT NOT NULL,
    user TEXT NOT NULL,
    seq INTEGER NOT NULL,
    moved INTEGER NOT NULL,
    PRIMARY KEY (room, name, user)
  ) WITHOUT ROWID;
  CREATE INDEX marks_user ON marks (user, name, moved);
  `,
  `
  CREATE TABLE leases (
    room INTEGER PRIMARY KEY,
    fence INTEGER NOT NULL,
    holder TEXT,
    ttl INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
  );
  `,
];

/**
 * Brings the file to `SCHEMA_VERSION`, all steps in one transaction.
 * @throws {YamabikoError} `unavailable` when a newer version of this package wrote it.
 */
export function migrate(database: Database): void {
  const row = database.prepare("PRAGMA user_version").get() as { user_version: number };
  const version = row.user_version;
  if (version > SCHEMA_VERSION) {
    throw new YamabikoError(
      "unavailable",
      `The log's file has schema version ${version}; this version of yamabiko knows up to ${SCHEMA_VERSION}.`,
      { remedy: "Run the newer version of yamabiko that wrote the file, or restore a backup made before it did." },
    );
  }
  if (version === SCHEMA_VERSION) return;
  database.exec("BEGIN IMMEDIATE");
  try {
    for (const step of STEPS.slice(version)) database.exec(step);
    database.exec(`PRAGMA user_version = ${SCHEMA_VERSION}`);
    database.exec("COMMIT");
  } catch (error) {
    database.exec("ROLLBACK");
    throw error;
  }
}
