import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { until } from "../harness.ts";
import { type LossyChances, LossyProxy } from "./lossy-proxy.ts";
import { seededRandom } from "./random.ts";

const BODY = "answer ".repeat(1_000);

describe("the lossy proxy", () => {
  let target: Server;
  let sockets: WebSocketServer;
  let proxy: LossyProxy;
  /** Bodies of the requests that the server handled. */
  let handled: string[];
  let dropped: number;
  beforeEach(async () => {
    handled = [];
    dropped = 0;
    target = createServer(async (request, response) => {
      let body = "";
      for await (const chunk of request) body += String(chunk);
      handled.push(`${request.method} ${request.url} ${body}`);
      if (request.url !== "/stream") return void response.end(BODY);
      response.writeHead(200, { "Content-Type": "text/event-stream" });
      const timer = setInterval(() => response.write(`data: ${BODY}\n\n`), 1);
      response.on("close", () => {
        clearInterval(timer);
        dropped++;
      });
    });
    sockets = new WebSocketServer({ server: target });
    sockets.on("connection", (socket) => socket.on("message", (bytes) => socket.send(`echo ${String(bytes)}`)));
    target.listen(0, "127.0.0.1");
    await once(target, "listening");
  });
  afterEach(async () => {
    await proxy.close();
    for (const socket of sockets.clients) socket.terminate();
    target.closeAllConnections();
    target.close();
  });
  const start = async (chances: LossyChances = {}, seed = 1) => {
    const { port: targetPort } = target.address() as AddressInfo;
    proxy = await LossyProxy.start({ targetPort, random: seededRandom(seed), chances, delayMs: 5 });
  };
  const post = (path = "/x") => fetch(`${proxy.url}${path}`, { method: "POST", body: "question" });
  const opened = async () => {
    const socket = new WebSocket(proxy.wsUrl);
    socket.on("error", () => {});
    const got: string[] = [];
    socket.on("message", (bytes) => got.push(String(bytes)));
    await new Promise<void>((resolve) => {
      socket.once("open", () => resolve());
      socket.once("close", () => resolve());
    });
    return { socket, got };
  };

  it("passes everything on when nothing is to happen", async () => {
    await start();
    for (let index = 0; index < 5; index++) expect(await (await post()).text()).toBe(BODY);
    const { socket, got } = await opened();
    for (let index = 0; index < 50; index++) socket.send(`${index}`);
    await until(() => got.length === 50);
    expect(got.at(-1)).toBe("echo 49");
    expect(handled).toEqual(Array.from({ length: 5 }, () => "POST /x question"));
    expect(proxy.counts).toMatchObject({ requests: 5, sockets: 1, lost: 0, swallowed: 0, cut: 0, delayed: 0 });
    socket.terminate();
  });

  it("loses a request before the server sees it", async () => {
    await start({ lose: 1 });
    await expect(post()).rejects.toThrow();
    expect(handled).toEqual([]);
    expect(proxy.counts.lost).toBe(1);
  });

  it("swallows an answer after the server has done what it was asked to", async () => {
    await start({ swallow: 1 });
    await expect(post()).rejects.toThrow();
    expect(handled).toEqual(["POST /x question"]);
    expect(proxy.counts.swallowed).toBe(1);
    proxy.heal();
    expect(await (await post()).text()).toBe(BODY);
  });

  it("cuts an answer in the middle", async () => {
    await start({ cut: 1 });
    await expect(post().then((response) => response.text())).rejects.toThrow();
    expect(proxy.counts.cut).toBe(1);
    expect(handled).toHaveLength(1);
  });

  it("cuts a stream in the middle, and the server hears of it", async () => {
    await start({ cut: 0.2 });
    const response = await post("/stream");
    let bytes = 0;
    await expect(
      (async () => {
        for await (const chunk of response.body!) bytes += (chunk as Uint8Array).length;
      })(),
    ).rejects.toThrow();
    expect(proxy.counts.cut).toBe(1);
    await until(() => dropped === 1);
    expect(bytes).toBeGreaterThan(0);
  });

  it("tells the server of a client that went away", async () => {
    await start();
    const gone = new AbortController();
    const response = await fetch(`${proxy.url}/stream`, { signal: gone.signal });
    await response.body!.getReader().read();
    gone.abort();
    await until(() => dropped === 1);
  });

  it("cuts a WebSocket before its message arrives, or before its answer does", async () => {
    await start({ cutSocket: 1 });
    const cut = await opened();
    cut.socket.send("x");
    await until(() => cut.socket.readyState === WebSocket.CLOSED);
    proxy.chances = { swallowSocket: 1 };
    const heard: string[] = [];
    sockets.on("connection", (socket) => socket.on("message", (bytes) => heard.push(String(bytes))));
    const swallowed = await opened();
    swallowed.socket.send("y");
    await until(() => swallowed.socket.readyState === WebSocket.CLOSED);
    expect([cut.got, swallowed.got, heard]).toEqual([[], [], ["y"]]);
    expect(proxy.counts).toMatchObject({ sockets: 2, socketsCut: 1, socketsSwallowed: 1 });
  });

  it("refuses upgrades while told to, and nothing else", async () => {
    await start();
    proxy.upgrades = "refuse";
    const refused = await opened();
    expect([refused.socket.readyState, proxy.counts.upgradesRefused]).toEqual([WebSocket.CLOSED, 1]);
    expect(await (await post()).text()).toBe(BODY);
    proxy.upgrades = "pass";
    const { socket } = await opened();
    expect(socket.readyState).toBe(WebSocket.OPEN);
    socket.terminate();
  });

  it("leaves upgrades unanswered, and holds streams back, while told to", async () => {
    await start();
    proxy.upgrades = "hang";
    const socket = new WebSocket(proxy.wsUrl);
    socket.on("error", () => {});
    await until(() => proxy.counts.upgradesRefused === 1);
    proxy.holdsStreams = true;
    const gone = new AbortController();
    let answered = false;
    const asked = fetch(`${proxy.url}/stream`, { signal: gone.signal }).then(() => {
      answered = true;
    });
    await until(() => proxy.counts.held === 1);
    expect(await (await post()).text()).toBe(BODY);
    expect([answered, socket.readyState]).toEqual([false, WebSocket.CONNECTING]);
    gone.abort();
    await expect(asked).rejects.toThrow();
    await until(() => dropped === 1);
    socket.terminate();
  });

  it("a server that is not there is a connection that fails, and then comes back", async () => {
    await start();
    const { port } = target.address() as AddressInfo;
    target.closeAllConnections();
    target.close();
    await expect(post()).rejects.toThrow();
    const { socket } = await opened();
    expect(socket.readyState).toBe(WebSocket.CLOSED);
    target.listen(port, "127.0.0.1");
    await once(target, "listening");
    expect(await (await post()).text()).toBe(BODY);
  });

  it("draws the same for the same seed", async () => {
    const run = async (seed: number) => {
      await start({ lose: 0.3, swallow: 0.3, cut: 0.3 }, seed);
      let fates = "";
      for (let index = 0; index < 30; index++) {
        const before = { ...proxy.counts };
        await post()
          .then((response) => response.text())
          .catch(() => {});
        const { lost, swallowed, cut } = proxy.counts;
        fates += lost > before.lost ? "l" : swallowed > before.swallowed ? "s" : cut > before.cut ? "c" : ".";
      }
      await proxy.close();
      return fates;
    };
    const first = await run(7);
    expect(first).toMatch(/l.*s|s.*l/);
    expect(await run(7)).toBe(first);
    expect(await run(8)).not.toBe(first);
    await start();
  });
});
