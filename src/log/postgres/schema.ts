import type { PostgresLink } from "../../link/postgres.ts";
import { YamabikoError } from "../../protocol/index.ts";

/** The version of the tables and functions this code works with. */
export const SCHEMA_VERSION = 3;

/** What nothing else in the database takes an advisory lock on. */
const LOCK = 0x79616d61;

/**
 * What happens to the tables from each version to the next, `$` standing for the schema; null where nothing does.
 *
 * - `rooms` has the counter of each room: whoever appends holds its row, so that a room's events come one after the other.
 *   `bytes` is the payload of the kept events.
 * - An event that was trimmed but whose messageId must still be known has `data` null.
 */
const STEPS: readonly (string | null)[] = [
  `
  CREATE TABLE $.rooms (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text COLLATE "C" NOT NULL UNIQUE,
    epoch text COLLATE "C" NOT NULL DEFAULT replace(gen_random_uuid()::text, '-', ''),
    first bigint NOT NULL DEFAULT 1,
    head bigint NOT NULL DEFAULT 0,
    at bigint NOT NULL DEFAULT 0,
    bytes bigint NOT NULL DEFAULT 0,
    fence bigint NOT NULL DEFAULT 0,
    holder text COLLATE "C",
    lease_ms bigint NOT NULL DEFAULT 0,
    lease_until bigint NOT NULL DEFAULT 0
  ) WITH (fillfactor = 50);

  CREATE TABLE $.events (
    room bigint NOT NULL,
    seq bigint NOT NULL,
    at bigint NOT NULL,
    size integer NOT NULL,
    amends bigint,
    type text COLLATE "C" NOT NULL,
    sender text COLLATE "C",
    message_id text COLLATE "C",
    data text COLLATE "C",
    PRIMARY KEY (room, seq)
  );
  CREATE UNIQUE INDEX events_message ON $.events (room, message_id, (coalesce('u' || sender, '')))
    WHERE message_id IS NOT NULL;
  CREATE INDEX events_amends ON $.events (room, amends, type, seq) WHERE amends IS NOT NULL;
  CREATE INDEX events_hollow ON $.events (at) WHERE data IS NULL;

  CREATE TABLE $.snapshots (
    room bigint NOT NULL,
    seq bigint NOT NULL,
    data text NOT NULL,
    PRIMARY KEY (room, seq)
  );

  CREATE SEQUENCE $.moves;
  CREATE TABLE $.marks (
    room text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    owner text COLLATE "C" NOT NULL,
    seq bigint NOT NULL,
    moved bigint NOT NULL,
    PRIMARY KEY (room, name, owner)
  ) WITH (fillfactor = 70);
  CREATE INDEX marks_owner ON $.marks (owner, name, moved DESC);
  `,
  // From here on only functions changed: 2 a snapshot with a fence, 3 the end of an epoch by its events.
  null,
  null,
];

/**
 * All functions, which are made anew with every version. Those that servers of an earlier version call stay as they are called: such
 * servers may still be running. They take the time in ms, or null for that of PostgreSQL.
 */
