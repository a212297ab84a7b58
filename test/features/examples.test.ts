import { execFile, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import vm from "node:vm";
import { describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { startServer, until } from "../harness.ts";

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
