import { afterEach, describe, expect, it } from "vitest";
import { z } from "zod";
import type { JsonObject } from "../../src/protocol/index.ts";
import type { ServerOptions } from "../../src/server/options.ts";
import {
  defineNamespace,
  message,
  type OpenRoom,
  type ReaderContext,
  type RoomFeature,
  type StateDefinition,
  type StoredEvent,
} from "../../src/session/namespace.ts";
import { devToken, RawClient, startServer, until } from "../harness.ts";

/** A sum over the log, kept in memory while the room is open. */
class Sum implements RoomFeature {
  readonly room: OpenRoom;
  readonly changed: string[] = [];
  sum = 0;
  at = 0;

  constructor(room: OpenRoom) {
    this.room = room;
  }

  async load(): Promise<this> {
    for (const event of await this.room.read(0, 1_000)) this.advanced(event);
    return this;
  }

  advanced({ seq, data }: StoredEvent): void {
    if (seq <= this.at) return;
    this.sum += (JSON.parse(data) as { by: number }).by;
    this.at = seq;
  }

  start({ options }: ReaderContext) {
    return { seq: this.at, snapshot: { sum: this.sum, options } };
  }

  state({ options }: ReaderContext): JsonObject {
    return { values: this.room.value("gauge", "a"), options };
  }

  stateChanged({ key, value }: { key: string; value: unknown }): void {
    this.changed.push(`${key}=${JSON.stringify(value)}`);
  }
}

const features: Sum[] = [];

const gauge: StateDefinition = {
  event: "gauges",
  change: (key, value) => ({ [key]: value }),
  changes: (changes) => ({ values: Object.fromEntries(changes.map(({ key, value }) => [key, value])) }),
};

const valuesOf = (payload: unknown) => (payload as { values: Record<string, number> }).values;

const sums = defineNamespace({
  name: "sum",
  retention: { maxEvents: 10 },
  joinOptions: z.object({ last: z.number().max(9).optional() }),
  messages: {
    add: message({
      payload: z.object({ by: z.number() }),
      async handle({ feature, user, messageId }, { by }) {
        const { room } = feature as Sum;
        const { seq } = await room.append({
          type: "added",
          payload: { by },
          sender: user.id,
          messageId,
          expect: room.head,
        });
        return { seq };
      },
    }),
    gauge: message({
      payload: z.object({ key: z.string(), value: z.number() }),
      handle({ feature }, { key, value }) {
        (feature as Sum).room.state("gauge").set(key, value);
      },
    }),
  },
  state: { gauge },
  open(room) {
    const feature = new Sum(room);
    features.push(feature);
    return feature.load();
  },
});

