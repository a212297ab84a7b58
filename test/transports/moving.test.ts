import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createFakeClock } from "../../src/testing/fake-clock.ts";
import { until } from "../harness.ts";
import { DRIVERS, type Driver } from "./drivers.ts";
import { range, Stage } from "./stage.ts";

const ROOM = "chat:room";
const EVENTS = 6;

describe("moving from one transport to another", () => {
  let stage: Stage;
  beforeEach(async () => {
    stage = await Stage.start({ limits: { tailEvents: 4 } });
  });
  afterEach(() => stage.end());

  /** Reads on from a cursor until `seq` has come. */
  const read = async (driver: Driver, roomId: string, after: string, seq: number): Promise<string> => {
    const { joined } = await driver.join(roomId, { after });
    expect(joined).toMatchObject({ recovered: true, cursor: after });
    await until(() => driver.cursors.get(roomId)?.endsWith(`:${seq}`) === true);
    return driver.cursors.get(roomId)!;
  };

  const pairs = DRIVERS.flatMap((from) => DRIVERS.map((to) => [from, to] as const));
  it.each(pairs)("RES-1, HTTP-13: from %s to %s, between any two messages", async (from, to) => {
    for (let cut = 0; cut <= EVENTS; cut++) {
      const roomId = `chat:${from}-${to}-${cut}`;
      const start = await stage.cursor(0, roomId);
      const before = await stage.open(from, "ada");
      const { joined } = await before.join(roomId, { after: start });
      expect(joined).toMatchObject({ recovered: true, head: 0 });
      await stage.fill(cut, 0, roomId);
      await until(() => before.seqs(roomId).length === cut);
      const reached = before.cursors.get(roomId)!;
      expect(reached).toBe(await stage.cursor(cut, roomId));
      before.close();
      await stage.fill(EVENTS - cut, 0, roomId);
      const after = await stage.open(to, "ada");
      await read(after, roomId, reached, EVENTS);
      await stage.fill(1, 0, roomId);
      await until(() => after.seqs(roomId).length >= EVENTS - cut + 1);
      expect([...before.seqs(roomId), ...after.seqs(roomId)]).toEqual(range(1, EVENTS + 1));
      after.close();
    }
  });

  it("[case 16] RES-1, HTTP-13: whoever moves when, while others publish, gets 1, 2, 3 …, each once", async () => {
    const step = fc.record({ driver: fc.constantFrom(...DRIVERS), published: fc.integer({ min: 0, max: 20 }) });
    let run = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 2, maxLength: 8 }), async (script) => {
        const roomId = `chat:walk-${++run}`;
        const got: (number | undefined)[] = [];
        let cursor = await stage.cursor(0, roomId);
        let written = 0;
        for (const { driver: name, published } of script) {
          written += published;
          const publishing = stage.fill(published, 0, roomId);
          const driver = await stage.open(name, "ada");
          await driver.join(roomId, { after: cursor });
          await publishing;
          // It leaves somewhere in the middle.
          driver.close();
          got.push(...driver.seqs(roomId));
          cursor = driver.cursors.get(roomId) ?? cursor;
        }
        const last = await stage.open("websocket", "ada");
        await last.join(roomId, { after: cursor });
        await until(() => got.length + last.seqs(roomId).length >= written);
        got.push(...last.seqs(roomId));
        last.close();
        expect(got).toEqual(range(1, written));
      }),
      { numRuns: 15 },
    );
  });

  it.each(pairs)("ACK-3, HTTP-13: what was sent over %s and comes again over %s is one event", async (from, to) => {
    const before = await stage.open(from, "ada");
    await before.join("room");
    const message = { roomId: "room", content: "once" };
    const ack = await before.send("send_message", message, "m-1");
    expect(ack).toMatchObject({ success: true, seq: 1, duplicate: false });
    before.close();
    const after = await stage.open(to, "ada");
    await after.join("room", { after: 0 });
    expect(await after.send("send_message", message, "m-1")).toEqual({ ...ack, duplicate: true });
    await after.send("send_message", { roomId: "room", content: "more" });
    await until(() => after.seqs(ROOM).length >= 2);
    expect(after.seqs(ROOM)).toEqual([1, 2]);
  });
});

describe("moving within 10 s", () => {
  it("MEM-2, HTTP-14: is not announced, whatever it moves to", async () => {
    const clock = createFakeClock();
    const stage = await Stage.start({ clock });
    try {
      const witness = await stage.open("websocket", "ben");
      await witness.join("room");
      for (const name of [...DRIVERS, ...DRIVERS.toReversed()]) {
        const driver = await stage.open(name, "ada");
        await driver.join("room");
        driver.close();
        await clock.advance(4_000);
      }
      await witness.send("ping", {});
      expect(witness.told().filter((type) => type === "user_joined" || type === "user_left")).toEqual(["user_joined"]);
      await clock.advance(12_000);
      await witness.next("user_left");
    } finally {
      await stage.end();
    }
  });
});
