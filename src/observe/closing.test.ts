import { describe, expect, it } from "vitest";
import { CLOSE_CODES, type CloseName } from "../protocol/index.ts";
import { ABNORMAL_CLASSES, CLOSE_CLASSES, type CloseReason, type Closing, classOf } from "./closing.ts";

const classFor = (reason: CloseReason, more: Partial<Closing> = {}) =>
  classOf({
    transport: "websocket",
    reason,
    isDraining: false,
    isBehind: false,
    ageMs: 1,
    address: null,
    connectionId: "c",
    userId: "ann",
    ...more,
  });

describe("the class of a connection's end", () => {
  it("is there for every reason", () => {
    const reasons: CloseReason[] = [...(Object.keys(CLOSE_CODES) as CloseName[]), "aborted"];
    for (const reason of reasons) expect(Object.keys(CLOSE_CLASSES)).toContain(classFor(reason));
  });

  it("tells who ended it, and why", () => {
    expect(classFor("going_away")).toBe("client");
    expect(classFor("aborted")).toBe("network");
    expect(classFor("heartbeat_timeout")).toBe("heartbeat");
    expect(classFor("heartbeat_timeout", { isBehind: true })).toBe("slow");
    expect(classFor("invalid_payload")).toBe("protocol");
    expect(classFor("too_many")).toBe("limit");
    expect(classFor("unauthenticated")).toBe("auth");
    expect(classFor("try_later", { userId: null })).toBe("auth");
    expect(classFor("try_later")).toBe("server");
    expect(classFor("restart")).toBe("drain");
  });

  it("is a drain whatever happens while the server ends", () => {
    expect(classFor("aborted", { isDraining: true })).toBe("drain");
    expect(ABNORMAL_CLASSES).not.toContain("drain");
    expect(ABNORMAL_CLASSES).not.toContain("client");
  });
});
