import { afterAll, describe, expect, it } from "vitest";
import { BEYOND_ALL } from "../../src/log/log.ts";
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
});
