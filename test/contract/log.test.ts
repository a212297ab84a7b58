import { describe, expect, it, vi } from "vitest";
import { createMemoryLog } from "../../src/log/memory.ts";
import { createRemoteLog, serveLog } from "../../src/log/remote.ts";
import { YamabikoError } from "../../src/protocol/index.ts";
import { createFakeClock } from "../../src/testing/fake-clock.ts";
import { createFaultyLog } from "../../src/testing/faulty-log.ts";
import { logContract } from "../../src/testing/log-contract.ts";
import { createPortPair } from "./port-pair.ts";
import { sqliteHarness, sqliteTraits } from "./sqlite-harness.ts";

logContract(
  "memory",
  async () => {
    const still = createFakeClock();
    let moved = 0;
    const clock = { ...still, now: () => still.now() + moved, monotonic: () => still.monotonic() + moved };
    return {
      log: createMemoryLog({ clock }),
      advance(ms: number) {
        moved += ms;
      },
    };
  },
  { durable: false, clock: true },
);

logContract(
  "faulty over memory",
  async () => {
    const log = createFaultyLog(createMemoryLog());
    return {
      log,
      async breakAppends() {
        log.failAppends();
        return async () => log.heal();
      },
    };
  },
  { durable: false, breakable: true },
);

logContract(
  "remote, over a faulty memory",
  async () => {
    const faulty = createFaultyLog(createMemoryLog());
    const [here, there] = createPortPair();
    serveLog(faulty, there);
    return {
      log: createRemoteLog(here),
      async breakAppends() {
        faulty.failAppends();
        return async () => faulty.heal();
      },
      async dispose() {
        here.close();
      },
    };
  },
  { durable: false, breakable: true },
);

describe("a remote log", () => {
  it("refuses everything when the process that holds it has gone, what is under way too", async () => {
    const inner = createFaultyLog(createMemoryLog());
    inner.hangAppends();
    const [here, there] = createPortPair();
    serveLog(inner, there);
    const log = createRemoteLog(here);
    const event = { type: "said", data: "1" };
    const underWay = log.append("chat:a", null, null, event);
    await vi.waitFor(() => expect(inner.hanging).toBe(1));
    there.close();
    await expect(underWay).rejects.toMatchObject({ code: "unavailable", retryable: true });
    await expect(log.heads(["chat:a"])).rejects.toMatchObject({ code: "unavailable" });
    await log.close();
  });

  it("takes no append that was called before a failure was known, however long it was on its way", async () => {
    const inner = createFaultyLog(createMemoryLog());
    const [here, there] = createPortPair();
    serveLog(inner, there);
    const log = createRemoteLog(here);
    const say = (messageId: string) => log.append("chat:a", "ann", messageId, { type: "said", data: "1" });
    inner.failAppends(1);
    const outcome = (messageId: string) =>
      say(messageId).then(
        () => "appended",
        () => "refused",
      );
    const outcomes = [outcome("1")];
    // One after the other, so that they travel apart: the first has failed there before the others come.
    for (const messageId of ["2", "3", "4"]) {
      await new Promise((resolve) => setImmediate(resolve));
      outcomes.push(outcome(messageId));
    }
    const became = await Promise.all(outcomes);
    expect(became[0]).toBe("refused");
    // None that was called before it was known stands before a retry of the first.
    const refused = became.lastIndexOf("refused") + 1;
    expect(became.slice(0, refused)).not.toContain("appended");
    expect((await log.heads(["chat:a"])).get("chat:a")!.head).toBe(became.length - refused);
    here.close();
  });

  it("tells errors as the log does", async () => {
    const [here, there] = createPortPair();
    serveLog(createMemoryLog(), there);
    const log = createRemoteLog(here);
    const refused = log.append("chat:a", null, null, { type: "said", data: "1" }, { expect: 7 });
    await expect(refused).rejects.toBeInstanceOf(YamabikoError);
    await expect(refused).rejects.toMatchObject({ code: "conflict", retryable: false });
    here.close();
  });
});

logContract("sqlite, better-sqlite3, full", () => sqliteHarness({ driver: "better-sqlite3" }), sqliteTraits);

logContract(
  "sqlite, better-sqlite3, normal",
  () => sqliteHarness({ driver: "better-sqlite3", synchronous: "normal" }),
  sqliteTraits,
);
