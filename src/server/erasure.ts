import type { Amendment, AppendOptions, Log, LogEvent } from "../log/log.ts";
import { type JsonObject, parseRoomId, YamabikoError } from "../protocol/index.ts";
import type { Rooms } from "../room/rooms.ts";
import { defineNamespace, type Namespace } from "../session/namespace.ts";
import { kindOf } from "../session/room-kind.ts";
import { SERVER_NAMESPACE } from "./access-log.ts";

/** How many rooms are asked for at once, and events: those of one read are erased in one commit. */
const PAGE_ROOMS = 500;
const PAGE_EVENTS = 200;
/** How often a page is read again because somebody else changed it meanwhile. */
const TRIES = 20;

/** What was erased. */
export interface Erasure {
  readonly userId: string;
  /** Rooms in which something was. */
  readonly rooms: number;
  /** Events that were emptied, or from which the person was taken out. */
  readonly events: number;
  /** Read marks. */
  readonly marks: number;
  /** Events of the person that are still there: what others read depends on them (documents). */
  readonly kept: number;
}

export interface ErasureParts {
  readonly log: Log;
  readonly rooms: Rooms;
  readonly namespaces: ReadonlyMap<string, Namespace>;
}

/**
 * Erases what a person said, in all rooms of the log, as ERA-1 to ERA-5 say. Reads the whole log, page by page, beside everything
 * else. What was interrupted is finished when it is asked for again.
 * Rejects with `invalid_message` for an id that cannot be one, with `unavailable` when the log cannot take it.
 */
export async function erasePerson(userId: string, parts: ErasureParts): Promise<Erasure> {
  if (userId === "") throw new YamabikoError("invalid_message", "A user id is needed.");
  const { log, namespaces } = parts;
  const counts = { rooms: 0, events: 0, kept: 0 };
  for (let after: string | null = null; ; ) {
    const page = await log.rooms(after, PAGE_ROOMS);
    for (const roomId of page.roomIds) {
      const done = await eraseInRoom(roomId, userId, parts);
      if (done.events > 0) counts.rooms++;
      counts.events += done.events;
      counts.kept += done.kept;
    }
    if (page.next === null) break;
    after = page.next;
  }
  let marks = 0;
  for (const family of keptFamilies(namespaces)) marks += await log.dropMarks(userId, family);
  return { userId, ...counts, marks };
}

function keptFamilies(namespaces: ReadonlyMap<string, Namespace>): Set<string> {
  const families = new Set<string>();
  for (const { state } of namespaces.values()) {
    for (const [family, { kept }] of Object.entries(state)) if (kept === true) families.add(family);
  }
  return families;
}

async function eraseInRoom(
  roomId: string,
  userId: string,
  { log, rooms, namespaces }: ErasureParts,
): Promise<{ events: number; kept: number }> {
  const { namespace: prefix, name } = parseRoomId(roomId);
  // What operators decided about the person holds on: a ban is no data of theirs to take away.
  if (prefix === SERVER_NAMESPACE) return { events: 0, kept: 0 };
  // Of a namespace that is served no more, its events are erased like those of any other.
  const namespace = namespaces.get(prefix) ?? defineNamespace({ name: prefix, messages: {} });
  const isOwn = OWN_NAMESPACES.has(prefix) && name === userId;
  const until = (await log.heads([roomId])).get(roomId)!.head;
  let [events, kept, seq, tries] = [0, 0, 0, 0];
  const tell = async (seqs: readonly number[], options: AppendOptions): Promise<number> => {
    const room = await rooms.open(roomId, kindOf(namespace));
    const unpin = room.pin();
    try {
      return (await room.publish(null, null, { type: "events_erased", data: JSON.stringify({ seqs }) }, options)).seq;
    } finally {
      unpin();
    }
  };
  // Snapshots hold what the events amounted to. The newest two are kept, so both must be of nothing.
  const forget = async (end: number): Promise<void> => {
    for (const each of [end - 1, end]) await log.putSnapshot(roomId, each, NOTHING);
  };
  // A room of their own is erased to its end, wherever that is by then; what is said elsewhere meanwhile is not theirs: they are gone.
  for (let isDone = until === 0; !isDone; ) {
    const page = await log.read(roomId, seq, PAGE_EVENTS);
    const last = page.events.at(-1);
    if (last === undefined) {
      // What retention has taken, a snapshot and the memory of nodes may still hold.
      if (isOwn) await forget(await tell([], {}));
      break;
    }
    const changes = page.events.map((event) => changeOf(event, { name, userId, isOwn }, namespace));
    const amend = changes.filter((change): change is Amendment => change !== null && change !== "kept");
    const isEnd = last.seq === page.head;
    let end = last.seq;
    if (amend.length > 0) {
      const theirs = new Set(page.events.filter(({ sender }) => isOwn || sender === userId).map((event) => event.seq));
      const seqs = amend.map((each) => each.seq).filter((each) => theirs.has(each));
      try {
        end = await tell(seqs, { amend, expect: isOwn && isEnd ? page.head : undefined });
      } catch (error) {
        // Somebody changed one of them, or said more: what is there now is looked at anew.
        if (!(error instanceof YamabikoError && error.code === "conflict") || ++tries >= TRIES) throw error;
        continue;
      }
    }
    events += amend.length;
    kept += changes.filter((change) => change === "kept").length;
    seq = last.seq;
    isDone = isOwn ? isEnd : isEnd || seq >= until;
    if (isOwn && isDone) await forget(end);
  }
  return { events, kept };
}

/** The namespaces whose rooms belong to the user they are named after. */
export const OWN_NAMESPACES: ReadonlySet<string> = new Set(["user", "push"]);

/** What becomes of an event; "kept" for one of theirs that stays, null for one that is not about them. */
function changeOf(
  { seq, type, sender, data }: LogEvent,
  { name, userId, isOwn }: { readonly name: string; readonly userId: string; readonly isOwn: boolean },
  namespace: Namespace,
): Amendment | "kept" | null {
  const isTheirs = sender === userId;
  if (type === "events_erased" || !(isOwn || isTheirs || data.includes(JSON.stringify(userId)))) return null;
  const payload = JSON.parse(data) as JsonObject;
  const { erase, isSealed = false } = namespace;
  if (erase === undefined) {
    if (!isTheirs || payload.erased === true) return null;
    return isSealed ? "kept" : { seq, expectData: data, data: ERASED };
  }
  const left = erase({ name, userId, type, sender, payload });
  return left === null ? null : { seq, expectData: data, data: JSON.stringify(left) };
}

/** A snapshot of nothing. */
const NOTHING = "null";

const ERASED = JSON.stringify({ erased: true });
