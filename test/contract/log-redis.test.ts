import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { BEYOND_ALL } from "../../src/log/log.ts";
import { createRedisLog } from "../../src/log/redis.ts";
import { createFakeClock } from "../../src/testing/fake-clock.ts";
import { type LogHarness, logContract } from "../../src/testing/log-contract.ts";
import { until } from "../support/process.ts";
import { RedisCluster, RedisServer } from "../support/redis-server.ts";

const server = await RedisServer.start();
const cluster = await RedisCluster.start();
afterAll(() => Promise.all([server.stop(), cluster.stop()]));

/** A log on the Redis all tests of this file share, with a time that can be moved. It breaks when Redis wants a replica. */
async function singleHarness(): Promise<LogHarness> {
  const clock = createFakeClock();
  const open = () => createRedisLog({ url: `${server.url}/0?prefix=contract`, clock });
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
      await server.ask("config", "set", "min-replicas-to-write", 1);
      return async () => void (await server.ask("config", "set", "min-replicas-to-write", 0));
    },
    stored,
  };
}

/** What is on the disk once Redis has written its file anew, as it does by itself from time to time. */
async function stored(): Promise<Buffer> {
  await server.ask("bgrewriteaof");
  const directory = join(server.directory, "appendonlydir");
  await until("the file is written anew", async () => {
    const isBusy = /aof_rewrite_(in_progress|scheduled):1/.test(String(await server.ask("info", "persistence")));
    return !isBusy && (await readdir(directory)).length === 3;
  });
  const files = await readdir(directory);
  return Buffer.concat(await Promise.all(files.map((file) => readFile(join(directory, file)))));
}

logContract("redis", singleHarness, { clock: true, breakable: true, inspectable: true });

describe("a log on a Redis that has lost something", () => {
  it("ends the epoch when it stands before what others said is there", async () => {
    const { log } = await singleHarness();
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

logContract("redis cluster", async () => {
  let log = await createRedisLog({ url: cluster.url });
  return {
    log,
    async reopen() {
      await log.close();
      log = await createRedisLog({ url: cluster.url });
      return log;
    },
  };
});
