import { afterAll, afterEach, describe, expect, it } from "vitest";
import { signToken } from "../../src/auth/jwt.ts";
import { createClient } from "../../src/client/node.ts";
import { RedisKeys } from "../../src/log/redis/keys.ts";
import { startServer, until } from "../harness.ts";
import { WatchedRedis } from "../support/watched-redis.ts";

const SECRET = "thirty-two bytes of a test's key";
const PATIENCE_MS = 40_000;
const ROOM = "chat:watched";

describe("two nodes on a Redis that Sentinel watches over", () => {
  const ends: (() => unknown)[] = [];
  afterEach(async () => {
    for (const end of ends.splice(0).reverse()) await end();
  });
  let watched: WatchedRedis | null = null;
  afterAll(() => watched?.stop());

  /** A client of a node of its own. */
  async function join(user: string, url: string) {
    const server = await startServer({ log: url, auth: { secret: SECRET } });
    ends.push(() => server.close());
    const token = await signToken(SECRET, { user, expiresInMs: 3_600_000 });
    const client = createClient(server.wsUrl, { token });
    client.on("error", () => {});
    ends.push(() => client.close());
    const room = client.join(ROOM);
    const said: string[] = [];
    const lost: { readonly said: string[] }[] = [];
    room.on("new_message", (payload) => said.push((payload as { content: string }).content));
    room.on("history_lost", (payload) => {
      // What it had is no more; what there is now comes from the beginning.
      lost.push({ ...payload, said: said.splice(0) });
    });
    await room.joined;
    return { room, said, lost };
  }

  it("RES-2: go on with the replica when the primary is dead, and say what it had not: nothing acknowledged vanishes silently", {
    timeout: 120_000,
  }, async () => {
    watched = await WatchedRedis.start();
    const [ann, bob] = [await join("ann", watched.url), await join("bob", watched.url)];
    await ann.room.send("send_message", { content: "one" }).ack;
    const [key] = new RedisKeys("yamabiko").room(ROOM);
    await until(async () => (await watched!.replica.ask("hget", key!, "head")) === "1", PATIENCE_MS);
    await watched.fallBehind();
    await ann.room.send("send_message", { content: "two" }).ack;
    await bob.room.send("send_message", { content: "three" }).ack;
    await until(() => [ann, bob].every(({ said }) => said.length === 3), PATIENCE_MS);
    const before = ann.room.epoch;

    await watched.primary.kill();
    const killedAt = performance.now();
    const { seq } = await ann.room.send("send_message", { content: "four" }).ack;
    console.info(`acknowledged by the replica after ${Math.round(performance.now() - killedAt)} ms`);
    await until(() => [ann, bob].every(({ said }) => said.includes("four")), PATIENCE_MS);
    // Two and three are gone: everybody who had them was told so before anything new.
    expect(seq).toBe(2);
    for (const { said, lost, room } of [ann, bob]) {
      expect(lost).toMatchObject([{ reason: "epoch", said: ["one", "two", "three"] }]);
      expect(said).toEqual(["one", "four"]);
      expect(room.epoch).not.toBe(before);
    }
    await bob.room.send("send_message", { content: "five" }).ack;
    await until(() => ann.said.at(-1) === "five", PATIENCE_MS);
  });
});
