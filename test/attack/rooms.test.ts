import { afterEach, describe, expect, it } from "vitest";
import { RawClient, until } from "../harness.ts";
import { IS_FULL, Siege } from "./siege.ts";

const TIMEOUT = { timeout: 180_000 };

describe("rooms that are misused", () => {
  let siege: Siege;
  afterEach(() => siege.end());

  it("[case 42] one connection has at most its rooms, and rooms nobody is in are let go of", TIMEOUT, async () => {
    siege = await Siege.start({ limits: { idleRooms: 100 } });
    const eve = await RawClient.open(siege.server, "eve");
    for (let room = 0; room < 200; room++) eve.send("join_room", { roomId: `many-${room}` }, `j${room}`);
    const answered = () => eve.received.filter(({ type }) => type === "ack");
    await until(() => answered().length === 200);
    expect(answered().filter(({ payload }) => (payload as { success: boolean }).success).length).toBe(128);
    // Else she would be a member of all of them for 10 s more (MEM-2).
    await Promise.all(Array.from({ length: 200 }, (_, room) => eve.ask("leave_room", { roomId: `many-${room}` })));
    eve.close();
    const churn = async (count: number, name: string): Promise<void> => {
      const client = await RawClient.open(siege.server, "mallory");
      for (let room = 0; room < count; room += 50) {
        const roomIds = Array.from({ length: 50 }, (_, index) => `${name}-${room + index}`);
        await Promise.all(roomIds.map((roomId) => client.ask("join_room", { roomId })));
        await Promise.all(roomIds.map((roomId) => client.ask("leave_room", { roomId })));
        client.rewind();
      }
      client.close();
    };
    await churn(200, "warm");
    await until(async () => (await siege.metric("rooms")) < 120, 30_000);
    const before = siege.held();
    await churn(IS_FULL ? 100_000 : 500, "churn");
    await until(async () => (await siege.metric("rooms")) < 120, 30_000);
    expect(siege.held() - before).toBeLessThan(6 * 1024 * 1024);
    await siege.calm();
  });

  it(
    "[case 18] the series of the metrics are as many, however many rooms, users and types there are",
    TIMEOUT,
    async () => {
      siege = await Siege.start();
      // What the runtime says of itself differs from one time to the next.
      const series = async () => (await siege.server.metrics()).match(/^yamabiko_(?!nodejs_|process_)\S+/gm)!.length;
      const visit = async (name: string, count: number): Promise<void> => {
        for (let index = 0; index < count; index++) {
          const client = await RawClient.open(siege.server, `${name}-${index}`);
          await client.ask("join_room", { roomId: `${name}-${index}` });
          await client.ask("send_message", { roomId: `${name}-${index}`, content: "x" });
          await client.ask(`${name}_${index}`, { roomId: `${name}-${index}` });
          client.close();
        }
      };
      await visit("first", 3);
      const before = await series();
      await visit("more", IS_FULL ? 2_000 : 60);
      expect(await series()).toBe(before);
      expect(await siege.server.metrics()).not.toMatch(/more-\d/);
      await siege.calm();
    },
  );

  it("[case 9] nothing is done for one who is not in the room, whatever it says it is", async () => {
    siege = await Siege.start();
    const ada = await RawClient.open(siege.server, "ada");
    await ada.join("room");
    const eve = await RawClient.open(siege.server, "eve");
    const forged = { userId: "ada", senderId: "ada", user: { id: "ada" }, from: "ada", roomId: "room" };
    for (const type of [
      "send_message",
      "edit_message",
      "delete_message",
      "typing_start",
      "read_messages",
      "add_reaction",
    ]) {
      const payload = { ...forged, content: "x", seq: 1, emoji: "👍", upTo: 1 };
      const { success, error } = await eve.ask(type, payload);
      expect([type, success, error?.code]).toEqual([type, false, "not_joined"]);
    }
    await eve.join("room");
    await ada.next("user_joined");
    expect(await eve.ask("send_message", { ...forged, content: "mine" })).toMatchObject({ success: true });
    expect((await ada.next("new_message")).payload).toMatchObject({ userId: "eve" });
    expect((await siege.server.room("room").view()).head).toBe(1);
    for (const client of [ada, eve]) client.close();
    await siege.calm();
  });

  it("[case 21] names that every object has are names like others, and change no object", async () => {
    siege = await Siege.start();
    const eve = await RawClient.open(siege.server, "eve");
    for (const name of ["constructor", "toString", "hasOwnProperty", "valueOf", "prototype", "__proto__"]) {
      await eve.ask("join_room", { roomId: name });
      await eve.ask("join_room", { roomId: `chat:${name}` });
      await eve.ask(name.replaceAll("__", "_"), { roomId: "room" });
      eve.socket.send(`{"type":"${name}","payload":{"roomId":"${name}","__proto__":{"polluted":1}}}`);
      eve.socket.send(`{"type":"send_message","__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}`);
    }
    await eve.ask("ping", {});
    expect(({} as { polluted?: number }).polluted).toBeUndefined();
    expect(Object.keys(Object.prototype)).toEqual([]);
    eve.close();
    await siege.calm();
  });

  it("[case 58] the watch tells of a loop that stood still, and nobody is cut off for it", async () => {
    siege = await Siege.start();
    const ada = await RawClient.open(siege.server, "ada");
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1_500);
    await until(async () => (await siege.metric("stalls_total")) > 0);
    expect(siege.lines.some((line) => line.includes("stood still") && JSON.parse(line).stallMs >= 500)).toBe(true);
    expect(await ada.ask("ping", {})).toEqual({ success: true });
    ada.close();
    await siege.calm();
  });
});
