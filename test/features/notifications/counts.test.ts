import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import type { InboxItem } from "../../../src/features/index.ts";
import type { Log } from "../../../src/log/log.ts";
import { createMemoryLog } from "../../../src/log/memory.ts";
import { createSqliteLog } from "../../../src/log/sqlite.ts";
import type { JsonObject } from "../../../src/protocol/index.ts";
import { createFakeClock } from "../../../src/testing/fake-clock.ts";
import { createWorld, hello, type Logged, type Node } from "./world.ts";

const OPERATIONS = 10_000;
const KEPT = 120;

/** What a person with the log and a sheet of paper would say the inbox is: no increments, no indexes. */
function recount(events: readonly Logged[], kept: number) {
  type Row = JsonObject & { id: string; seq: number; read: boolean; seen: boolean; archived: boolean };
  let rows: Row[] = [];
  const wrong: string[] = [];
  for (const { seq, type, payload } of events) {
    const ids = payload.ids as string[] | undefined;
    const isMeant = (row: Row) =>
      ids !== undefined ? ids.includes(row.id) : !row.archived && row.seq <= ((payload.upTo as number) ?? Infinity);
    if (type === "notification") {
      for (const row of rows) if ((payload.replaces as string[] | undefined)?.includes(row.id)) row.archived = true;
      while (rows.length >= kept) {
        const oldest = rows.find((row) => row.archived) ?? rows[0];
        rows = rows.filter((row) => row !== oldest);
      }
      rows.push({ ...payload, id: payload.id as string, seq, read: false, seen: false, archived: false });
    } else if (payload.op === "expired") {
      rows = rows.filter((row) => !isMeant(row));
    } else {
      for (const row of rows.filter(isMeant)) {
        if (payload.op === "read") row.read = row.seen = true;
        if (payload.op === "unread") row.read = false;
        if (payload.op === "seen") row.seen = true;
        if (payload.op === "archived") row.archived = true;
      }
    }
    const unread = rows.filter((row) => !row.archived && !row.read).length;
    const unseen = rows.filter((row) => !row.archived && !row.seen).length;
    if (payload.unread !== unread || payload.unseen !== unseen) {
      wrong.push(`${seq} ${type} says ${payload.unread}/${payload.unseen}, it is ${unread}/${unseen}`);
    }
  }
  return { rows, wrong };
}

type Operation =
  | { do: "notify"; key: number | null; collapse: number | null; expiresInMs: number | null }
  | { do: "mark"; type: string; by: "ids" | "upTo" | "all"; pick: number; count: number; repeat: boolean };

const operation: fc.Arbitrary<Operation> = fc.oneof(
  fc.record({
    do: fc.constant("notify" as const),
    key: fc.option(fc.nat(2_000), { freq: 2 }),
    collapse: fc.option(fc.nat(8), { freq: 2 }),
    expiresInMs: fc.option(fc.integer({ min: 1, max: 5_000 }), { freq: 3 }),
  }),
  fc.record({
    do: fc.constant("mark" as const),
    type: fc.constantFrom("read_notifications", "unread_notifications", "seen_notifications", "archive_notifications"),
    by: fc.oneof(
      { weight: 12, arbitrary: fc.constant("ids" as const) },
      { weight: 3, arbitrary: fc.constant("upTo" as const) },
      { weight: 1, arbitrary: fc.constant("all" as const) },
    ),
    pick: fc.nat(10_000),
    count: fc.integer({ min: 1, max: 5 }),
    repeat: fc.boolean(),
  }),
);

