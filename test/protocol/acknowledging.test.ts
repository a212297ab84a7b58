import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import { createMemoryLog } from "../../src/log/memory.ts";
import { type Json, YamabikoError } from "../../src/protocol/index.ts";
import type { ServerOptions } from "../../src/server/options.ts";
import { defineNamespace } from "../../src/session/namespace.ts";
import { createFakeClock } from "../../src/testing/fake-clock.ts";
import { createFaultyLog } from "../../src/testing/faulty-log.ts";
import { type AckPayload, RawClient, startServer, until } from "../harness.ts";

describe("acknowledgement", () => {
  let server: Awaited<ReturnType<typeof startServer>>;
  const begin = async (options: ServerOptions = {}) => {
    server = await startServer(options);
  };
  afterEach(() => server.close());

  const content = (text: string, roomId = "room") => ({ roomId, content: text });
  const acks = (client: RawClient) => client.received.filter(({ type }) => type === "ack");
  const joined = async (user: string, roomId = "room") => {
    const client = await RawClient.open(server, user);
    await client.join(roomId);
    return client;
  };

  it("ACK-1: a message with a messageId gets exactly one ack, whatever becomes of it", async () => {
    await begin();
    const ada = await joined("ada");
    const questions: [string, Json][] = [
      ["send_message", content("good")],
      ["send_message", { roomId: "room", content: 5 }],
      ["send_message", { roomId: "room" }],
      ["send_message", { roomId: 5 }],
      ["send_message", null],
      ["send_message", []],
      ["no_such_type", { roomId: "room" }],
      ["no type!", {}],
      ["join_room", { roomId: "other" }],
      ["join_room", { roomId: ".." }],
      ["leave_room", { roomId: "other" }],
      ["list_rooms", {}],
      ["load_history", { roomId: "room" }],
      ["typing_start", "room"],
      ["ping", {}],
    ];
    for (const [index, [type, payload]] of questions.entries()) ada.send(type, payload, `q${index}`);
    await ada.ask("ping", {}, "last");
    const counts = new Map<string | undefined, number>();
    for (const { messageId } of acks(ada)) counts.set(messageId, (counts.get(messageId) ?? 0) + 1);
    expect(Object.fromEntries(counts)).toEqual(
      Object.fromEntries([...questions.map((_, index) => [`q${index}`, 1]), ["last", 1]]),
    );
    for (const { payload } of acks(ada)) {
      const { success, error } = payload as AckPayload;
      if (success) expect(error).toBeUndefined();
      else
        expect(error).toMatchObject({
          code: expect.any(String),
          message: expect.any(String),
          retryable: expect.any(Boolean),
        });
    }
    expect(ada.received.some(({ type }) => type === "error")).toBe(false);
  });

  it("ACK-1: one without a messageId is answered only if it fails, by error", async () => {
    await begin();
    const ada = await joined("ada");
    ada.send("send_message", content("good"));
    await ada.next("new_message");
    ada.send("send_message", { roomId: "room", content: 5 });
    expect((await ada.next("error")).payload).toMatchObject({ code: "invalid_message", retryable: false });
    expect(acks(ada)).toEqual([]);
  });

  it("[article 4] ACK-2: success for an event is sent only after it is durable in the log", async () => {
    const log = createFaultyLog(createMemoryLog());
    await begin({ log });
    const ada = await joined("ada");
    log.hangAppends();
    ada.send("send_message", content("wait"), "slow");
    await until(() => log.hanging === 1);
    await ada.ask("ping", {});
    expect(acks(ada).some(({ messageId }) => messageId === "slow")).toBe(false);
    expect(ada.events()).toEqual([]);
    log.release();
    const { payload } = await ada.next(({ messageId, type }) => type === "ack" && messageId === "slow");
    const { epoch } = await server.room("room").view();
    expect(payload).toEqual({ success: true, savedId: `${epoch}:1`, seq: 1, epoch, duplicate: false });
  });

  it("[case 11] [case 12] [article 4] ACK-3: the same messageId again is the same event; other users' and rooms' are others", async () => {
    await begin();
    const [ada, ben] = [await joined("ada"), await joined("ben")];
    await ada.join("other");
    const first = await ada.ask("send_message", content("once"), "id");
    const again = await ada.ask("send_message", content("something else"), "id");
    expect(again).toEqual({ ...first, duplicate: true });
    const tab = await joined("ada");
    expect(await tab.ask("send_message", content("once"), "id")).toEqual({ ...first, duplicate: true });
    expect(await ben.ask("send_message", content("mine"), "id")).toMatchObject({ duplicate: false, seq: 2 });
    expect(await ada.ask("send_message", content("there", "other"), "id")).toMatchObject({ duplicate: false, seq: 1 });
    expect(
      (await server.room("room").history(0, 10)).map(({ payload }) => (payload as { content: string }).content),
    ).toEqual(["once", "mine"]);
  });

  it("ACK-3: holds for 24 h and over restarts", async () => {
    const directory = await mkdtemp(join(tmpdir(), "yamabiko-ack-"));
    const clock = createFakeClock();
    try {
      const options = { log: `sqlite:${join(directory, "log.db")}`, clock };
      await begin(options);
      const first = await (await joined("ada")).ask("send_message", content("once"), "id");
      await server.close();
      await clock.advance(24 * 60 * 60 * 1000 - 10_000);
      await begin(options);
      const ada = await joined("ada");
      expect(await ada.ask("send_message", content("once"), "id")).toEqual({ ...first, duplicate: true });
      expect((await server.room("room").view()).head).toBe(1);
      await server.close();
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  });

  it("ACK-4: seqs are in the order of sending, however handlers wait and whatever is refused between", async () => {
    const steps = defineNamespace({
      name: "steps",
      messages: {
        step: {
          handle: async (context, payload) => {
            const { turns = 0, ms = 0, bad = false } = payload as { turns?: number; ms?: number; bad?: boolean };
            for (let turn = 0; turn < turns; turn++) await Promise.resolve();
            if (ms > 0) await new Promise((resolve) => setTimeout(resolve, ms));
            if (bad) throw new YamabikoError("conflict", "asked for");
            return context.event("stepped", payload as { [key: string]: Json });
          },
        },
        now: { handle: (context, payload) => context.event("stepped", payload as { [key: string]: Json }) },
      },
    });
    await begin({ namespaces: [steps] });
    let run = 0;
    const step = fc.record({
      type: fc.constantFrom("step", "now"),
      room: fc.constantFrom("a", "b"),
      turns: fc.nat(3),
      ms: fc.constantFrom(0, 0, 0, 1, 5),
      bad: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 40 }), async (script) => {
        run++;
        const client = await RawClient.open(server, `user-${run}`);
        for (const room of ["a", "b"]) await client.join(`steps:${room}-${run}`);
        for (const [index, { type, room, ...payload }] of script.entries()) {
          client.send(type, { roomId: `steps:${room}-${run}`, ...payload }, `${room}${index}`);
        }
        await until(() => acks(client).length === script.length);
        for (const room of ["a", "b"]) {
          const mine = acks(client).filter(
            ({ messageId, payload }) => messageId!.startsWith(room) && (payload as AckPayload).success,
          );
          const bySeq = mine.map(({ messageId, payload }) => ({
            index: Number(messageId!.slice(1)),
            seq: (payload as AckPayload).seq!,
          }));
          bySeq.sort((one, other) => one.index - other.index);
          expect(bySeq.map(({ seq }) => seq)).toEqual(bySeq.map((_, index) => index + 1));
        }
        client.close();
      }),
      { numRuns: 25 },
    );
  });

  it("ACK-5: after a retryable refusal later ones are refused until one of the refused comes again", async () => {
    const log = createFaultyLog(createMemoryLog());
    await begin({ log });
    const ada = await joined("ada");
    await ada.join("other");
    log.failAppends(1);
    const refused = await ada.ask("send_message", content("1"), "m1");
    expect(refused).toMatchObject({ success: false, error: { code: "unavailable", retryable: true } });
    for (const id of ["m2", "m3"]) {
      expect(await ada.ask("send_message", content(id), id)).toMatchObject({
        error: { code: "unavailable", retryable: true },
      });
    }
    expect(await ada.ask("send_message", content("x", "other"), "o1")).toMatchObject({ success: true });
    const tab = await joined("ada");
    expect(await tab.ask("send_message", content("tab"), "t1")).toMatchObject({ success: true, seq: 1 });
    for (const [index, id] of ["m1", "m2", "m3", "m4"].entries()) {
      expect(await ada.ask("send_message", content(id), id)).toMatchObject({ success: true, seq: index + 2 });
    }
  });

  it("ACK-5: a refusal that is not retryable holds nothing up", async () => {
    await begin();
    const ada = await joined("ada");
    expect(await ada.ask("send_message", { roomId: "room" }, "m1")).toMatchObject({ error: { retryable: false } });
    expect(await ada.ask("send_message", content("2"), "m2")).toMatchObject({ success: true, seq: 1 });
  });

  it("ACK-5: after 10 s a client that has given up on what was refused may go on, also one that kept sending", async () => {
    const log = createFaultyLog(createMemoryLog());
    const clock = createFakeClock();
    await begin({ log, clock });
    const ada = await joined("ada");
    log.failAppends(1);
    await ada.ask("send_message", content("1"), "m1");
    for (let second = 1; second <= 9; second++) {
      await clock.advance(1_000);
      expect(await ada.ask("send_message", content("x"), `later-${second}`)).toMatchObject({
        error: { code: "unavailable" },
      });
    }
    await clock.advance(1_100);
    expect(await ada.ask("send_message", content("x"), "at last")).toMatchObject({ success: true, seq: 1 });
  });

  it("ACK-5: what came before a refused one is not refused for it, though it is still being handled", async () => {
    let release = (): void => {};
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    const slow = defineNamespace({
      name: "slow",
      messages: {
        slow: {
          handle: async (context) => {
            await gate;
            return context.event("done", {});
          },
        },
        fast: { handle: (context) => context.event("done", {}) },
      },
    });
    for (const limit of ["messagesPerSecond", "userMessagesPerSecond"] as const) {
      const clock = createFakeClock();
      await begin({ namespaces: [slow], clock, limits: { [limit]: 3 } });
      const ada = await RawClient.open(server, "ada");
      await ada.join("slow:room");
      await clock.advance(10_000);
      ada.send("slow", { roomId: "slow:room" }, "m1");
      for (let index = 2; index <= 8; index++) ada.send("fast", { roomId: "slow:room" }, `m${index}`);
      await until(async () => new RegExp(`${limit}"} [1-9]`).test(await server.metrics()));
      release();
      await until(() => acks(ada).length === 8);
      const results = acks(ada).map(({ messageId, payload }) => [messageId, (payload as AckPayload).seq ?? "refused"]);
      expect(results.filter(([, result]) => result !== "refused")).toEqual(
        [1, 2, 3, 4, 5, 6].map((seq) => [`m${seq}`, seq]),
      );
      await server.close();
    }
  });

  it("[case 13] ACK-6: acks nobody asked for are ignored", async () => {
    await begin();
    const [ada, ben] = [await joined("ada"), await joined("ben")];
    await ben.ask("send_message", content("x"), "theirs");
    for (const messageId of ["theirs", "nobody's", String(2 ** 53), "-1"]) {
      ada.send("ack", { success: true }, messageId);
      ada.send("ack", { success: false, error: { code: "internal" } }, messageId);
    }
    ada.sendValue({ type: "ack" });
    ada.sendValue({ type: "ack", messageId: "x", payload: null });
    await ada.ask("ping", {}, "after");
    expect(acks(ada).map(({ messageId }) => messageId)).toEqual(["after"]);
    expect(ada.received.some(({ type }) => type === "error")).toBe(false);
    expect((await server.room("room").view()).head).toBe(1);
  });

  it("ACK-7: savedId is the event's cursor: reading after it gives what came next", async () => {
    await begin();
    const ada = await joined("ada");
    const saved: string[] = [];
    for (const text of ["1", "2", "3"]) saved.push((await ada.ask("send_message", content(text))).savedId!);
    const { epoch } = await server.room("room").view();
    expect(saved).toEqual([`${epoch}:1`, `${epoch}:2`, `${epoch}:3`]);
    const ben = await RawClient.open(server, "ben");
    expect((await ben.join("room", { after: saved[1] })).payload).toMatchObject({ recovered: true, cursor: saved[1] });
    expect((await ben.next("new_message")).payload).toMatchObject({ content: "3" });
  });
});
