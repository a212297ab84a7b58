import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it, vi } from "vitest";
import * as Y from "yjs";
import { createMemoryBus, createMemoryHub } from "../../../src/bus/memory.ts";
import { documents } from "../../../src/features/index.ts";
import { createMemoryLog } from "../../../src/log/memory.ts";
import type { ServerOptions } from "../../../src/server/options.ts";
import { devToken, RawClient, startServer } from "../../harness.ts";
import {
  converged,
  destroyWriters,
  HocuspocusWriter,
  hocuspocusSocket,
  names,
  until,
  type Writer,
  YWebsocketWriter,
} from "./yjs-provider.ts";

const ROOM = "document:plan";

type Server = Awaited<ReturnType<typeof startServer>>;

const servers: Server[] = [];

async function start(options: ServerOptions = {}): Promise<Server> {
  const server = await startServer(options);
  servers.push(server);
  return server;
}

afterEach(async () => {
  destroyWriters();
  await Promise.all(servers.splice(0).map((server) => server.close()));
});

/** One person with each kind of provider. */
const KINDS = [
  ["y-websocket", YWebsocketWriter],
  ["Hocuspocus", HocuspocusWriter],
] as const;

async function writers(server: Server): Promise<[YWebsocketWriter, HocuspocusWriter]> {
  const ann = new YWebsocketWriter(server.url, "plan", { token: await devToken(server.url, "ann") });
  const bob = new HocuspocusWriter(server.url, "plan", { token: await devToken(server.url, "bob") });
  await synced(ann, bob);
  return [ann, bob];
}

async function synced(...all: Writer[]): Promise<void> {
  await until("all are in sync", () => all.every(({ isSynced }) => isSynced));
}

