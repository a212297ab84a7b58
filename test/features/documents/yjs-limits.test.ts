import fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import * as Y from "yjs";
import { documents } from "../../../src/features/index.ts";
import { createMemoryLog } from "../../../src/log/memory.ts";
import type { ServerOptions } from "../../../src/server/options.ts";
import * as body from "../../../src/transport/yjs/body.ts";
import { devToken, startServer, upgrade } from "../../harness.ts";
import { converged, destroyWriters, HocuspocusWriter, names, until, YWebsocketWriter } from "./yjs-provider.ts";

const ROOM = "document:plan";

type Server = Awaited<ReturnType<typeof startServer>>;

const servers: Server[] = [];
const strangers: Stranger[] = [];

async function start(options: ServerOptions = {}): Promise<Server> {
  const server = await startServer(options);
  servers.push(server);
  return server;
}

afterEach(async () => {
  destroyWriters();
  for (const { socket } of strangers.splice(0)) socket.terminate();
  await Promise.all(servers.splice(0).map((server) => server.close()));
});

/** Somebody who says anything at all. */
class Stranger {
  readonly socket: WebSocket;
  readonly received: Buffer[] = [];
  closeCode: number | null = null;

  constructor(url: string, path: string) {
    this.socket = new WebSocket(`${url.replace("http", "ws")}${path}`);
    this.socket.on("message", (bytes) => void this.received.push(bytes as Buffer));
    this.socket.on("close", (code) => {
      this.closeCode = code;
    });
    this.socket.on("error", () => {});
    strangers.push(this);
  }

  static async open(server: Server, path = "/yjs/plan"): Promise<Stranger> {
    const stranger = new Stranger(server.url, path);
    await until("it is open", () => stranger.socket.readyState === WebSocket.OPEN);
    return stranger;
  }

  send(...bodies: Uint8Array[]): void {
    for (const each of bodies) this.socket.send(each);
  }

  /** A message of Hocuspocus about the document `plan`. */
  sendAbout(name: string, ...bodies: Uint8Array[]): void {
    for (const each of bodies) this.socket.send(Buffer.concat([Buffer.of(name.length), Buffer.from(name), each]));
  }
}

const sync = (step: number, bytes: Uint8Array) => Buffer.concat([Buffer.of(0, step, bytes.length), bytes]);
const awareness = (text: string) => body.awareness([{ clientId: 7, clock: 1, state: text }]);
const token = (text: string) => Buffer.concat([Buffer.of(2, 0, text.length), Buffer.from(text)]);