const FUNCTIONS = `
  CREATE OR REPLACE FUNCTION $.time_ms(_now bigint) RETURNS bigint LANGUAGE sql VOLATILE AS $body$
    SELECT coalesce(_now, (extract(epoch FROM clock_timestamp()) * 1000)::bigint)
  $body$;

  -- Makes the rooms there are not. In the order of their names, so that two who do it do not wait for each other for ever.
  CREATE OR REPLACE FUNCTION $.open_rooms(_names text[]) RETURNS void LANGUAGE sql VOLATILE AS $body$
    INSERT INTO $.rooms (name)
    SELECT wanted FROM (SELECT DISTINCT unnest(_names) COLLATE "C" AS wanted) AS names
    WHERE NOT EXISTS (SELECT FROM $.rooms WHERE rooms.name = wanted)
    ORDER BY wanted
    ON CONFLICT DO NOTHING
  $body$;

  -- Ends the epoch of a room that stands before what somebody has seen of it, or has another event where somebody has seen the one of
  -- this time: it was restored from something older, and may have been gone on with.
  CREATE OR REPLACE FUNCTION $.end_epoch(_name text, _epoch text, _head bigint, _seq bigint, _at bigint)
    RETURNS void LANGUAGE sql VOLATILE AS $body$
    UPDATE $.rooms SET epoch = DEFAULT WHERE name = _name AND epoch = _epoch AND (
      head < _head OR EXISTS (SELECT FROM $.events WHERE events.room = rooms.id AND events.seq = _seq AND events.at <> _at))
  $body$;

  -- As servers of version 2 and before ask for it.
  CREATE OR REPLACE FUNCTION $.end_epoch(_name text, _epoch text, _head bigint) RETURNS void LANGUAGE sql VOLATILE AS $body$
    SELECT $.end_epoch(_name, _epoch, _head, 0, 0)
  $body$;

  -- Replaces the payloads of a call, all or none. What the payload of the room weighs more then; null when one is not as expected.
  CREATE OR REPLACE FUNCTION $.amend(_room bigint, _first bigint, _changes jsonb) RETURNS bigint LANGUAGE plpgsql VOLATILE AS $body$
  DECLARE
    _change jsonb;
    _seq bigint;
    _size integer;
    _more bigint := 0;
    _seen bigint[] := '{}';
  BEGIN
    FOR _change IN SELECT value FROM jsonb_array_elements(_changes) LOOP
      _seq := (_change->>0)::bigint;
      SELECT size INTO _size FROM $.events
        WHERE room = _room AND seq = _seq AND seq >= _first AND data = _change->>1;
      IF NOT FOUND OR _seq = ANY(_seen) THEN
        RETURN NULL;
      END IF;
      _seen := _seen || _seq;
      _more := _more + octet_length(_change->>2) - _size;
    END LOOP;
    UPDATE $.events SET data = value->>2, size = octet_length(value->>2)
      FROM jsonb_array_elements(_changes) AS changes
      WHERE room = _room AND seq = (value->>0)::bigint;
    RETURN _more;
  END
  $body$;

  -- Appends the calls of some rooms. For each call, in order: 0 appended, 1 a repetition, 2 head, 3 amendment, 4 fence.
  CREATE OR REPLACE FUNCTION $.append(_batch jsonb, _now bigint)
    RETURNS TABLE (o_code integer, o_epoch text, o_seq bigint, o_at bigint) LANGUAGE plpgsql VOLATILE AS $body$
  DECLARE
    _names text[] := ARRAY(SELECT value->>'room' FROM jsonb_array_elements(_batch));
    _time bigint;
    _part jsonb;
    _call jsonb;
    _room $.rooms;
    _size integer;
    _more bigint;
  BEGIN
    PERFORM $.open_rooms(_names);
    PERFORM FROM $.rooms WHERE name = ANY(_names) ORDER BY name FOR NO KEY UPDATE;
    -- Not before: it must not be earlier than that of who had the rooms until now.
    _time := $.time_ms(_now);
    FOR _part IN SELECT value FROM jsonb_array_elements(_batch) LOOP
      PERFORM $.end_epoch(_part->>'room', _part->>'epoch', (_part->>'head')::bigint,
        coalesce((_part->'mark'->>'seq')::bigint, 0), coalesce((_part->'mark'->>'at')::bigint, 0));
      SELECT * INTO _room FROM $.rooms WHERE name = _part->>'room';
      o_epoch := _room.epoch;
      FOR _call IN SELECT value FROM jsonb_array_elements(_part->'calls') LOOP
        o_seq := 0;
        o_at := 0;
        _more := 0;
        IF _call->>1 IS NOT NULL THEN
          SELECT seq, at INTO o_seq, o_at FROM $.events
            WHERE room = _room.id AND message_id = _call->>1
              AND coalesce('u' || sender, '') = coalesce('u' || (_call->>0), '');
          IF FOUND THEN
            o_code := 1;
            RETURN NEXT;
            CONTINUE;
          END IF;
        END IF;
        IF (_call->>4)::bigint <> _room.head THEN
          o_code := 2;
          RETURN NEXT;
          CONTINUE;
        END IF;
        IF (_call->>5)::bigint <> _room.fence THEN
          o_code := 4;
          RETURN NEXT;
          CONTINUE;
        END IF;
        IF jsonb_array_length(_call->6) > 0 THEN
          _more := $.amend(_room.id, _room.first, _call->6);
          IF _more IS NULL THEN
            o_code := 3;
            RETURN NEXT;
            CONTINUE;
          END IF;
        END IF;
        _size := octet_length(_call->>3);
        _room.head := _room.head + 1;
        _room.at := greatest(_time, _room.at);
        _room.bytes := _room.bytes + _size + _more;
        INSERT INTO $.events (room, seq, at, size, amends, type, sender, message_id, data)
          VALUES (_room.id, _room.head, _room.at, _size, (_call->6->0->>0)::bigint,
            _call->>2, _call->>0, _call->>1, _call->>3);
        o_code := 0;
        o_seq := _room.head;
        o_at := _room.at;
        RETURN NEXT;
      END LOOP;
      UPDATE $.rooms SET head = _room.head, at = _room.at, bytes = _room.bytes WHERE id = _room.id;
    END LOOP;
  END
  $body$;

  -- Removes up to 5,000 of the oldest events. How many, and whether there are more to remove.
  CREATE OR REPLACE FUNCTION $.trim_room(_name text, _max_events bigint, _max_age bigint, _max_bytes bigint, _up_to bigint,
      _known_ms bigint, _now bigint)
    RETURNS TABLE (o_removed bigint, o_more boolean) LANGUAGE plpgsql VOLATILE AS $body$
  DECLARE
    _time bigint := $.time_ms(_now);
    _room $.rooms;
    _event record;
    _wanted bigint;
    _last bigint;
    _bytes bigint;
  BEGIN
    DELETE FROM $.events WHERE ctid = ANY(ARRAY(
      SELECT ctid FROM $.events WHERE data IS NULL AND at < _time - _known_ms ORDER BY at LIMIT 5000 FOR UPDATE SKIP LOCKED));
    o_removed := 0;
    o_more := false;
    SELECT * INTO _room FROM $.rooms WHERE name = _name FOR NO KEY UPDATE;
    IF FOUND THEN
      _last := least(coalesce(_up_to, _room.head), _room.head);
      _bytes := _room.bytes;
      _wanted := greatest(_room.first, _room.head - _max_events + 1);
      FOR _event IN SELECT seq, size, at FROM $.events
        WHERE room = _room.id AND seq BETWEEN _room.first AND _last ORDER BY seq LIMIT 5001
      LOOP
        EXIT WHEN _event.seq >= _wanted
          AND NOT coalesce(_event.at < _time - _max_age, false)
          AND NOT coalesce(_bytes > _max_bytes AND _event.seq < _room.head, false);
        IF o_removed = 5000 THEN
          o_more := true;
          EXIT;
        END IF;
        o_removed := o_removed + 1;
        _bytes := _bytes - _event.size;
      END LOOP;
      IF o_removed > 0 THEN
        DELETE FROM $.events WHERE room = _room.id AND seq >= _room.first AND seq < _room.first + o_removed
          AND (message_id IS NULL OR at < _time - _known_ms);
        UPDATE $.events SET data = NULL, type = '', size = 0, amends = NULL
          WHERE room = _room.id AND seq >= _room.first AND seq < _room.first + o_removed;
        UPDATE $.rooms SET first = first + o_removed, bytes = _bytes WHERE id = _room.id;
      END IF;
    END IF;
    RETURN NEXT;
  END
  $body$;

  CREATE OR REPLACE FUNCTION $.put_snapshot(_name text, _seq bigint, _data text, _kept integer) RETURNS void LANGUAGE plpgsql VOLATILE AS $body$
  DECLARE
    _id bigint;
  BEGIN
    PERFORM $.open_rooms(ARRAY[_name]);
    SELECT id INTO _id FROM $.rooms WHERE name = _name FOR NO KEY UPDATE;
    INSERT INTO $.snapshots (room, seq, data) VALUES (_id, _seq, _data)
      ON CONFLICT (room, seq) DO UPDATE SET data = excluded.data;
    DELETE FROM $.snapshots WHERE room = _id AND seq NOT IN (
      SELECT seq FROM $.snapshots WHERE room = _id ORDER BY seq DESC LIMIT _kept);
  END
  $body$;

  -- A fence is about the time it was given, so that none comes again even when the room was restored from something older.
  CREATE OR REPLACE FUNCTION $.take_lease(_name text, _owner text, _ttl bigint, _now bigint)
    RETURNS TABLE (o_holder text, o_fence bigint, o_left bigint) LANGUAGE plpgsql VOLATILE AS $body$
  DECLARE
    _time bigint;
    _room $.rooms;
    _held boolean;
  BEGIN
    PERFORM $.open_rooms(ARRAY[_name]);
    SELECT * INTO _room FROM $.rooms WHERE name = _name FOR NO KEY UPDATE;
    _time := $.time_ms(_now);
    _held := _room.holder IS NOT NULL AND _room.lease_until > _time;
    IF _held AND _room.holder <> _owner THEN
      o_holder := _room.holder;
      o_fence := _room.fence;
      o_left := least(_room.lease_until - _time, _room.lease_ms);
      -- The time of PostgreSQL may have gone back: the lease must not last longer than it was taken for.
      UPDATE $.rooms SET lease_until = _time + lease_ms WHERE id = _room.id AND lease_until - _time > lease_ms;
    ELSE
      o_holder := _owner;
      o_fence := CASE WHEN _held THEN _room.fence ELSE greatest(_room.fence + 1, _time) END;
      o_left := _ttl;
      UPDATE $.rooms SET holder = _owner, fence = o_fence, lease_ms = _ttl, lease_until = _time + _ttl WHERE id = _room.id;
    END IF;
    RETURN NEXT;
  END
  $body$;

  -- False, and nothing is kept, when a lease was given out after the one with this fence.
  CREATE OR REPLACE FUNCTION $.put_snapshot(_name text, _seq bigint, _data text, _kept integer, _fence bigint)
    RETURNS boolean LANGUAGE plpgsql VOLATILE AS $body$
  BEGIN
    PERFORM $.open_rooms(ARRAY[_name]);
    PERFORM FROM $.rooms WHERE name = _name AND (_fence IS NULL OR fence = _fence) FOR NO KEY UPDATE;
    IF NOT FOUND THEN
      RETURN false;
    END IF;
    PERFORM $.put_snapshot(_name, _seq, _data, _kept);
    RETURN true;
  END
  $body$;
  `;

