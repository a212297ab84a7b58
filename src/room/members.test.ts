import { beforeEach, describe, expect, it } from "vitest";
import { createFakeClock, type FakeClock } from "../testing/fake-clock.ts";
import { CROWD, GRACE_MS, Members, type PresenceVoice } from "./members.ts";
import { MEMBERS, RoomState } from "./state.ts";
import { range } from "./world.test-support.ts";

/** Nobody else to tell. */
const ALONE: PresenceVoice = { join() {}, leave() {}, say() {} };

describe("the members of a room", () => {
  let clock: FakeClock;
  let state: RoomState;
  let members: Members;
  let rev: number;

  beforeEach(() => {
    clock = createFakeClock();
    state = new RoomState({ keys: 10_000, bytes: 0 });
    members = new Members(state, clock, ALONE);
    rev = 0;
  });

  const join = (id: string) => members.join({ id, name: `the ${id}` });
  /** Who came (+) and went (-) since the last call. */
  const told = () => {
    const changes = state.changesSince(rev)!;
    rev = state.rev;
    return changes.map(({ family, key, value }) => {
      expect(family).toBe(MEMBERS);
      return `${value === null ? "-" : "+"}${key}`;
    });
  };

  it("are users, not connections: the first one to come and the last one to go are told", () => {
    join("ann");
    join("ann");
    expect(told()).toEqual(["+ann"]);
    members.leave("ann", "left");
    expect([members.count, told()]).toEqual([1, []]);
    members.leave("ann", "left");
    expect([members.count, told()]).toEqual([0, ["-ann"]]);
    expect(members.list()).toEqual({ count: 0, users: [] });
  });

  it("are told with their name, and with why they went", () => {
    join("ann");
    expect(state.changesSince(0)).toMatchObject([
      { value: { userId: "ann", userName: "the ann", joinedAt: clock.now() } },
    ]);
    members.leave("ann", "left");
    expect(state.changesSince(1)).toMatchObject([{ last: { userId: "ann", userName: "the ann", reason: "left" } }]);
  });

  it("stay through the grace after a drop, and a reconnect within it is nothing to tell", async () => {
    join("ann");
    const { users } = members.list();
    told();
    members.leave("ann", "dropped");
    await clock.advance(GRACE_MS - 1);
    members.sweep();
    expect([members.count, told()]).toEqual([1, []]);
    join("ann");
    await clock.advance(GRACE_MS * 2);
    members.sweep();
    expect([members.count, told()]).toEqual([1, []]);
    expect(members.list().users).toEqual(users);
  });

  it("are the same as text, however many come and go", async () => {
    const same = (): void => expect(JSON.parse(members.usersText())).toEqual(members.list().users);
    same();
    for (let index = 0; index < CROWD + 10; index++) {
      join(`${index}`);
      await clock.advance(1);
      same();
    }
    for (const index of [CROWD + 9, 0, 3, 50, 7]) {
      members.leave(`${index}`, "left");
      same();
    }
    join("0");
    same();
    for (let index = 0; index < CROWD; index++) {
      members.arrived({ userId: `other ${index}`, userName: "other", joinedAt: index });
      if (index % 20 === 0) join(`other ${index}`);
      if (index % 5 === 0) members.leave(`${index + 2}`, "left");
      same();
    }
    for (let index = 0; index < CROWD; index += 7) {
      members.departed(`other ${index}`, "left");
      same();
    }
    for (const { userId } of members.list(CROWD * 2).users) members.leave(userId, "dropped");
    await clock.advance(GRACE_MS);
    members.sweep();
    same();
  });

  it("go when the grace after a drop is over, and are then new when they come", async () => {
    join("ann");
    told();
    members.leave("ann", "dropped");
    await clock.advance(GRACE_MS);
    members.sweep();
    expect(state.changesSince(1)).toMatchObject([{ last: { reason: "dropped" } }]);
    expect([members.count, told()]).toEqual([0, ["-ann"]]);
    join("ann");
    expect(told()).toEqual(["+ann"]);
  });

  it("who said that they go have no grace, though what they read with ends a moment later", async () => {
    join("ann");
    members.depart("ann");
    expect([members.count, told()]).toEqual([1, ["+ann"]]);
    members.leave("ann", "dropped");
    expect([members.count, told()]).toEqual([0, ["-ann"]]);
    join("ann");
    members.leave("ann", "dropped");
    members.depart("ann");
    expect(members.count).toBe(0);
  });

  it("have their grace again when they come back after they said that they go, or stay long after it", async () => {
    join("ann");
    members.depart("ann");
    join("ann");
    members.leave("ann", "dropped");
    members.leave("ann", "dropped");
    expect(members.count).toBe(1);
    join("ben");
    members.depart("ben");
    await clock.advance(GRACE_MS);
    members.leave("ben", "dropped");
    expect(members.list().users.map(({ userId }) => userId)).toContain("ben");
  });

  it("get the whole grace again at every drop", async () => {
    join("ann");
    members.leave("ann", "dropped");
    await clock.advance(GRACE_MS - 1);
    join("ann");
    members.leave("ann", "dropped");
    await clock.advance(GRACE_MS - 1);
    members.sweep();
    expect(members.count).toBe(1);
    await clock.advance(1);
    members.sweep();
    expect(members.count).toBe(0);
  });

  it("stay while another tab is joined, whichever way the first one went", async () => {
    join("ann");
    join("ann");
    members.leave("ann", "dropped");
    await clock.advance(GRACE_MS * 2);
    members.sweep();
    expect(members.count).toBe(1);
    members.leave("ann", "left");
    expect([members.count, told()]).toEqual([0, []]);
  });

  it("are not counted down by connections that were gone already", () => {
    join("ann");
    told();
    members.leave("ann", "dropped");
    members.leave("ann", "left");
    members.leave("nobody", "left");
    expect([members.count, told()]).toEqual([1, []]);
    join("ann");
    expect([members.count, told()]).toEqual([1, []]);
    members.leave("ann", "left");
    expect(members.count).toBe(0);
  });

  it(`beyond ${CROWD} are not told one by one; the count is, once per sweep`, () => {
    for (const id of range(1, CROWD)) join(`${id}`);
    expect(told()).toHaveLength(CROWD);
    expect(members.sweep()).toBe(false);
    join("one more");
    join("and more");
    expect(told()).toEqual([]);
    expect([members.sweep(), members.sweep()]).toEqual([true, false]);
    members.leave("and more", "left");
    members.leave("1", "left");
    expect(told()).toEqual([]);
    expect([members.sweep(), members.sweep()]).toEqual([true, false]);
    members.leave("2", "left");
    expect(told()).toEqual(["-2"]);
    expect(members.sweep()).toBe(false);
  });

  it("MEM-3: the more of them a crowd has, the less often it is told its count", async () => {
    const seconds = async (): Promise<number> => {
      join(`${members.count}`);
      for (let second = 1; ; second++) {
        await clock.advance(1_000);
        if (members.sweep()) return second;
      }
    };
    const tellings: number[] = [];
    for (const size of [CROWD, 199, 998, 20_000]) {
      for (const id of range(members.count, size - 1)) join(`${id}`);
      await seconds();
      tellings.push(await seconds());
    }
    expect(tellings).toEqual([1, 1, 5, 30]);
  });

  it("MEM-3: a crowd that has gone is told so soon, however large it was", async () => {
    for (const id of range(1, 6_000)) join(`${id}`);
    expect(members.sweep()).toBe(true);
    for (const id of range(11, 6_000)) members.leave(`${id}`, "left");
    await clock.advance(1_000);
    expect(members.sweep()).toBe(true);
    await clock.advance(1_000);
    expect(members.sweep()).toBe(false);
  });

  it(`are listed up to ${CROWD}, and all of them counted`, () => {
    for (const id of range(1, CROWD + 5)) join(`${id}`);
    expect(members.list().count).toBe(CROWD + 5);
    expect(members.list().users).toHaveLength(CROWD);
    expect(members.list(2).users.map(({ userId }) => userId)).toEqual(["1", "2"]);
  });

  describe("of several nodes", () => {
    const presence = (id: string, joinedAt = 5) => ({ userId: id, userName: `the ${id}`, joinedAt });

    it("are one list, and one user on two nodes is one member", () => {
      join("ann");
      members.arrived(presence("ann"));
      members.arrived(presence("bob"));
      members.arrived(presence("bob"));
      expect(told()).toEqual(["+ann", "+bob"]);
      expect(members.list()).toMatchObject({ count: 2, users: [{ userId: "ann" }, { userId: "bob", joinedAt: 5 }] });
      members.departed("bob", "dropped");
      members.departed("ann", "left");
      expect([members.count, told()]).toEqual([2, []]);
      members.departed("bob", "left");
      expect(state.changesSince(rev)).toMatchObject([{ key: "bob", last: { reason: "left" } }]);
      members.leave("ann", "left");
      expect([members.count, told()]).toEqual([0, ["-bob", "-ann"]]);
    });

    it("keep the time they came when they come back on another node", async () => {
      members.arrived(presence("ann"));
      join("ann");
      members.departed("ann", "dropped");
      expect(members.list().users).toEqual([presence("ann")]);
      expect(told()).toEqual(["+ann"]);
    });

    it("are a crowd together (MEM-3)", () => {
      for (const id of range(1, CROWD)) members.arrived(presence(`${id}`));
      told();
      join("ann");
      expect([members.count, told(), members.sweep()]).toEqual([CROWD + 1, [], true]);
    });

    it("go at once when they say so on another node, unless they are joined here", async () => {
      join("ann");
      members.hearLeft("ann", false);
      expect(members.count).toBe(1);
      members.leave("ann", "dropped");
      members.hearLeft("ann", false);
      expect(told()).toEqual([]);
      expect(members.count).toBe(0);
      join("bob");
      members.hearLeft("bob", true);
      members.leave("bob", "dropped");
      expect(members.count).toBe(0);
    });
  });

  it("do not go uncounted when a room has no place for state", () => {
    state = new RoomState({ keys: 0, bytes: 0 });
    members = new Members(state, clock, ALONE);
    join("ann");
    join("bob");
    expect([members.count, told()]).toEqual([2, ["+ann", "+bob"]]);
    members.leave("bob", "left");
    expect([members.count, told()]).toEqual([1, ["-bob"]]);
  });
});