describe("what a namespace keeps of an open room", () => {
  let server: Awaited<ReturnType<typeof startServer>>;
  const begin = async (options: ServerOptions = {}) => {
    features.length = 0;
    server = await startServer({ ...options, namespaces: [sums] });
  };
  afterEach(() => server.close());

  it("JOIN-7: is what a reader without a cursor starts from, and the events go on after it", async () => {
    await begin();
    const ada = await RawClient.open(server, "ada");
    await server.room("sum:a").publish("added", { by: 2 });
    await server.room("sum:a").publish("added", { by: 3 });
    const first = await ada.join("sum:a");
    expect(first.payload).toMatchObject({ snapshot: { sum: 5 }, head: 2, recovered: false });
    expect((first.payload as { cursor: string }).cursor).toMatch(/:2$/);
    ada.send("add", { roomId: "sum:a", by: 4 }, "m1");
    expect(await ada.next((envelope) => envelope.seq === 3)).toMatchObject({ type: "added", payload: { by: 4 } });
    const ben = await RawClient.open(server, "ben");
    ben.send("join_room", { roomId: "sum:a", limit: 3 });
    expect((await ben.next("joined_room")).payload).toMatchObject({ snapshot: { sum: 9 }, head: 3 });
    expect(features).toHaveLength(1);
  });

  it("JOIN-7: is not told to a reader whose cursor is good, and again to one whose cursor is too old", async () => {
    await begin();
    for (let by = 1; by <= 30; by++) await server.room("sum:b").publish("added", { by });
    const { epoch } = await server.room("sum:b").view();
    const good = await RawClient.open(server, "ada");
    good.send("join_room", { roomId: "sum:b", after: `${epoch}:29` });
    const joined = (await good.next("joined_room")).payload as JsonObject;
    expect(joined).toMatchObject({ recovered: true });
    expect(joined).not.toHaveProperty("snapshot");

    const old = await RawClient.open(server, "ben");
    old.send("join_room", { roomId: "sum:b", after: "another-epoch:3" });
    const again = (await old.next("joined_room")).payload as JsonObject;
    expect(again).toMatchObject({ recovered: false, snapshot: { sum: 465 }, cursor: `${epoch}:30` });
    expect((await old.next("history_lost")).payload).toMatchObject({ reason: "epoch", cursor: `${epoch}:30` });

    const answer = await fetch(`${server.url}/api/messages/wait`, {
      method: "POST",
      headers: { "Content-Type": "application/json", Authorization: `Bearer ${await devToken(server.url, "ada")}` },
      body: JSON.stringify({ cursor: "sum:b=another:3" }),
    });
    const { messages } = (await answer.json()) as { messages: { type: string; payload: JsonObject }[] };
    const lost = messages.find(({ type }) => type === "history_lost");
    expect(lost?.payload).toMatchObject({ reason: "epoch", snapshot: { sum: 465 }, cursor: `${epoch}:30` });
  });

  it("JOIN-7, RES-3: is what a reader goes on from that retention overtook while it did not take its bytes", async () => {
    await begin({ limits: { tailEvents: 5 } });
    const ada = await RawClient.open(server, "ada");
    await ada.join("sum:g");
    ada.socket.pause();
    const by = 7;
    for (let index = 0; index < 300; index++) {
      await server.room("sum:g").publish("added", { by, filling: "x".repeat(50_000) });
    }
    const { epoch } = await server.room("sum:g").view();
    await until(async () => ((await server.room("sum:g").history(0, 1))[0]?.seq ?? 0) > 280);
    ada.socket.resume();
    const lost = await ada.next("history_lost");
    expect(lost.payload).toMatchObject({ reason: "retention", snapshot: { sum: 300 * by }, cursor: `${epoch}:300` });
    await server.room("sum:g").publish("added", { by: 1 });
    await ada.next((envelope) => envelope.seq === 301);
  });

  it("JOIN-6: knows the members of join_room it named, and refuses what they may not be", async () => {
    await begin();
    const ada = await RawClient.open(server, "ada");
    ada.send("join_room", { roomId: "sum:c", last: 7, other: 1 });
    expect((await ada.next("joined_room")).payload).toMatchObject({
      snapshot: { options: { last: 7 } },
      state: { options: { last: 7 } },
    });
    for (const [index, bad] of [{ last: 10 }, { maxHz: 0 }, { maxHz: 61 }, { maxHz: "1" }].entries()) {
      ada.send("join_room", { roomId: "sum:d", ...bad }, `bad-${index}`);
      const ack = await ada.next(({ type, messageId }) => type === "ack" && messageId === `bad-${index}`);
      expect(ack.payload).toMatchObject({ success: false, error: { code: "invalid_message" } });
    }
    const token = await devToken(server.url, "ada");
    const answer = await fetch(`${server.url}/api/messages?roomId=sum:c&state=1&last=4`, {
      headers: { Authorization: `Bearer ${token}` },
    });
    expect(await answer.json()).toMatchObject({ state: { "sum:c": { options: { last: 4 } } } });
  });

  it("STA-4: tells all changes of a family in one envelope, the newest of each key", async () => {
    await begin();
    const ada = await RawClient.open(server, "ada");
    ada.send("join_room", { roomId: "sum:e", maxHz: 5 });
    await ada.next("joined_room");
    for (const value of [1, 2, 3]) {
      for (const key of ["a", "b"]) ada.send("gauge", { roomId: "sum:e", key, value }, `${key}${value}`);
    }
    await ada.next(({ type, payload }) => type === "gauges" && valuesOf(payload).b === 3);
    const told = ada.received.filter(({ type }) => type === "gauges");
    expect(told.length).toBeLessThanOrEqual(2);
    expect(features[0]!.changed).toEqual(["a=1", "b=1", "a=2", "b=2", "a=3", "b=3"]);
    const ben = await RawClient.open(server, "ben");
    expect((await ben.join("sum:e")).payload).toMatchObject({ state: { values: 3 } });
  });

  it("STA-4: tells all values to a reader too far behind", async () => {
    await begin();
    const ada = await RawClient.open(server, "ada");
    ada.send("join_room", { roomId: "sum:f", maxHz: 0.1 });
    await ada.next("joined_room");
    const gauge = await server.room("sum:f").state("gauge");
    gauge.set("kept", 1);
    await ada.next("gauges");
    for (let value = 1; value <= 2_000; value++) gauge.set("busy", value);
    // Another one of the same pace: nothing is gathered any longer.
    const ben = await RawClient.open(server, "ben");
    ben.send("join_room", { roomId: "sum:f", maxHz: 0.1 });
    const told = await ada.next(({ type, payload }) => type === "gauges" && "busy" in valuesOf(payload));
    expect(told.payload).toEqual({ values: { kept: 1, busy: 2_000 } });
    expect(ada.received.map(({ type }) => type)).not.toContain("room_state");
  });
});