describe("what cannot be read", () => {
  const broken: [string, Uint8Array][] = [
    ["nothing", Buffer.of()],
    ["an unknown topic", Buffer.of(77)],
    ["an unknown step", Buffer.of(0, 9, 0)],
    ["a cut message", Buffer.of(0, 2, 9, 1)],
    ["an update that is none", sync(2, Buffer.of(1, 2, 3))],
    ["a step 2 that is none", sync(1, Buffer.of(255, 255, 255, 255, 255))],
    ["a state vector that is none", sync(0, Buffer.of(3, 1))],
    ["an update with a struct of no length", sync(2, Buffer.of(1, 1, 5, 0, 0, 0, 0))],
    ["awareness that is no JSON", awareness("{")],
    ["awareness that claims more than there is", Buffer.of(1, 2, 0xff, 0x7f)],
  ];

  it.each(broken)("YJS-6: closes who sent it with 1007, and nobody else: %s", async (_, message) => {
    const log = createMemoryLog();
    const server = await start({ log });
    const ann = new YWebsocketWriter(server.url, "plan", { token: await devToken(server.url, "ann") });
    const bob = new HocuspocusWriter(server.url, "plan", { token: await devToken(server.url, "bob") });
    await until("both are in sync", () => ann.isSynced && bob.isSynced);
    ann.text.insert(0, "a");
    await converged(ann, bob);
    const one = await Stranger.open(server);
    one.send(message);
    const two = await Stranger.open(server, "/hocuspocus");
    two.sendAbout("plan", token(await devToken(server.url, "eve")), message);
    await until("both are closed", () => one.closeCode !== null && two.closeCode !== null);
    expect([one.closeCode, two.closeCode]).toEqual([1007, 1007]);
    expect((await log.heads([ROOM])).get(ROOM)!.head).toBe(1);
    bob.text.insert(0, "b");
    expect(await converged(ann, bob)).toBe("ba");
    expect([ann.closeCodes, bob.closeReasons]).toEqual([[], []]);
  });

  it("YJS-6: text frames are closed with 1003, as on every binary connection", async () => {
    const server = await start();
    const one = await Stranger.open(server);
    one.socket.send("hello");
    await until("it is closed", () => one.closeCode === 1003);
  });

  it("YJS-6: whatever strangers send, nobody else notices and the document stays whole", async () => {
    const server = await start();
    const ann = new YWebsocketWriter(server.url, "plan", { token: await devToken(server.url, "ann") });
    const bob = new HocuspocusWriter(server.url, "plan", { token: await devToken(server.url, "bob") });
    await until("both are in sync", () => ann.isSynced && bob.isSynced);
    const doc = new Y.Doc();
    doc.getText("text").insert(0, "山彦");
    const state = Y.encodeStateAsUpdate(doc);
    const good = [sync(0, Buffer.of(0)), sync(1, state), sync(2, state), awareness('{"user":{}}'), Buffer.of(3)];
    const frame = fc.oneof(
      fc.uint8Array({ maxLength: 60 }),
      fc
        .tuple(fc.constantFrom(...good), fc.array(fc.tuple(fc.nat(40), fc.nat(255)), { maxLength: 3 }))
        .map(([bytes, edits]) => {
          const copy = Buffer.from(bytes);
          for (const [at, value] of edits) if (at < copy.length) copy[at] = value;
          return copy;
        }),
    );
    let round = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(frame, { minLength: 1, maxLength: 20 }), fc.boolean(), async (frames, isPlain) => {
        const stranger = await Stranger.open(server, isPlain ? "/yjs/plan" : "/hocuspocus");
        if (isPlain) stranger.send(...frames);
        else {
          stranger.sendAbout("plan", token(""));
          for (const each of frames) each.length % 2 === 0 ? stranger.send(each) : stranger.sendAbout("plan", each);
        }
        // What it sent before it said goodbye has been read when the other side says so too.
        stranger.socket.close();
        await until("it is closed", () => stranger.closeCode !== null);
        ann.doc.getMap("rounds").set(String(round++), true);
        await until("bob hears of ann", () => bob.doc.getMap("rounds").size === round);
      }),
      { numRuns: 60 },
    );
    expect([ann.closeCodes, bob.closeReasons]).toEqual([[], []]);
    const late = new YWebsocketWriter(server.url, "plan");
    await until("one who comes late is in sync", () => late.isSynced);
    expect(late.text.toString()).toBe(await converged(ann, bob));
    expect(late.doc.getMap("rounds").size).toBe(round);
  }, 40_000);
});

