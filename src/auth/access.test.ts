import { describe, expect, it } from "vitest";
import { parseRoomId } from "../protocol/index.ts";
import { createFakeClock } from "../testing/fake-clock.ts";
import { type AccessDecision, type AccessUser, createAccess } from "./access.ts";

const userWith = (rooms?: unknown, id = "ada"): AccessUser => ({
  id,
  name: id,
  guest: false,
  claims: rooms === undefined ? { sub: id } : { sub: id, rooms },
});
const access = (chat?: AccessDecision, rule?: AccessDecision) => {
  const can = createAccess({ namespaces: [{ name: "chat", access: chat }, { name: "user" }, { name: "feed" }], rule });
  return (user: AccessUser, roomId: string, right: "read" | "write" | "admin") => can(user, parseRoomId(roomId), right);
};

describe("createAccess", () => {
  it("lets every user read and write, and nobody be admin, where nothing is said", () => {
    const can = access();
    expect(can(userWith(), "lobby", "read")).toBe(true);
    expect(can(userWith(), "lobby", "write")).toBe(true);
    expect(can(userWith(), "lobby", "admin")).toBe(false);
  });

  it("gives nothing in a namespace that does not exist", () => {
    expect(access()(userWith(), "nowhere:x", "read")).toBe(false);
    expect(access()(userWith({ "*": ["read"] }), "nowhere:x", "read")).toBe(false);
  });

  it("AUTH-8 limits a token to what its claim lists", () => {
    const can = access();
    const user = userWith({ "chat:team-*": ["read", "write"], "feed:news": ["read"], lobby: ["admin"] });
    expect(can(user, "chat:team-1", "write")).toBe(true);
    expect(can(user, "chat:team", "read")).toBe(false);
    expect(can(user, "feed:news", "read")).toBe(true);
    expect(can(user, "feed:news", "write")).toBe(false);
    expect(can(user, "feed:newsroom", "read")).toBe(false);
    expect(can(user, "chat:lobby", "admin")).toBe(true);
    expect(can(user, "chat:lobby", "read")).toBe(false);
    expect(can(userWith({ "*": ["read"] }), "feed:anything", "read")).toBe(true);
  });

  it("AUTH-8 adds up the patterns that fit", () => {
    const can = access();
    const user = userWith({ "chat:*": ["read"], "chat:lobby": ["write"], lobby: ["admin"] });
    for (const right of ["read", "write", "admin"] as const) expect(can(user, "chat:lobby", right)).toBe(true);
  });

  it("AUTH-8 an empty claim gives nothing", () => {
    expect(access()(userWith({}), "lobby", "read")).toBe(false);
  });

  it("asks the namespace's rule and the configuration's, and both must say yes", () => {
    const yes = () => true;
    const no = () => false;
    for (const [chat, rule, expected] of [
      [yes, yes, true],
      [yes, no, false],
      [no, yes, false],
      [undefined, yes, true],
      [yes, undefined, true],
      [no, undefined, false],
    ] as const) {
      expect(access(chat, rule)(userWith(), "lobby", "read")).toBe(expected);
      expect(access(chat, rule)(userWith(), "lobby", "admin")).toBe(expected);
    }
  });

  it("tells the rule who, where and what", () => {
    const questions: unknown[] = [];
    const can = access((question) => questions.push(question) > 0);
    const user = userWith();
    can(user, "lobby", "write");
    expect(questions).toEqual([{ user, roomId: "chat:lobby", name: "lobby", right: "write" }]);
  });

  it("waits for rules that ask elsewhere", async () => {
    const can = access(
      async ({ right }) => right === "read",
      async () => true,
    );
    expect(await can(userWith(), "lobby", "read")).toBe(true);
    expect(await can(userWith(), "lobby", "write")).toBe(false);
    expect(await access(async () => true)(userWith(), "lobby", "read")).toBe(true);
  });

  it("asks no rule when the claim already says no", () => {
    let asked = 0;
    const can = access(() => ++asked > 0);
    expect(can(userWith({}), "lobby", "read")).toBe(false);
    expect(asked).toBe(0);
  });

  it("tells a rule's failure to the operator and no to the user", async () => {
    const clock = createFakeClock();
    const failures: unknown[] = [];
    const make = (decide: AccessDecision) => {
      const can = createAccess({
        namespaces: [{ name: "chat", access: decide }],
        clock,
        onFailure: (error) => void failures.push(error),
      });
      return can(userWith(), parseRoomId("lobby"), "read");
    };
    expect(
      make(() => {
        throw new Error("database down");
      }),
    ).toBe(false);
    expect(await make(() => Promise.reject(new Error("database down")))).toBe(false);
    const hanging = make(() => new Promise(() => {}));
    await clock.advance(5_000);
    expect(await hanging).toBe(false);
    expect(failures).toHaveLength(3);
    expect(clock.pendingTimers).toBe(0);
  });
});