describe("providers of both kinds", () => {
  it("YJS-1: edit one document together, each without knowing of the other kind", async () => {
    const server = await start();
    const [ann, bob] = await writers(server);
    ann.text.insert(0, "山彦 👨‍👩‍👧‍👦\n");
    bob.text.insert(0, "yama ");
    ann.doc.getMap("board").set("a", { x: 1 });
    bob.doc.getMap("board").set("b", [1, 2]);
    const text = await converged(ann, bob);
    expect([...text].sort().join("")).toBe([..."yama 山彦 👨‍👩‍👧‍👦\n"].sort().join(""));
    await until("the boards are one", () => ann.doc.getMap("board").size + bob.doc.getMap("board").size === 4);
    const late = new YWebsocketWriter(server.url, "plan");
    await synced(late);
    expect(late.text.toString()).toBe(text);
  });

  it("YJS-3: what was written offline is merged when they come back, and coming back stores nothing else", async () => {
    const log = createMemoryLog();
    const server = await start({ log });
    const [ann, bob] = await writers(server);
    ann.text.insert(0, "one two three");
    await converged(ann, bob);
    await Promise.all([ann.disconnect(), bob.disconnect()]);
    ann.text.insert(3, " and a half");
    bob.text.delete(0, 3);
    bob.text.insert(bob.text.length, " four");
    ann.connect();
    bob.connect();
    await synced(ann, bob);
    expect(await converged(ann, bob)).toBe(" and a half two three four");
    await until("bob's is saved", () => bob.isSaved);
    const { head } = (await log.heads([ROOM])).get(ROOM)!;
    for (const writer of [ann, bob]) {
      await writer.disconnect();
      writer.connect();
    }
    await synced(ann, bob);
    await until("bob's is saved", () => bob.isSaved);
    ann.text.insert(0, "!");
    await converged(ann, bob);
    expect((await log.heads([ROOM])).get(ROOM)!.head).toBe(head + 1);
  });

  it("YJS-4: Hocuspocus is told that an update is saved when it is durable", async () => {
    const log = createMemoryLog();
    const waiting: (() => void)[] = [];
    const { append } = log;
    let isSlow = false;
    log.append = async (...question) => {
      if (isSlow) await new Promise<void>((resolve) => waiting.push(resolve));
      return append.apply(log, question);
    };
    const [ann, bob] = await writers(await start({ log }));
    await until("there is nothing to save", () => bob.isSaved);
    isSlow = true;
    bob.text.insert(0, "a");
    await until("the log was asked", () => waiting.length === 1);
    expect(bob.isSaved).toBe(false);
    expect(ann.text.toString()).toBe("");
    isSlow = false;
    waiting[0]!();
    await until("it is saved", () => bob.isSaved);
    expect(await converged(ann, bob)).toBe("a");
  });

  it("YJS-10: one who comes after compaction and retention has everything", async () => {
    const log = createMemoryLog();
    const server = await start({ log, namespaces: [documents({ historyEvents: 1_000 })] });
    const [ann, bob] = await writers(server);
    for (let index = 0; index < 1_500; index++) {
      const writer = index % 2 === 0 ? ann : bob;
      writer.text.insert(Math.min(index, writer.text.length), `${index} `);
      if (index % 10 === 9) writer.text.delete(0, 3);
      if (index % 100 === 99) await converged(ann, bob);
    }
    await vi.waitFor(async () => {
      ann.text.insert(0, "more ");
      expect((await log.heads([ROOM])).get(ROOM)!.first).toBeGreaterThan(1);
    }, 15_000);
    const snapshot = (await log.snapshot(ROOM))!;
    expect((await log.heads([ROOM])).get(ROOM)!.first).toBeLessThanOrEqual(snapshot.seq + 1);
    const late = new HocuspocusWriter(server.url, "plan");
    await synced(late);
    expect(late.text.toString()).toBe(await converged(ann, bob));
    // A node that knows nothing of it reads the snapshot and what came after it.
    const other = await start({ log });
    const elsewhere = new YWebsocketWriter(other.url, "plan");
    await synced(elsewhere);
    expect(elsewhere.text.toString()).toBe(late.text.toString());
    expect(Y.encodeStateVector(elsewhere.doc)).toEqual(Y.encodeStateVector(late.doc));
  });

  it("YJS-13: everything survives a restart of the server, and the providers come back by themselves", async () => {
    const directory = await mkdtemp(join(tmpdir(), "yjs-"));
    const log = `sqlite:${join(directory, "log.db")}`;
    try {
      const first = await start({ log });
      const [ann, bob] = await writers(first);
      ann.text.insert(0, "kept ");
      bob.text.insert(0, "well ");
      await converged(ann, bob);
      await until("it is saved", () => bob.isSaved);
      servers.splice(servers.indexOf(first), 1);
      await first.close();
      ann.text.insert(0, "while it was away ");
      await start({ log, port: Number(new URL(first.url).port) });
      const late = new YWebsocketWriter(first.url, "plan");
      await synced(ann, bob, late);
      const text = await converged(ann, bob, late);
      expect(text).toContain("kept ");
      expect(text).toContain("well ");
      expect(text).toContain("while it was away ");
      expect(ann.closeCodes).toContain(1012);
    } finally {
      destroyWriters();
      await Promise.all(servers.splice(0).map((server) => server.close()));
      await rm(directory, { recursive: true });
    }
  });

  it("YJS-1: two nodes serve one document, and both may make its first update", async () => {
    const log = createMemoryLog();
    const hub = createMemoryHub();
    const [here, there] = [
      await start({ log, bus: createMemoryBus({ hub }) }),
      await start({ log, bus: createMemoryBus({ hub }) }),
    ];
    const [ann, bob] = [new YWebsocketWriter(here.url, "plan"), new HocuspocusWriter(there.url, "plan")];
    await synced(ann, bob);
    ann.text.insert(0, "here ");
    bob.text.insert(0, "there ");
    for (let index = 0; index < 300; index++) (index % 2 === 0 ? ann : bob).text.insert(0, `${index} `);
    const text = await converged(ann, bob);
    expect(text).toContain("here ");
    expect(text).toContain("there ");
    ann.awareness.setLocalStateField("user", { name: "ann" });
    bob.awareness.setLocalStateField("user", { name: "bob" });
    await until("both see both", () => [ann, bob].every((writer) => names(writer).join() === "ann,bob"));
  });

  it("YJS-11: a client of our own reads the document and writes to it", async () => {
    const server = await start();
    const [ann] = await writers(server);
    ann.text.insert(0, "from Yjs");
    const client = await RawClient.open(server, "cy");
    const doc = new Y.Doc();
    client.send("join_room", { roomId: ROOM });
    const { payload } = (await client.next("joined_room")) as unknown as {
      payload: { snapshot?: { kind: string; update: string }; you: { access: string } };
    };
    expect(payload.you).toEqual({ access: "write" });
    if (payload.snapshot !== undefined) {
      expect(payload.snapshot.kind).toBe("yjs");
      Y.applyUpdate(doc, Buffer.from(payload.snapshot.update, "base64"));
    }
    client.send("yjs_sync", { roomId: ROOM }, "1");
    const reply = (await client.next("yjs_synced")).payload as { update: string };
    Y.applyUpdate(doc, Buffer.from(reply.update, "base64"));
    await until("ann's text arrived", () => ann.text.toString() === "from Yjs");
    doc.getText("text").insert(0, "Ours, and ");
    client.send(
      "yjs_update",
      { roomId: ROOM, update: Buffer.from(Y.encodeStateAsUpdate(doc)).toString("base64") },
      "2",
    );
    const ack = (await client.next(({ type, messageId }) => type === "ack" && messageId === "2")).payload;
    expect(ack).toMatchObject({ success: true });
    await until("ann has it", () => ann.text.toString().startsWith("Ours, and "));
    const event = (await client.next("yjs_update")).payload as { userId: string };
    expect(["ann", "cy"]).toContain(event.userId);
    client.socket.close();
  });
});

