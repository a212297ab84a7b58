import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createFakeClock, type FakeClock } from "../../src/testing/fake-clock.ts";
import { RawClient, startServer, until } from "../harness.ts";

interface Users {
  roomId: string;
  count: number;
  users: { userId: string; userName: string; joinedAt: number }[];
}

describe("members", () => {
  let clock: FakeClock;
  let server: Awaited<ReturnType<typeof startServer>>;
  beforeEach(async () => {
    clock = createFakeClock();
    server = await startServer({ clock });
  });
  afterEach(() => server.close());

  const enter = async (user: string) => {
    const client = await RawClient.open(server, user);
    await client.join("room");
    await client.next("room_users");
    return client;
  };
  const told = (client: RawClient) =>
    client.received
      .filter(({ type }) => type === "user_joined" || type === "user_left")
      .map(({ type, payload }) => {
        const { userId, reason } = payload as { userId: string; reason?: string };
        return `${userId} ${type === "user_joined" ? "joined" : reason}`;
      });
  const count = async () => (await server.room("room").members()).count;
  /** Ends a connection and waits until the server knows. */
  const drop = async (client: RawClient) => {
    const before = server.connections;
    client.socket.terminate();
    await until(() => server.connections === before - 1);
  };
  /** What was to be told has been told. */
  const settled = (client: RawClient) => client.ask("ping", {});

  it("MEM-1: room_users follows joined_room; others are told of a user's first connection only", async () => {
    const ada = await enter("ada");
    const ben = await RawClient.open(server, "ben");
    await ben.join("room");
    const { payload, roomId } = await ben.next("room_users");
    const { users, ...rest } = payload as Users;
    expect([roomId, rest]).toEqual(["chat:room", { roomId: "chat:room", count: 2 }]);
    expect(users).toEqual([
      { userId: "ada", userName: "ada", joinedAt: clock.now() },
      { userId: "ben", userName: "ben", joinedAt: clock.now() },
    ]);
    const order = ben.received.map(({ type }) => type);
    expect(order.indexOf("room_users")).toBe(order.indexOf("joined_room") + 1);
    expect((await ada.next("user_joined")).payload).toEqual({ userId: "ben", userName: "ben" });
    await enter("ben");
    await settled(ada);
    expect(told(ada)).toEqual(["ben joined"]);
    expect(told(ben)).toEqual([]);
  });

  it("MEM-2: a user stays for 10 s after a drop, so that a reconnect is not announced", async () => {
    const ada = await enter("ada");
    const ben = await enter("ben");
    await drop(ben);
    await clock.advance(9_000);
    expect(await count()).toBe(2);
    const again = await enter("ben");
    await clock.advance(20_000);
    await settled(ada);
    expect(told(ada)).toEqual(["ben joined"]);
    await drop(again);
    await clock.advance(9_000);
    await settled(ada);
    expect(told(ada)).toEqual(["ben joined"]);
    await clock.advance(2_100);
    expect((await ada.next("user_left")).payload).toEqual({ userId: "ben", userName: "ben", reason: "dropped" });
    expect(await count()).toBe(1);
  });

  it("MEM-2: leave_room ends it at once when it was the user's last connection", async () => {
    const ada = await enter("ada");
    const tabs = [await enter("ben"), await enter("ben"), await enter("ben")];
    tabs[0]!.send("leave_room", "room");
    await tabs[0]!.next("left_room");
    await drop(tabs[1]!);
    await clock.advance(15_000);
    await settled(ada);
    expect([told(ada), await count()]).toEqual([["ben joined"], 2]);
    tabs[2]!.send("leave_room", "room");
    expect((await ada.next("user_left")).payload).toEqual({ userId: "ben", userName: "ben", reason: "left" });
    expect(await count()).toBe(1);
  });

  it("MEM-2: joining again and again with one connection counts once", async () => {
    const ada = await enter("ada");
    const ben = await enter("ben");
    for (let index = 0; index < 5; index++) await ben.join("room");
    ben.send("leave_room", "room");
    expect((await ada.next("user_left")).payload).toMatchObject({ userId: "ben" });
    await settled(ada);
    expect(told(ada)).toEqual(["ben joined", "ben left"]);
  });

  it("[case 46] MEM-3: above 100 single arrivals are not told, and the count at most once a second", {
    timeout: 60_000,
  }, async () => {
    const ada = await enter("ada");
    const crowd: RawClient[] = [];
    for (let batch = 0; batch < 6; batch++) {
      const more = await Promise.all(Array.from({ length: 20 }, (_, index) => enter(`user-${batch}-${index}`)));
      crowd.push(...more);
    }
    await settled(ada);
    expect(await count()).toBe(121);
    expect(told(ada)).toHaveLength(99);
    const counts = () =>
      ada.received.filter(({ type }) => type === "room_users").map(({ payload }) => payload as Users);
    expect(counts()).toHaveLength(1);
    await clock.advance(1_000);
    await until(() => counts().length === 2);
    expect(counts()[1]).toMatchObject({ count: 121 });
    expect(counts()[1]!.users).toHaveLength(100);
    for (const client of crowd.slice(0, 5)) client.send("leave_room", "room");
    await Promise.all(crowd.slice(0, 5).map((client) => client.next("left_room")));
    await settled(ada);
    expect([told(ada).length, counts().length]).toEqual([99, 2]);
    await clock.advance(3_000);
    await until(() => counts().length === 3);
    await settled(ada);
    expect(counts().map((users) => users.count)).toEqual([1, 121, 116]);
  });
});
