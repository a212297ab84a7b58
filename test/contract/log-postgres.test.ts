import { afterAll, describe, expect, it } from "vitest";
import { BEYOND_ALL, type Log } from "../../src/log/log.ts";
import { createPostgresLog } from "../../src/log/postgres.ts";
import { createFakeClock } from "../../src/testing/fake-clock.ts";
import { logContract } from "../../src/testing/log-contract.ts";
import { PostgresServer } from "../support/postgres-server.ts";

const server = await PostgresServer.start();
afterAll(() => server.stop());

logContract(
  "postgres",
  async () => {
    const clock = createFakeClock();
    const open = () => createPostgresLog({ url: server.url("?max=6"), clock });
    let log = await open();
    return {
      log,
      async reopen() {
        await log.close();
        log = await open();
        return log;
      },
      advance: clock.shiftWallClock,
      async breakAppends() {
        await server.ask("ALTER TABLE yamabiko.events ADD CONSTRAINT broken CHECK (seq < 0) NOT VALID");
        return async () => void (await server.ask("ALTER TABLE yamabiko.events DROP CONSTRAINT broken"));
      },
    };
  },
  { clock: true, breakable: true },
);

logContract("postgres, by its own time", async () => {
  let log = await createPostgresLog({ url: server.url("?schema=other") });
  return {
    log,
    async reopen() {
      await log.close();
      log = await createPostgresLog({ url: server.url("?schema=other") });
      return log;
    },
  };
});

describe("a log on a PostgreSQL that has lost something", () => {
  it("ends the epoch when it stands before what others said is there", async () => {
    const log = await createPostgresLog({ url: server.url("?schema=told") });
    const room = "chat:told";
    const { epoch } = await log.append(room, "ann", null, { type: "x", data: "1" });
    log.seen?.(room, epoch, 1);
    expect((await log.heads([room])).get(room)).toMatchObject({ epoch, head: 1 });
    log.seen?.(room, epoch, 2);
    const after = await log.append(room, "ann", null, { type: "x", data: "2" });
    expect(after).toMatchObject({ seq: 2 });
    expect(after.epoch).not.toBe(epoch);
    log.seen?.(room, after.epoch, BEYOND_ALL);
    const { epoch: third, head } = (await log.heads([room])).get(room)!;
    expect([epoch, after.epoch]).not.toContain(third);
    expect(head).toBe(2);
    expect(await log.append(room, "ann", null, { type: "x", data: "3" })).toMatchObject({ epoch: third, seq: 3 });
    await log.close();
  });

  it("ends the epoch when others have gone on from before what was lost, as far as that and beyond", async () => {
    const clock = createFakeClock();
    const open = () => createPostgresLog({ url: server.url("?schema=rewritten"), clock });
    const [ahead, behind, reader, told] = [await open(), await open(), await open(), await open()];
    const rooms = ["chat:read", "chat:headed", "chat:appended", "chat:listed", "chat:heard"] as const;
    const untouched = "chat:untouched";
    const say = async (log: Log, room: string) => {
      clock.shiftWallClock(10);
      return log.append(room, "ann", null, { type: "x", data: "1" });
    };
    for (const room of [...rooms, untouched]) await say(behind, room);
    const epochs = new Map<string, string>();
    for (const room of rooms) {
      const { epoch, seq, timestamp } = await say(ahead, room);
      epochs.set(room, epoch);
      told.seen?.(room, epoch, seq, timestamp);
    }
    const kept = (await ahead.heads([untouched])).get(untouched)!;
    await reader.read("chat:read", 0, 10);
    // A standby that had only the first event of each takes over.
    await server.ask(`DELETE FROM rewritten.events WHERE seq = 2;
      UPDATE rewritten.rooms SET head = 1, at = (SELECT at FROM rewritten.events WHERE room = id) WHERE head = 2`);
    for (const room of rooms) {
      const last = room === "chat:headed" ? 1 : 3;
      for (let count = 0; count < last; count++) expect((await say(behind, room)).epoch).toBe(epochs.get(room));
    }
    const found = {
      "chat:read": (await reader.read("chat:read", 0, 10)).epoch,
      "chat:headed": (await ahead.heads(["chat:headed"])).get("chat:headed")!.epoch,
      "chat:appended": (await say(ahead, "chat:appended")).epoch,
      "chat:listed": (await ahead.heads(["chat:listed", "chat:new", untouched])).get("chat:listed")!.epoch,
      "chat:heard": (await told.readBack("chat:heard", Infinity, 1)).epoch,
    };
    for (const room of rooms) {
      expect(found[room]).not.toBe(epochs.get(room));
      // Whoever comes later finds it ended already, and nobody ends it again.
      for (const log of [ahead, behind, told]) expect((await log.read(room, 0, 10)).epoch).toBe(found[room]);
      expect((await say(behind, room)).epoch).toBe(found[room]);
    }
    expect((await ahead.heads([untouched])).get(untouched)).toEqual(kept);
    for (const log of [ahead, behind, reader, told]) await log.close();
  });

  it("is found out by servers of the version before too, as far as those can tell", async () => {
    const log = await createPostgresLog({ url: server.url("?schema=older") });
    const room = "chat:older";
    const { epoch } = await log.append(room, "ann", null, { type: "x", data: "1" });
    const [first] = await server.ask(`SELECT * FROM older.append('[{"room":"${room}","epoch":"${epoch}","head":1,
      "calls":[["ann",null,"x","2",null,null,[]]]}]', NULL)`);
    expect(first).toMatchObject({ o_code: 0, o_epoch: epoch });
    await server.ask(`SELECT older.end_epoch('${room}', '${epoch}', 3)`);
    expect((await log.heads([room])).get(room)!.epoch).not.toBe(epoch);
    await server.ask(`SELECT older.put_snapshot('${room}', 2, 'kept', 2)`);
    expect(await log.snapshot(room)).toMatchObject({ data: "kept" });
    await log.close();
  });
});