describe("awareness", () => {
  it("YJS-8: is shared by both kinds, and ends with the connection", async () => {
    const server = await start();
    const [ann, bob] = await writers(server);
    ann.awareness.setLocalStateField("user", { name: "ann" });
    bob.awareness.setLocalStateField("user", { name: "bob" });
    await until("both see both", () => [ann, bob].every((writer) => names(writer).join() === "ann,bob"));
    const late = new HocuspocusWriter(server.url, "plan");
    await until("one who comes late sees both", () => names(late).join() === "ann,bob");
    ann.provider.ws!.close();
    await until("ann is away", () => !names(bob).includes("ann"));
    await until("ann is back at once, though she says nothing new", () => names(bob).includes("ann"));
    await bob.disconnect();
    await until("bob is gone", () => names(ann).join() === "ann");
  });

  it("YJS-8: nobody speaks for a client of another user, nor as large as he likes", async () => {
    const server = await start();
    const [ann] = await writers(server);
    ann.awareness.setLocalStateField("user", { name: "ann" });
    const eve = await RawClient.open(server, "eve");
    eve.send("join_room", { roomId: ROOM, snapshot: false });
    await eve.next(
      ({ type, payload }) =>
        type === "awareness_changed" || "awareness" in ((payload as { state?: object }).state ?? {}),
    );
    const clientId = ann.awareness.clientID;
    const say = async (messageId: string, state: string | null) => {
      eve.send("yjs_awareness", { roomId: ROOM, states: [{ clientId, clock: 1_000, state }] }, messageId);
      return (await eve.next((each) => each.type === "ack" && each.messageId === messageId)).payload;
    };
    expect(await say("1", '{"user":{"name":"not ann"}}')).toMatchObject({ success: true });
    expect(await say("2", null)).toMatchObject({ success: true });
    expect(await say("3", "{")).toMatchObject({ error: { code: "invalid_message" } });
    expect(await say("4", "[".repeat(40) + "]".repeat(40))).toMatchObject({ error: { code: "invalid_message" } });
    expect(await say("5", JSON.stringify("x".repeat(17_000)))).toMatchObject({ error: { code: "payload_too_large" } });
    const late = new YWebsocketWriter(server.url, "plan");
    await until("ann is who she says", () => names(late).join() === "ann");
    eve.socket.close();
  });
});

