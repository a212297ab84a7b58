import { afterEach, describe, expect, it } from "vitest";
import { createMemoryLog } from "../../src/log/memory.ts";
import { defineNamespace, type Namespace } from "../../src/session/namespace.ts";
import { createFakeClock } from "../../src/testing/fake-clock.ts";
import { createFaultyLog } from "../../src/testing/faulty-log.ts";
import { type AckPayload, RawClient, startServer, until } from "../harness.ts";

/** A gate that handlers wait at. */
function createGate() {
  let waiting = 0;
  let open = (): void => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return {
    open: () => open(),
    pass: async () => {
      waiting++;
      await opened;
    },
    get waiting() {
      return waiting;
    },
  };
}

describe("the order of one connection's messages", () => {
  let server: Awaited<ReturnType<typeof startServer>>;
  afterEach(() => server.close());

  const isAck = (messageId: string) => (envelope: { type: string; messageId?: string | undefined }) =>
    envelope.type === "ack" && envelope.messageId === messageId;

  /** One whose message waits in `kind` while the one before it is refused; then what was refused comes again, in order. */
  const refuseEarlier = async (define: (pass: () => Promise<void>) => Namespace) => {
    const gate = createGate();
    const log = createFaultyLog(createMemoryLog());
    server = await startServer({ log, namespaces: [define(gate.pass)] });
    const ada = await RawClient.open(server, "ada");
    await ada.join("slow:room");
    const send = (type: string, messageId: string) => ada.send(type, { roomId: "slow:room" }, messageId);
    log.hangAppends();
    send("fast", "m0");
    await until(() => log.hanging === 1);
    log.failAppends(1);
    send("fast", "m1");
    send("slow", "m2");
    await until(() => gate.waiting === 1);
    log.release();
    expect(((await ada.next(isAck("m1"))).payload as AckPayload).success).toBe(false);
    gate.open();
    expect((await ada.next(isAck("m2"))).payload).toMatchObject({ error: { code: "unavailable", retryable: true } });
    expect(await ada.ask("fast", { roomId: "slow:room" }, "m1")).toMatchObject({ success: true, seq: 2 });
    expect(await ada.ask("slow", { roomId: "slow:room" }, "m2")).toMatchObject({ success: true, seq: 3 });
  };

  it("ACK-5: a message whose handler still waits is refused when one before it is", async () => {
    await refuseEarlier((pass) =>
      defineNamespace({
        name: "slow",
        messages: {
          slow: {
            handle: async (context) => {
              await pass();
              return context.event("done", {});
            },
          },
          fast: { handle: (context) => context.event("done", {}) },
        },
      }),
    );
  });

  it("ACK-5: so is one whose payload is still being checked", async () => {
    await refuseEarlier((pass) =>
      defineNamespace({
        name: "slow",
        messages: {
          slow: {
            payload: {
              "~standard": {
                version: 1 as const,
                vendor: "test",
                validate: async (value: unknown) => {
                  await pass();
                  return { value: value as object };
                },
              },
            },
            handle: (context) => context.event("done", {}),
          },
          fast: { handle: (context) => context.event("done", {}) },
        },
      }),
    );
  });

  it("ACK-5: so is one that met a change of what it amends, and runs again", async () => {
    await refuseEarlier((pass) => {
      let runs = 0;
      return defineNamespace({
        name: "slow",
        messages: {
          slow: {
            handle: async (context) => {
              const [first] = await context.room.read(0, 1);
              if (runs++ === 0) await pass();
              const expectData = runs === 1 ? "something else" : first!.data;
              return context.event("done", {}, { amend: [{ seq: 1, expectData, data: { runs } }] });
            },
          },
          fast: { handle: (context) => context.event("done", {}) },
        },
      });
    });
  });

  it("ACK-5: a refusal long after the last one was given up lasts its full time", async () => {
    const clock = createFakeClock();
    const log = createFaultyLog(createMemoryLog());
    server = await startServer({ log, clock });
    const ada = await RawClient.open(server, "ada");
    await ada.join("room");
    const ask = (messageId: string) => ada.ask("send_message", { roomId: "room", content: messageId }, messageId);
    log.failAppends(1);
    await ask("given up");
    await clock.advance(20_000);
    // Two at once: the second is refused for the first, whose own hold has only begun.
    log.failAppends(1);
    const both = [ask("m1"), ask("m2")];
    for (const answer of await Promise.all(both)) expect(answer.success).toBe(false);
    expect(await ask("m3")).toMatchObject({ success: false, error: { code: "unavailable" } });
    expect(await ask("m1")).toMatchObject({ success: true, seq: 1 });
    expect(await ask("m2")).toMatchObject({ success: true, seq: 2 });
  });
});
