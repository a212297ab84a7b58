import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Json, SUBPROTOCOLS } from "../../src/protocol/index.ts";
import { defineNamespace } from "../../src/session/namespace.ts";
import { createFakeClock, type FakeClock } from "../../src/testing/fake-clock.ts";
import { RawClient, startServer, until } from "../harness.ts";

const ROOM = "board:room";
const board = defineNamespace({
  name: "board",
  messages: {
    set: {
      handle: async (context, payload) => {
        const { family, key, value } = payload as { family: string; key: string; value: Json };
        return { changed: await context.state(family).set(key, value) };
      },
    },
    remove: {
      handle: (context, payload) => {
        const { family, key } = payload as { family: string; key: string };
        return { changed: context.state(family).remove(key) };
      },
    },
    note: { handle: (context, payload) => context.event("note", payload as { [key: string]: Json }) },
  },
  state: {
    value: { event: "value_changed", change: (key: string, value: Json) => ({ key, value }) },
    leased: {
      event: "lease_changed",
      leaseMs: 5_000,
      change: (key: string, value: Json, last: Json) => ({ key, value, last }),
    },
  },
});

describe("state", () => {
  let clock: FakeClock;
  let server: Awaited<ReturnType<typeof startServer>>;
  beforeEach(async () => {
    clock = createFakeClock();
    server = await startServer({ namespaces: [board], clock });
  });
  afterEach(() => server.close());

  const enter = async (user: string) => {
    const client = await RawClient.open(server, user);
    const { payload } = await client.join(ROOM);
    return { client, state: (payload as { state: { [family: string]: { [key: string]: Json } } }).state };
  };
  const set = (client: RawClient, key: string, value: Json, family = "value") =>
    client.ask("set", { roomId: ROOM, family, key, value });
  /** Makes a reader's socket take no more, and tells when the server has noticed. */
  const stall = async (client: RawClient) => {
    client.socket.pause();
    const text = "x".repeat(60_000);
    await until(async () => {
      for (let index = 0; index < 20; index++) await server.room(ROOM).signal("filler", text);
      // Those who read have a moment to take it.
      for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
      return /readers_stalled 1/.test(await server.metrics());
    }, 20_000);
  };
  const changes = (client: RawClient, type = "value_changed") =>
    client.received
      .filter((envelope) => envelope.type === type)
      .map(({ payload }) => payload as { key: string; value: Json });

  it("STA-1: joined_room has the latest value per key, by family; a change comes without seq", async () => {
    const { client: ada, state } = await enter("ada");
    expect(state).toEqual({});
    await set(ada, "a", 1);
    await set(ada, "a", 2);
    await set(ada, "b", { deep: [true] });
    await set(ada, "k", "v", "leased");
    await until(() => changes(ada).length >= 2 && changes(ada, "lease_changed").length === 1);
    const { client: ben, state: later } = await enter("ben");
    expect(later).toEqual({ value: { a: 2, b: { deep: [true] } }, leased: { k: "v" } });
    await set(ada, "a", 3);
    const change = await ben.next("value_changed");
    expect(change).toMatchObject({ payload: { key: "a", value: 3 }, roomId: ROOM });
    expect(change).not.toHaveProperty("seq");
    expect(changes(ben)).toHaveLength(1);
    await ada.ask("remove", { roomId: ROOM, family: "value", key: "a" });
    expect((await ben.next("value_changed")).payload).toEqual({ key: "a", value: null });
    expect((await enter("cy")).state.value).toEqual({ b: { deep: [true] } });
  });

  it("STA-1, ENV-5: no key and no user can make the state one that other clients cannot read", async () => {
    const { client: ada } = await enter("ada");
    expect(await set(ada, "__proto__", { polluted: true })).toMatchObject({ error: { code: "invalid_message" } });
    expect(await set(ada, "constructor", 1)).toMatchObject({ success: true });
    const eve = await RawClient.open(server, "__proto__");
    await eve.join("lobby");
    const ben = await RawClient.open(server, "ben", { protocols: [SUBPROTOCOLS.msgpack] });
    expect((await ben.join(ROOM)).payload).toMatchObject({ state: { value: { constructor: 1 } } });
    expect((await ben.join("lobby")).type).toBe("joined_room");
  });

  it("STA-1: what a connection set is removed when it leaves or drops", async () => {
    const { client: ada } = await enter("ada");
    const { client: ben } = await enter("ben");
    const { client: cy } = await enter("cy");
    await set(ada, "ada", 1);
    await set(ben, "ben\nwith a line break", 1);
    await until(() => changes(cy).length === 2);
    ada.send("leave_room", ROOM);
    expect((await cy.next(({ payload }) => (payload as { value?: Json }).value === null)).payload).toMatchObject({
      key: "ada",
    });
    ben.socket.terminate();
    await cy.next(({ payload }) => (payload as { value?: Json }).value === null);
    expect((await enter("dan")).state).toEqual({});
  });

  it("STA-1: a slow reader gets only the newest value of a key", { timeout: 60_000 }, async () => {
    const { client: ada } = await enter("ada");
    const { client: slow } = await enter("slow");
    await stall(slow);
    for (let value = 1; value <= 100; value++) await set(ada, "a", value);
    await set(ada, "came and went", 1);
    await ada.ask("remove", { roomId: ROOM, family: "value", key: "came and went" });
    await set(ada, "b", "last");
    slow.socket.resume();
    await slow.next(({ payload }) => (payload as { key?: string }).key === "b", 30_000);
    expect(changes(slow)).toEqual([
      { key: "a", value: 100 },
      { key: "b", value: "last" },
    ]);
    await set(ada, "a", 101);
    expect((await slow.next("value_changed")).payload).toEqual({ key: "a", value: 101 });
  });

  it("STA-2: a value with a lease disappears by itself and is announced like a removal", async () => {
    const { client: ada } = await enter("ada");
    const { client: ben } = await enter("ben");
    await set(ada, "k", "v", "leased");
    await ben.next("lease_changed");
    await clock.advance(4_000);
    await set(ada, "k", "w", "leased");
    expect((await ben.next("lease_changed")).payload).toEqual({ key: "k", value: "w", last: "v" });
    await clock.advance(4_000);
    expect((await enter("cy")).state).toEqual({ leased: { k: "w" } });
    await clock.advance(2_100);
    expect((await ben.next("lease_changed")).payload).toEqual({ key: "k", value: null, last: "w" });
    expect((await enter("dan")).state).toEqual({});
  });

  it("STA-3: a reader too far behind gets the whole, which replaces all it had", { timeout: 60_000 }, async () => {
    const { client: ada } = await enter("ada");
    await set(ada, "old", 1);
    const { client: slow } = await enter("slow");
    await stall(slow);
    await ada.ask("remove", { roomId: ROOM, family: "value", key: "old" });
    for (let index = 0; index < 1_200; index++)
      ada.send("set", { roomId: ROOM, family: "value", key: `k${index % 40}`, value: index });
    await ada.ask("ping", {});
    slow.socket.resume();
    const { payload } = await slow.next("room_state", 30_000);
    const { roomId, state } = payload as { roomId: string; state: { value: { [key: string]: Json } } };
    expect(roomId).toBe(ROOM);
    expect(state.value).toEqual(
      Object.fromEntries(Array.from({ length: 40 }, (_, index) => [`k${index}`, 1_160 + index])),
    );
    expect(changes(slow)).toEqual([]);
    await set(ada, "k0", "new");
    expect((await slow.next("value_changed")).payload).toEqual({ key: "k0", value: "new" });
  });
});