describe("who may do what", () => {
  const access = ({ user, right }: { user: { id: string }; right: string }) =>
    user.id !== "eve" && (right === "read" || user.id !== "rob");

  it("YJS-5: one who may only read sees everything, is seen, and changes nothing", async () => {
    const server = await start({ namespaces: [documents({ access })] });
    const [ann] = await writers(server);
    ann.text.insert(0, "hands off");
    const token = await devToken(server.url, "rob");
    for (const [, Kind] of KINDS) {
      const rob = new Kind(server.url, "plan", { token });
      await synced(rob);
      expect(rob.text.toString()).toBe(ann.text.toString());
      rob.awareness.setLocalStateField("user", { name: "rob" });
      await until("rob is seen", () => names(ann).includes("rob"));
      if (rob instanceof HocuspocusWriter) {
        expect(rob.scope).toBe("readonly");
        await until("nothing waits to be saved", () => rob.isSaved);
      }
      rob.text.insert(0, "mine, ");
      ann.text.insert(ann.text.length, "!");
      await until("ann's goes on", () => rob.text.toString().endsWith(ann.text.toString()));
      expect(ann.text.toString()).not.toContain("mine");
      if (rob instanceof HocuspocusWriter) expect(rob.isSaved).toBe(false);
      rob.destroy();
    }
    const late = new YWebsocketWriter(server.url, "plan");
    await synced(late);
    expect(late.text.toString()).toBe("hands off!!");
  });

  it("YJS-2: one who may not read is sent away for good", async () => {
    const server = await start({ namespaces: [documents({ access })] });
    const token = await devToken(server.url, "eve");
    const one = new YWebsocketWriter(server.url, "plan", { token });
    await until("the provider gave up", () => one.finalCode === 4403);
    const two = new HocuspocusWriter(server.url, "plan", { token });
    await until("the provider was told", () => two.failure !== null);
    expect(two.isSynced).toBe(false);
  });

  it("YJS-2: a bad token, and none where one is needed, are refused", async () => {
    const server = await start({ guests: false });
    for (const token of ["forged", undefined]) {
      const one = new YWebsocketWriter(server.url, "plan", token === undefined ? {} : { token });
      await until(`the provider gave up with ${token}`, () => one.finalCode === 4401);
      const two = new HocuspocusWriter(server.url, "plan", token === undefined ? {} : { token });
      await until(`the provider was told with ${token}`, () => two.failure !== null);
    }
  });

  it("YJS-2: each document of a connection has a token of its own", async () => {
    const server = await start({ namespaces: [documents({ access })] });
    const socket = hocuspocusSocket(server.url);
    const tokens = await Promise.all(["ann", "eve"].map((user) => devToken(server.url, user)));
    const ann = new HocuspocusWriter(server.url, "plan", { token: tokens[0]!, socket });
    const eve = new HocuspocusWriter(server.url, "other", { token: tokens[1]!, socket });
    await until("eve was told", () => eve.failure !== null);
    await synced(ann);
    ann.text.insert(0, "still here");
    await until("ann's is saved", () => ann.isSaved);
  });

  it("YJS-2: one who is taken out of a document is told, and the others of the connection go on", async () => {
    const server = await start();
    const socket = hocuspocusSocket(server.url);
    const token = await devToken(server.url, "ann");
    const [plan, other] = ["plan", "other"].map((name) => new HocuspocusWriter(server.url, name, { token, socket }));
    const bob = new YWebsocketWriter(server.url, "plan", { token: await devToken(server.url, "bob") });
    await synced(plan!, other!, bob);
    await server.room(ROOM).kick("ann");
    await until("ann was told", () => plan!.closeReasons.length === 1);
    plan!.text.insert(0, "still me");
    other!.text.insert(0, "a");
    await until("the other is saved", () => other!.isSaved);
    expect(bob.text.toString()).toBe("");
    await server.room(ROOM).kick("bob");
    await until("bob's provider gave up", () => bob.finalCode === 4403);
  });

  it("YJS-7: a document of the other kind is refused", async () => {
    const log = createMemoryLog();
    await log.append(ROOM, "ann", null, { type: "remote_change", data: '{"changes":[]}' });
    const server = await start({ log, namespaces: [documents()] });
    const one = new YWebsocketWriter(server.url, "plan");
    await until("the provider gave up", () => one.finalCode === 4403);
    expect(one.finalReason).toContain("plain text");
    const two = new HocuspocusWriter(server.url, "plan");
    await until("the provider was told", () => two.failure !== null || two.closeReasons.length > 0);
  });
});

describe("a connection of Hocuspocus", () => {
  it("YJS-1: has several documents, and one twice; each comes and goes by itself", async () => {
    const server = await start();
    const socket = hocuspocusSocket(server.url);
    const options = { socket, sessionAwareness: true };
    const [one, two] = [1, 2].map(() => new HocuspocusWriter(server.url, "plan", options));
    const other = new HocuspocusWriter(server.url, "other", { socket });
    await synced(one!, two!, other);
    one!.text.insert(0, "one ");
    expect(await converged(one!, two!)).toBe("one ");
    expect(other.text.toString()).toBe("");
    one!.provider.detach();
    two!.text.insert(0, "two ");
    await until("the second is saved", () => two!.isSaved);
    one!.provider.attach();
    expect(await converged(one!, two!)).toBe("two one ");
  });

  it("YJS-9: has no more documents than a connection may have rooms", async () => {
    const server = await start({ limits: { roomsPerConnection: 2 } });
    const socket = hocuspocusSocket(server.url);
    const all = ["a", "b", "c"].map((name) => new HocuspocusWriter(server.url, name, { socket }));
    await until("the third is refused", () => all[2]!.failure !== null);
    await synced(all[0]!, all[1]!);
    // What cannot be a name is refused like it, and nobody else minds.
    const bad = new HocuspocusWriter(server.url, "a/../b", { socket });
    await until("the fourth is refused", () => bad.failure !== null);
    all[0]!.text.insert(0, "a");
    await until("it is saved", () => all[0]!.isSaved);
  });

  it("YJS-12: passes the application's own words on to everybody", async () => {
    const server = await start();
    const [one, two] = [1, 2].map(() => new HocuspocusWriter(server.url, "plan"));
    await synced(one!, two!);
    one!.provider.sendStateless("hello");
    await until("it is heard", () => two!.stateless.join() === "hello");
  });
});
