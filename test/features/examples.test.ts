import { execFile, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import vm from "node:vm";
import { describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { startServer, until } from "../harness.ts";
import { curl, curlLines } from "./curl.ts";

const run = promisify(execFile);
const path = (name: string): string => fileURLToPath(new URL(`../../examples/${name}`, import.meta.url));
const lines = (name: string): number => readFileSync(path(name), "utf8").trimEnd().split("\n").length;

describe("examples", () => {
  it("a Python client of at most 30 lines joins, sends, gets its ack and the event, and resumes", async () => {
    expect(lines("python/chat.py")).toBeLessThanOrEqual(30);
    const server = await startServer();
    try {
      const { stdout } = await run("/usr/bin/python3", [path("python/chat.py"), server.wsUrl, "chat:python"], {
        timeout: 20_000,
      });
      const said = stdout.trim().split("\n");
      expect(said[0]).toMatch(/^joined_room .*"recovered": false/);
      expect(
        said
          .filter((line) => line.startsWith("ack "))
          .some((line) => /"success": true.*"seq": 1.*"duplicate": false/.test(line)),
      ).toBe(true);
      expect(said.some((line) => /^new_message .*"content": "Hello from Python"/.test(line))).toBe(true);
      expect(said.at(-1)).toBe("missed: You will read this again");
    } finally {
      await server.close();
    }
  });

  it("the origin document's basic client, unchanged, talks to a server of at most 15 lines", async () => {
    expect(lines("origin/basic-server.mjs")).toBeLessThanOrEqual(15);
    const server = spawn(process.execPath, [path("origin/basic-server.mjs")], {
      env: { ...process.env, PORT: "0" },
      stdio: ["ignore", "pipe", "inherit"],
    });
    try {
      const address = await new Promise<string>((resolve, reject) => {
        server.stdout.on("data", (chunk) => {
          const match = /localhost:(\d+)/.exec(String(chunk));
          if (match !== null) resolve(`ws://localhost:${match[1]}`);
        });
        server.once("exit", (code) => reject(new Error(`the server ended with ${code}`)));
      });
      const ada = runOrigin(address);
      await until(() => ada.received.some((message) => message.type === "join"));
      const ben = runOrigin(address);
      await until(() => ben.received.some((message) => message.type === "join"));
      ada.sendMessage("やまびこ");
      await until(() => ben.received.some((message) => message.type === "message"));
      expect(ben.received.find((message) => message.type === "message")).toMatchObject({
        type: "message",
        payload: { text: "やまびこ" },
      });
      expect(ada.received.filter((message) => message.type === "message")).toHaveLength(1);
      expect(ada.said).toContain("Connected");
      ada.close();
      ben.close();
      await until(() => ada.said.includes("Disconnected:"));
    } finally {
      server.kill();
    }
  });
});

describe("examples/curl", () => {
  it("ACK-3, RES-1 the lines of its README read a room from a cursor, and send once however often they are repeated", async () => {
    const server = await startServer();
    try {
      const [follow, send, poll, wait] = curlLines(readFileSync(path("curl/README.md"), "utf8"), server.url);
      const acks = [await curl(send!).text, await curl(send!).text].map((text) => JSON.parse(text).payload);
      const { savedId } = acks[0];
      expect(acks).toMatchObject([
        { success: true, seq: 1, savedId, duplicate: false },
        { success: true, seq: 1, savedId, duplicate: true },
      ]);
      const waiting = curl(wait!);
      const following = curl(follow!);
      await until(() => following.soFar().includes("Hello!"));
      const another = send!.map((word) => word.replace("Hello!", "Hello again!").replace("m-1", "m-2"));
      await curl(another).text;
      await until(() => following.soFar().includes("Hello again!"));
      following.stop();
      const events = following.soFar().match(/^id: .*\ndata: .*$/gm) ?? [];
      expect(events.map((event) => /^id: \S+:(\d+)\n.*"content":"([^"]*)"/.exec(event)?.slice(1))).toEqual([
        ["1", "Hello!"],
        ["2", "Hello again!"],
      ]);
      const contents = (text: string): string[] =>
        JSON.parse(text).messages.map((message: { payload: { content: string } }) => message.payload.content);
      expect(contents(await curl(poll!).text)).toEqual(["Hello!", "Hello again!"]);
      expect(contents(await waiting.text)).toEqual(["Hello again!"]);
    } finally {
      await server.close();
    }
  });
});

/** Runs the origin's snippet as it stands; only the address it names is sent elsewhere. */
function runOrigin(address: string) {
  const received: { type: string; payload: unknown }[] = [];
  const said: unknown[] = [];
  const sockets: WebSocket[] = [];
  class Redirected extends WebSocket {
    constructor(url: string) {
      if (url !== "ws://localhost:8080") throw new Error(`unexpected ${url}`);
      super(address);
      sockets.push(this);
    }
  }
  const log = (first: unknown, second?: unknown): void => {
    said.push(first);
    if (first === "Received:") received.push(second as (typeof received)[number]);
  };
  const context = vm.createContext({ WebSocket: Redirected, console: { log, error: log }, JSON });
  vm.runInContext(readFileSync(path("origin/basic-client.js"), "utf8"), context);
  const sendMessage = vm.runInContext("sendMessage", context) as (text: string) => void;
  return {
    received,
    said,
    sendMessage,
    close: () => {
      for (const socket of sockets) socket.close();
    },
  };
}
