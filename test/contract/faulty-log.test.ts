import { beforeEach, describe, expect, it } from "vitest";
import { createMemoryLog } from "../../src/log/memory.ts";
import { createFaultyLog, type FaultyLog } from "../../src/testing/faulty-log.ts";

describe("a faulty log", () => {
  let log: FaultyLog;

  beforeEach(() => {
    log = createFaultyLog(createMemoryLog({ epoch: "e" }));
  });

  const say = (messageId: string, room = "chat:a") =>
    log.append(room, "user", messageId, { type: "said", data: "1" }).then(
      (result) => result,
      (error: { code: string }) => error.code,
    );

  it("fails as many appends as asked, and those of the same turn and room with them", async () => {
    log.failAppends(1);
    expect(await Promise.all([say("1"), say("2"), say("1", "chat:b")])).toEqual([
      "unavailable",
      "unavailable",
      expect.objectContaining({ epoch: "e", seq: 1 }),
    ]);
    expect(await say("1")).toMatchObject({ seq: 1, duplicate: false });
  });

  it("loses replies of what was committed", async () => {
    log.loseReplies(1);
    expect(await say("1")).toBe("unavailable");
    expect(await say("1")).toMatchObject({ seq: 1, duplicate: true });
  });

  it("lets appends hang until they are released, and keeps their order", async () => {
    log.hangAppends();
    const asked = [say("1"), say("2")];
    expect(log.hanging).toBe(2);
    expect((await log.heads(["chat:a"])).get("chat:a")!.head).toBe(0);
    log.release();
    expect(await Promise.all(asked)).toMatchObject([{ seq: 1 }, { seq: 2 }]);
    expect(await say("3")).toMatchObject({ seq: 3 });
    expect(log.hanging).toBe(0);
  });

  it("reports a failure after what was called before it", async () => {
    log.hangAppends();
    const order: unknown[] = [];
    const asked = [say("1").then((result) => order.push(result))];
    log.failAppends(1);
    asked.push(say("2").then((result) => order.push(result)));
    log.release();
    await Promise.all(asked);
    expect(order).toEqual([expect.objectContaining({ seq: 1 }), "unavailable"]);
  });

  it("is well again after `heal`", async () => {
    log.failAppends();
    expect(await say("1")).toBe("unavailable");
    log.heal();
    expect(await say("1")).toMatchObject({ seq: 1 });
  });
});
