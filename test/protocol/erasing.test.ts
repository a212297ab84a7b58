import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { signToken } from "../../src/auth/jwt.ts";
import { createMemoryBus, createMemoryHub } from "../../src/bus/memory.ts";
import type { Log } from "../../src/log/log.ts";
import { createMemoryLog } from "../../src/log/memory.ts";
import type { Envelope, JsonObject } from "../../src/protocol/index.ts";
import { RawClient, startServer, until } from "../harness.ts";

const SECRET = "a secret that both nodes have, and nobody else";
const API_KEY = "an-api-key-of-back-ends";
/** What the person said, and what others said of her. */
const WORDS = "canary-words";

type Server = Awaited<ReturnType<typeof startServer>>;

/** Two nodes over one log. */
describe("erasing a person's data", () => {
  let here: Server;
  let there: Server;
  let log: Log;

  beforeEach(async () => {
    log = createMemoryLog();
    const hub = createMemoryHub();
    const start = () =>
      startServer({
        log,
        bus: createMemoryBus({ hub }),
        dev: false,
        auth: { secret: SECRET },
        apiKeys: [API_KEY],
        limits: { connectionsPerIp: 0 },
      });
    [here, there] = await Promise.all([start(), start()]);
  });

  afterEach(async () => {
    await Promise.all([here.close(), there.close()]);
  });

  async function enter(server: Server, user: string, ...rooms: string[]): Promise<RawClient> {
    const token = await signToken(SECRET, {
      user,
      name: user === "ann" ? `ann of ${WORDS}` : user,
      expiresInMs: 60_000,
    });
    const client = await RawClient.open(server, undefined, { headers: { Authorization: `Bearer ${token}` } });
    await client.next("welcome");
    for (const room of rooms) await client.join(room);
    return client;
  }

  async function erase(userId: string, server = here): Promise<{ status: number; body: JsonObject }> {
    const response = await fetch(`${server.url}/api/users/${userId}/erase`, {
      method: "POST",
      headers: { Authorization: `Bearer ${API_KEY}` },
    });
    return { status: response.status, body: (await response.json()) as JsonObject };
  }

  /** Everything the log holds of all rooms, as text. */
  async function everything(): Promise<string> {
    const { roomIds } = await log.rooms(null, 1_000);
    const pages = await Promise.all(roomIds.map((roomId) => log.read(roomId, 0, 1_000, Infinity)));
    const snapshots = await Promise.all(roomIds.map((roomId) => log.snapshot(roomId)));
    return JSON.stringify([pages.map(({ events }) => events.map(({ data }) => data)), snapshots]);
  }

  it.each([0, 1])("ERA-3: leaves nothing in an inbox of whose events retention has left %d", async (maxEvents) => {
    for (const server of [here, there]) {
      await server.notify("ann", { type: "news", title: WORDS });
      expect((await server.inbox("ann")).notifications).not.toEqual([]);
    }
    await log.trim("user:ann", { maxEvents });
    await erase("ann");
    for (const server of [here, there]) {
      expect(await server.inbox("ann")).toMatchObject({ notifications: [], unread: 0 });
    }
    await there.notify("ann", { type: "news", title: "later" });
    expect((await here.inbox("ann")).notifications).toMatchObject([{ title: "later" }]);
  });

  it("ERA-3: erases what is kept of a person's own room also when retention has taken all of its events", async () => {
    const { seq } = await log.append("user:ann", null, null, { type: "notification", data: "{}" });
    await log.putSnapshot("user:ann", seq, JSON.stringify({ notifications: [WORDS] }));
    await log.trim("user:ann", { maxEvents: 0 });
    expect(await everything()).toContain(WORDS);
    await erase("ann");
    expect(await everything()).not.toContain(WORDS);
  });

  it("ERA-1, ERA-2: leaves events without what was in them, in their places, and tells readers on every node", async () => {
    const ann = await enter(here, "ann", "lobby");
    const [near, far] = [await enter(here, "ben", "lobby"), await enter(there, "cai", "lobby")];
    await ann.ask("send_message", { roomId: "lobby", content: `one ${WORDS}` });
    await near.ask("send_message", { roomId: "lobby", content: "of ben" });
    await ann.ask("send_message", { roomId: "lobby", content: "two" });
    await ann.ask("edit_message", { roomId: "lobby", seq: 3, content: `two ${WORDS}` });
    for (const reader of [near, far]) await until(() => reader.events().length === 4);
    expect(await erase("ann")).toMatchObject({ status: 200, body: { userId: "ann", rooms: 1, events: 3, kept: 0 } });
    for (const reader of [near, far]) {
      const told = await reader.next("events_erased");
      expect(told).toMatchObject({ seq: 5, roomId: "chat:lobby", payload: { seqs: [1, 3, 4] } });
    }
    const gone = { userId: "", userName: "", content: null, deleted: true, erased: true, mentions: [], replyTo: null };
    // Whoever reads from the beginning, on the node that did it and on the other.
    for (const server of [here, there]) {
      const late = await enter(server, "dan");
      await late.join("lobby", { after: 0 });
      await until(() => late.events().length === 5);
      expect(late.events().map(({ seq }) => seq)).toEqual([1, 2, 3, 4, 5]);
      expect(late.events()[0]!.payload).toMatchObject(gone);
      expect(late.events()[1]!.payload).toMatchObject({ content: "of ben" });
      expect(late.events()[2]!.payload).toMatchObject(gone);
      expect(late.events()[3]!.payload).toMatchObject({ seq: 3, content: null, superseded: true, erased: true });
    }
    expect(await everything()).not.toContain(`two ${WORDS}`);
    expect(await everything()).not.toContain(`ann of ${WORDS}`);
    expect(ann.closeCode).toBe(4403);
  });

  it("ERA-3: takes the person out of others' messages, and empties the inbox, its snapshots and the marks", async () => {
    const ben = await enter(here, "ben", "lobby");
    const ann = await enter(there, "ann", "lobby");
    await ben.ask("send_message", { roomId: "lobby", content: "of ben", mentions: ["ann", "ben"] });
    await until(() => ann.events().length === 1);
    await ann.ask("add_reaction", { roomId: "lobby", seq: 1, emoji: "👍" });
    await ben.ask("add_reaction", { roomId: "lobby", seq: 1, emoji: "👍" });
    await ann.ask("read_messages", { roomId: "lobby" });
    for (let count = 0; count < 3; count++) await here.notify("ann", { type: "news", title: `${WORDS} ${count}` });
    await there.inbox("ann");
    const head = (await log.heads(["user:ann"])).get("user:ann")!.head;
    await log.putSnapshot("user:ann", head, JSON.stringify({ items: [{ title: WORDS }] }));

    expect((await erase("ann")).body).toMatchObject({ rooms: 2, marks: 1 });
    const [message] = (await log.read("chat:lobby", 0, 1)).events;
    expect(JSON.parse(message!.data)).toMatchObject({
      content: "of ben",
      mentions: ["ben"],
      reactions: { "👍": ["ben"] },
    });
    for (const server of [here, there]) {
      expect(await server.inbox("ann")).toMatchObject({ notifications: [], unread: 0, unseen: 0 });
    }
    expect(await log.marksOf("ann", "read")).toEqual(new Map());
    expect(await everything()).not.toContain(WORDS);
    // What comes later is there.
    await here.notify("ann", { type: "news", title: "welcome back" });
    expect((await there.inbox("ann")).notifications).toMatchObject([{ title: "welcome back" }]);
  });

  it("ERA-4: leaves documents as they are, and says how much of theirs stays", async () => {
    const ann = await enter(here, "ann", "document:readme");
    const changes = [[0, "Hello"]];
    expect(await ann.ask("document_change", { documentId: "readme", version: 0, changes: [changes] })).toMatchObject({
      success: true,
    });
    expect((await erase("ann")).body).toMatchObject({ events: 0, kept: 1 });
    const ben = await enter(there, "ben");
    const joined = await ben.join("document:readme");
    expect((joined.payload as { snapshot: JsonObject }).snapshot).toMatchObject({ text: "Hello", version: 1 });
  });

  it("ERA-5: changes nothing when it is asked for again", async () => {
    const ann = await enter(here, "ann", "lobby", "feed:news");
    await ann.ask("send_message", { roomId: "lobby", content: WORDS });
    await here.notify("ann", { type: "news", title: WORDS });
    await here.room("feed:news").publish("item", { text: WORDS }, { sender: "ann" });
    expect((await erase("ann")).body).toMatchObject({ rooms: 3, events: 3 });
    const before = await everything();
    expect((await erase("ann", there)).body).toMatchObject({ rooms: 0, events: 0, marks: 0 });
    expect(await everything()).toBe(before);
    expect(JSON.parse((await log.read("feed:news", 0, 1)).events[0]!.data)).toEqual({ erased: true });
  });

  it("ERA-1: goes on where others write meanwhile, and takes back ends alone", async () => {
    const [ann, ben] = [await enter(here, "ann", "lobby"), await enter(there, "ben", "lobby")];
    const said = Array.from({ length: 250 }, (_, index) =>
      here.room("lobby").publish("new_message", { content: `${WORDS} ${index}` }, { sender: "ann" }),
    );
    await Promise.all(said);
    const editing = ben.ask("send_message", { roomId: "lobby", content: "meanwhile" });
    expect((await erase("ann")).body).toMatchObject({ events: 250 });
    await editing;
    expect(await everything()).not.toContain(WORDS);
    const envelopes: Envelope[] = await here.room("lobby").history(0, 1_000);
    expect(envelopes.map(({ seq }) => seq)).toEqual(envelopes.map((_, index) => index + 1));
    const refused = await fetch(`${here.url}/api/users/ben/erase`, { method: "POST" });
    expect(refused.status).toBe(401);
    ann.close();
  });
});