/** Three devices on two nodes do what they like, some of it at once. Resolves to everything the log ever had. */
async function live(log: Log, operations: readonly Operation[], clock = createFakeClock()) {
  const options = { maxNotifications: KEPT, snapshotEvents: 50, maxEvents: 400 };
  const world = createWorld({ log, clock, options });
  const nodes: Node[] = [world.start(), world.start()];
  const everything = new Map<number, Logged>();
  const known: { id: string; seq: number }[] = [];
  const keep = async (): Promise<void> => {
    for (const event of await world.events("ada")) {
      if (event.type === "notification" && !everything.has(event.seq)) {
        known.push({ id: String(event.payload.id), seq: event.seq });
      }
      everything.set(event.seq, event);
    }
  };
  const perform = async (operation: Operation, device: number, name: string): Promise<void> => {
    const node = nodes[device % 2]!;
    if (operation.do === "notify") {
      const { key, collapse, expiresInMs } = operation;
      await node.service.notify("ada", {
        ...hello(),
        ...(key === null ? {} : { dedupKey: `k${key}` }),
        ...(collapse === null ? {} : { collapseKey: `c${collapse}` }),
        ...(expiresInMs === null ? {} : { expiresAt: clock.now() + expiresInMs }),
      });
      return;
    }
    const { type, by, pick, count, repeat } = operation;
    const recent = known.slice(-KEPT);
    const from = recent.length === 0 ? 0 : pick % recent.length;
    const ids = recent.slice(from, from + count).map(({ id }) => id);
    const payload: JsonObject =
      by === "all"
        ? { all: true }
        : by === "upTo"
          ? { upTo: recent[from]?.seq ?? 0 }
          : { ids: ids.length === 0 ? ["nothing"] : ids };
    const first = await node.send("ada", type, payload, name);
    if (!repeat) return;
    // An ack that did not arrive: the same again, by another node.
    const again = await nodes[(device + 1) % 2]!.send("ada", type, payload, name);
    if (first.seq !== undefined) expect(again).toEqual({ ...first, duplicate: true });
  };

  for (let at = 0; at < operations.length; ) {
    // As many at once as the operations say, so that it is random too.
    const batch = operations.slice(at, at + 1 + (at % 7));
    await Promise.all(batch.map((operation, index) => perform(operation, at + index, `m${at + index}`)));
    at += batch.length;
    if (at % 50 < 7) {
      await keep();
      await clock.advance(200);
      // Now and then a node starts anew, with nothing in memory.
      if (at % 1_000 < 7) {
        nodes[0]!.close();
        nodes[0] = world.start();
      }
    }
  }
  await keep();
  const { first } = (await log.heads(["user:ada"])).get("user:ada")!;
  const restarted = world.start();
  const pages: InboxItem[] = [];
  const last = await restarted.service.inbox("ada", { limit: 100 });
  for (const archived of [false, true]) {
    let before: number | undefined;
    for (;;) {
      const page = await restarted.service.inbox("ada", { limit: 100, archived, before });
      pages.push(...page.notifications);
      if (!page.more) break;
      before = page.notifications.at(-1)!.seq;
    }
  }
  await keep();
  const failures = nodes.flatMap((node) => node.failures);
  for (const node of nodes) node.close();
  restarted.close();
  return { events: [...everything.values()].sort((a, b) => a.seq - b.seq), first, pages, last, failures };
}

async function check(log: Log, operations: readonly Operation[]): Promise<void> {
  const { events, first, pages, last, failures } = await live(log, operations);
  expect(events.map(({ seq }) => seq)).toEqual(events.map((_, index) => index + 1));
  // Retention has removed most of it, so what is left came out of snapshots.
  if (operations.length >= 1_000) expect(first).toBeGreaterThan(1);
  const { rows, wrong } = recount(events, KEPT);
  expect(wrong).toEqual([]);
  expect(failures).toEqual([]);
  const lastEvent = events.at(-1);
  expect({ unread: last.unread, unseen: last.unseen }).toEqual(
    lastEvent === undefined
      ? { unread: 0, unseen: 0 }
      : { unread: lastEvent.payload.unread, unseen: lastEvent.payload.unseen },
  );
  const shown = pages.map(({ id, seq, read, seen, archived }) => ({ id, seq, read, seen, archived }));
  shown.sort((a, b) => a.seq - b.seq);
  expect(shown).toEqual(rows.map(({ id, seq, read, seen, archived }) => ({ id, seq, read, seen, archived })));
}

describe("the counts of an inbox", () => {
  const cleanups: (() => Promise<unknown>)[] = [];
  afterEach(async () => {
    for (const cleanup of cleanups.splice(0)) await cleanup();
  });

  it("INB-3 INB-4 every event says the counts after it, whatever three devices do at once", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(operation, { maxLength: 200, size: "max" }), async (operations) => {
        await check(createMemoryLog(), operations);
      }),
      { numRuns: 40 },
    );
  }, 120_000);

  it(`INB-4 INB-12 after ${OPERATIONS} operations the last event, a recount and a restarted node agree, on the log in memory`, async () => {
    const [operations] = fc.sample(fc.array(operation, { minLength: OPERATIONS, maxLength: OPERATIONS }), 1);
    await check(createMemoryLog(), operations!);
  }, 120_000);

  it(`INB-4 INB-12 after ${OPERATIONS} operations the last event, a recount and a restarted node agree, on SQLite`, async () => {
    const directory = await mkdtemp(join(tmpdir(), "inbox-"));
    cleanups.push(() => rm(directory, { recursive: true }));
    const log = await createSqliteLog({ path: join(directory, "log.db"), synchronous: "normal" });
    cleanups.unshift(() => log.close());
    const [operations] = fc.sample(fc.array(operation, { minLength: OPERATIONS, maxLength: OPERATIONS }), 1);
    await check(log, operations!);
  }, 240_000);
});
