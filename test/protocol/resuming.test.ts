import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import { SUBPROTOCOLS } from "../../src/protocol/index.ts";
import type { ServerOptions } from "../../src/server/options.ts";
import { createFakeClock, type FakeClock } from "../../src/testing/fake-clock.ts";
import { RawClient, startServer, until } from "../harness.ts";

describe("resuming", () => {
  let server: Awaited<ReturnType<typeof startServer>>;
  const begin = async (options: ServerOptions = {}) => {
    server = await startServer(options);
  };
  afterEach(() => server.close());

  const fill = async (count: number, size = 0, roomId = "room") => {
    const text = "x".repeat(size);
    for (let index = 1; index <= count; index++) await server.room(roomId).publish("noted", { text });
  };
  const seqs = (client: RawClient) => client.events().map(({ seq }) => seq);
  const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, index) => from + index);
  const first = async (clock: FakeClock, wanted: number) => {
    await until(async () => {
      await clock.advance(1_000);
      return (await server.room("room").history(0, 1))[0]?.seq === wanted;
    });
    await clock.advance(1_000);
  };

  it("RES-1: resumes after a cursor with what was missed, no more and no less", async () => {
    await begin();
    const ada = await RawClient.open(server, "ada");
    const { payload } = await ada.join("room-1");
    for (let index = 1; index <= 5; index++) await ada.ask("send_message", { roomId: "room-1", content: `m${index}` });
    const ben = await RawClient.open(server, "ben");
    const joined = await ben.join("room-1", { after: `${(payload as { epoch: string }).epoch}:2` });
    expect(joined.payload).toMatchObject({ recovered: true, head: 5 });
    await ben.next((envelope) => envelope.seq === 5);
    expect(seqs(ben)).toEqual([3, 4, 5]);
  });

  it("RES-1, RES-4: whatever drops when, a reader gets 1, 2, 3 …, each once", async () => {
    await begin({ limits: { tailEvents: 8 } });
    let run = 0;
    const step = fc.oneof(
      fc.constant("drop" as const),
      fc.constant("rejoin" as const),
      fc.integer({ min: 1, max: 30 }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 12 }), fc.boolean(), async (script, isBinary) => {
        const roomId = `run-${++run}`;
        const protocols = isBinary ? [SUBPROTOCOLS.msgpack] : [];
        let cursor: string | number = 0;
        const got: (number | undefined)[] = [];
        let written = 0;
        const connect = async () => {
          const client = await RawClient.open(server, "ada", { protocols });
          await client.join(roomId, { after: cursor });
          return client;
        };
        const { epoch } = await server.room(roomId).view();
        let client = await connect();
        const drop = () => {
          client.socket.terminate();
          got.push(...seqs(client));
          cursor = `${epoch}:${got.length}`;
        };
        for (const action of script) {
          if (action === "drop") {
            drop();
            client = await connect();
          } else if (action === "rejoin") client.send("join_room", { roomId });
          else {
            written += action;
            await fill(action, 0, roomId);
          }
        }
        await until(() => got.length + seqs(client).length === written);
        drop();
        expect(got).toEqual(range(1, written));
      }),
      { numRuns: 20 },
    );
  });

  it("RES-1: goes on after a restart of the server", async () => {
    const directory = await mkdtemp(join(tmpdir(), "yamabiko-resume-"));
    try {
      const log = `sqlite:${join(directory, "log.db")}`;
      await begin({ log });
      const ada = await RawClient.open(server, "ada");
      await ada.join("room");
      await fill(5);
      await ada.next(({ seq }) => seq === 5);
      const { epoch } = await server.room("room").view();
      await server.close();
      await begin({ log });
      await fill(5);
      const again = await RawClient.open(server, "ada");
      const { payload } = await again.join("room", { after: `${epoch}:5` });
      expect(payload).toMatchObject({ recovered: true, epoch, head: 10 });
      await again.next(({ seq }) => seq === 10);
      expect(seqs(again)).toEqual(range(6, 10));
      await server.close();
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  });

  it("RES-2: what retention removed is told, with its range, before any event", async () => {
    const clock = createFakeClock();
    await begin({ clock, retention: { maxEvents: 10 } });
    await fill(30);
    await first(clock, 21);
    const { epoch } = await server.room("room").view();
    for (const after of [5, `${epoch}:5`]) {
      const ada = await RawClient.open(server, "ada");
      const { payload } = await ada.join("room", { after });
      expect(payload).toMatchObject({ recovered: false, cursor: `${epoch}:20`, head: 30 });
      await ada.next(({ seq }) => seq === 30);
      const [, joined, lost, ...rest] = ada.received;
      expect([joined?.type, lost?.type]).toEqual(["joined_room", "history_lost"]);
      expect(lost?.payload).toEqual({
        roomId: "chat:room",
        reason: "retention",
        from: 6,
        to: 20,
        cursor: `${epoch}:20`,
      });
      expect(rest.some(({ type }) => type === "history_lost")).toBe(false);
      expect(seqs(ada)).toEqual(range(21, 30));
    }
    const edge = await RawClient.open(server, "ada");
    expect((await edge.join("room", { after: `${epoch}:20` })).payload).toMatchObject({ recovered: true });
    const without = await RawClient.open(server, "ada");
    await without.join("room", { limit: 1000 });
    await without.next(({ seq }) => seq === 30);
    expect(without.received.some(({ type }) => type === "history_lost")).toBe(false);
  });

  it("RES-2: another epoch is told, and everything there is follows", async () => {
    await begin();
    await fill(3);
    const { epoch } = await server.room("room").view();
    const ada = await RawClient.open(server, "ada");
    const { payload } = await ada.join("room", { after: "another-epoch:2" });
    expect(payload).toMatchObject({ recovered: false, cursor: `${epoch}:0` });
    const lost = await ada.next("history_lost");
    expect(lost.payload).toEqual({ roomId: "chat:room", reason: "epoch", from: null, to: null, cursor: `${epoch}:0` });
    await ada.next(({ seq }) => seq === 3);
    expect(seqs(ada)).toEqual([1, 2, 3]);
  });

  it("RES-2: a cursor beyond the head is told, and delivery goes on at the head", async () => {
    await begin();
    await fill(3);
    const { epoch } = await server.room("room").view();
    for (const after of [4, `${epoch}:9007199254740991`]) {
      const ada = await RawClient.open(server, "ada");
      const { payload } = await ada.join("room", { after });
      expect(payload).toMatchObject({ recovered: false, cursor: `${epoch}:3` });
      const lost = await ada.next("history_lost");
      expect(lost.payload).toMatchObject({ reason: "epoch", from: null, to: null, cursor: `${epoch}:3` });
    }
  });

  it("RES-3: a live reader that retention overtook is told what it lost, and goes on", {
    timeout: 60_000,
  }, async () => {
    const clock = createFakeClock();
    await begin({ clock, retention: { maxEvents: 20 }, limits: { tailEvents: 8 } });
    const slow = await RawClient.open(server, "slow");
    await slow.join("room");
    await fill(3);
    await slow.next(({ seq }) => seq === 3);
    slow.socket.pause();
    await fill(400, 50_000);
    await first(clock, 384);
    slow.socket.resume();
    await slow.next(({ seq }) => seq === 403, 30_000);
    const wire = slow.received.filter(({ type, seq }) => type === "history_lost" || seq !== undefined);
    let last = 0;
    let lost = 0;
    for (const { type, seq, payload } of wire) {
      if (type === "history_lost") {
        const { reason, from, to, cursor } = payload as { reason: string; from: number; to: number; cursor: string };
        expect([reason, from]).toEqual(["retention", last + 1]);
        expect(cursor.endsWith(`:${to}`)).toBe(true);
        last = to;
        lost++;
      } else expect(seq).toBe(++last);
    }
    expect([last, lost > 0]).toEqual([403, true]);
    await fill(1);
    await slow.next(({ seq }) => seq === 404);
  });

  it("[case 43] RES-5: one that does not read costs a bounded amount and catches up; nobody else notices", {
    timeout: 60_000,
  }, async () => {
    await begin({ limits: { tailEvents: 8 } });
    const slow = await RawClient.open(server, "slow");
    const quick = await RawClient.open(server, "quick");
    for (const client of [slow, quick]) await client.join("room");
    slow.socket.pause();
    const before = process.memoryUsage().arrayBuffers;
    const text = "x".repeat(50_000);
    for (let index = 1; index <= 600; index++) {
      await server.room("room").publish("noted", { text });
      if (index % 20 === 0) await quick.next(({ seq }) => seq === index);
      if (index % 20 === 0) quick.rewind();
    }
    expect(await server.metrics()).toMatch(/yamabiko_readers_stalled 1/);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(16 * 1024 * 1024);
    slow.socket.resume();
    await slow.next(({ seq }) => seq === 600, 30_000);
    expect(seqs(slow)).toEqual(range(1, 600));
    await until(async () => /yamabiko_readers_stalled 0/.test(await server.metrics()));
    await server.room("room").publish("noted", {});
    await slow.next(({ seq }) => seq === 601);
  });
});
