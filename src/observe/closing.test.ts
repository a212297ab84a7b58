import { describe, expect, it } from "vitest";
import { CLOSE_CODES, type CloseName } from "../protocol/index.ts";
import { ABNORMAL_CLASSES, CLOSE_CLASSES, type CloseReason, classOf } from "./closing.ts";

const known = { isDraining: false, isKnown: true, isBehind: false };

describe("the class of a connection's end", () => {
  it("is there for every reason", () => {
    const reasons: CloseReason[] = [...(Object.keys(CLOSE_CODES) as CloseName[]), "aborted"];
    for (const reason of reasons) expect(Object.keys(CLOSE_CLASSES)).toContain(classOf(reason, known));
  });

  it("tells who ended it, and why", () => {
    expect(classOf("going_away", known)).toBe("client");
    expect(classOf("aborted", known)).toBe("network");
    expect(classOf("heartbeat_timeout", known)).toBe("heartbeat");
    expect(classOf("heartbeat_timeout", { ...known, isBehind: true })).toBe("slow");
    expect(classOf("invalid_payload", known)).toBe("protocol");
    expect(classOf("too_many", known)).toBe("limit");
    expect(classOf("unauthenticated", known)).toBe("auth");
    expect(classOf("try_later", { ...known, isKnown: false })).toBe("auth");
    expect(classOf("try_later", known)).toBe("server");
    expect(classOf("restart", known)).toBe("drain");
  });

  it("is a drain whatever happens while the server ends", () => {
    expect(classOf("aborted", { ...known, isDraining: true })).toBe("drain");
    expect(ABNORMAL_CLASSES).not.toContain("drain");
    expect(ABNORMAL_CLASSES).not.toContain("client");
  });
});