/**
 * Brings the schema of a database to `SCHEMA_VERSION`. One at a time does it, all steps in one transaction. Resolves to the
 * version there was.
 * @throws {YamabikoError} `unavailable`, with a remedy, when it may not, or when a newer version of this package did.
 */
export async function migrate(link: PostgresLink, schema: string): Promise<number> {
  const before = await versionOf(link, schema);
  if (before === SCHEMA_VERSION) return before;
  if (before > SCHEMA_VERSION) throw newer(schema, before);
  try {
    await link.transaction(async (query) => {
      await query(`SELECT pg_advisory_xact_lock(${LOCK}, hashtext('${schema}'))`);
      await query(`CREATE SCHEMA IF NOT EXISTS ${schema}`);
      await query(`CREATE TABLE IF NOT EXISTS ${schema}.versions (
        version integer PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())`);
      const [row] = await query(`SELECT coalesce(max(version), 0) AS version FROM ${schema}.versions`);
      for (const [index, step] of STEPS.entries()) {
        // Another may have done it while this one waited for the lock.
        if (index < Number(row!.version)) continue;
        if (step !== null) await query(step.replaceAll("$.", `${schema}.`));
        await query(`INSERT INTO ${schema}.versions (version) VALUES (${index + 1})`);
      }
      await query(FUNCTIONS.replaceAll("$.", `${schema}.`));
    });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new YamabikoError("unavailable", `The schema ${schema} cannot be brought up to date: ${reason}.`, {
      remedy: "Run `yamabiko migrate --log postgres://…` once as a user who may create schemas and tables.",
      cause: error,
    });
  }
  return before;
}

/** The version of a schema; 0 when it is not there. */
async function versionOf(link: PostgresLink, schema: string): Promise<number> {
  const [there] = await link.query("SELECT to_regclass($1::text) IS NOT NULL AS there", [`${schema}.versions`]);
  if (there?.there !== true) return 0;
  const [row] = await link.query(`SELECT coalesce(max(version), 0) AS version FROM ${schema}.versions`);
  return Number(row!.version);
}

function newer(schema: string, version: number): YamabikoError {
  return new YamabikoError(
    "unavailable",
    `The schema ${schema} has version ${version}; this version of yamabiko knows up to ${SCHEMA_VERSION}.`,
    { remedy: "Run the newer version of yamabiko that made it, or another schema: ?schema=NAME" },
  );
}