describe("limits", () => {
  it("YJS-9: what comes too fast is read later, and nothing is lost or refused", async () => {
    const server = await start({ limits: { messagesPerSecond: 100, bytesPerSecond: 100_000 } });
    const [ann, bob] = [new YWebsocketWriter(server.url, "plan"), new HocuspocusWriter(server.url, "plan")];
    await until("both are in sync", () => ann.isSynced && bob.isSynced);
    for (let index = 0; index < 300; index++) ann.text.insert(0, `${index} `);
    await until("all of them arrive", () => bob.text.length === ann.text.length);
    // Larger than the rate's whole burst.
    bob.text.insert(0, "x".repeat(250_000));
    await until("it arrives", () => ann.text.length === bob.text.length);
    await until("it is saved", () => bob.isSaved);
    expect(ann.closeCodes).toEqual([]);
  });

  it("YJS-9: a message over `yjsMessageBytes` closes who sent it with 1009", async () => {
    const server = await start({ limits: { yjsMessageBytes: 1_000 } });
    const one = await Stranger.open(server);
    one.send(Buffer.alloc(1_001));
    await until("it is closed", () => one.closeCode === 1009);
  });

  it("YJS-9: a full document takes nothing more, and takes again what makes it smaller", async () => {
    const server = await start({ namespaces: [documents({ yjs: { maxBytes: 20_000 } })] });
    const [ann, bob] = [new YWebsocketWriter(server.url, "plan"), new HocuspocusWriter(server.url, "plan")];
    await until("both are in sync", () => ann.isSynced && bob.isSynced);
    ann.text.insert(0, "a".repeat(15_000));
    await converged(ann, bob);
    const eve = new YWebsocketWriter(server.url, "plan");
    await until("eve is in sync", () => eve.isSynced);
    eve.text.insert(0, "e".repeat(10_000));
    await until("eve's provider gave up", () => eve.finalCode === 4403);
    expect(eve.finalReason).toContain("full");
    bob.text.delete(0, 14_000);
    await until("ann has it", () => ann.text.length === 1_000);
    // There is room only when what was deleted is gone for good.
    ann.text.insert(0, "b".repeat(10_000));
    expect((await converged(ann, bob)).length).toBe(11_000);
  });

  it("YJS-9: connections of an address, origins and addresses are checked before the 101", async () => {
    const server = await start({ limits: { connectionsPerIp: 1 } });
    for (const path of ["/yjs/plan", "/hocuspocus"]) {
      const refused = await upgrade(server.url, { path, headers: { Origin: "https://elsewhere.example" } });
      expect(refused.status).toBe(403);
    }
    for (const path of ["/yjs/", "/yjs/a%00b", "/yjs/%ff", "/yjs/a/../..%2Fb"]) {
      expect([400, 404], path).toContain((await upgrade(server.url, { path })).status);
    }
    const one = new YWebsocketWriter(server.url, "plan");
    await until("it is in sync", () => one.isSynced);
    expect((await upgrade(server.url, { path: "/hocuspocus" })).status).toBe(429);
    one.destroy();
  });

  it("YJS-2: a ticket in the address says who it is, once", async () => {
    const server = await start({ guests: false });
    const bearer = await devToken(server.url, "ann");
    const response = await fetch(`${server.url}/api/tickets`, {
      method: "POST",
      headers: { Authorization: `Bearer ${bearer}` },
    });
    const { ticket } = (await response.json()) as { ticket: string };
    const one = await Stranger.open(server, `/yjs/plan?ticket=${ticket}`);
    one.send(sync(0, Buffer.of(0)));
    await until("it is answered", () => one.received.length > 0);
    expect((await upgrade(server.url, { path: `/yjs/plan?ticket=${ticket}` })).status).toBe(401);
  });

  it("YJS-9: a connection of Hocuspocus without a document does not stay", async () => {
    const server = await start({ limits: { authenticateMs: 50 } });
    const one = await Stranger.open(server, "/hocuspocus");
    await until("it is closed", () => one.closeCode === 1013);
  });

  it("YJS-9: one who does not read holds nobody up, and has everything when it reads again", async () => {
    const server = await start({ limits: { outboxBytes: 100_000 } });
    const [ann, slow] = [new YWebsocketWriter(server.url, "plan"), new YWebsocketWriter(server.url, "plan")];
    const bob = new HocuspocusWriter(server.url, "plan");
    await until("all are in sync", () => ann.isSynced && bob.isSynced && slow.isSynced);
    const socket = slow.provider.ws as unknown as WebSocket;
    socket.pause();
    for (let index = 0; index < 100; index++) {
      ann.text.insert(0, "x".repeat(60_000));
      await until("bob has it", () => bob.text.length === ann.text.length);
    }
    expect(slow.text.length).toBeLessThan(ann.text.length);
    socket.resume();
    await until("the slow one has it too", () => slow.text.length === ann.text.length);
  }, 30_000);

  it("YJS-8: the connection that is closed takes its awareness with it", async () => {
    const server = await start();
    const ann = new YWebsocketWriter(server.url, "plan");
    const one = await Stranger.open(server, "/hocuspocus");
    one.sendAbout("plan", token(""), awareness('{"user":{"name":"eve"}}'));
    await until("she is there", () => names(ann).includes("eve"));
    one.socket.terminate();
    await until("she is gone", () => !names(ann).includes("eve"));
  });
});
