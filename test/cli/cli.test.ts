import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, it } from "vitest";
import { createTokenVerifier } from "../../src/auth/jwt.ts";
import { main } from "../../src/bin/main.ts";
import type { Envelope } from "../../src/protocol/index.ts";
import { startServer, until } from "../harness.ts";
import { FakeTerminal } from "./fake-terminal.ts";

const SECRET = "a secret of more than thirty-two bytes, for tests";

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function startRoomServer() {
  const server = await startServer();
  closing.push(() => server.close());
  return server;
}

function temporary(): string {
  const directory = mkdtempSync(join(tmpdir(), "yamabiko-cli-"));
  closing.push(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

describe("yamabiko", () => {
  it("says what it can do", async () => {
    for (const argv of [["help"], ["--help"], ["-h"]]) {
      const terminal = new FakeTerminal();
      expect(await main(argv, terminal)).toBe(0);
      for (const name of ["serve", "token", "tail", "publish", "version"]) expect(terminal.printed[0]).toContain(name);
    }
    expect(await main([], new FakeTerminal())).toBe(2);
  });

  it("says its version", async () => {
    const terminal = new FakeTerminal();
    expect(await main(["version"], terminal)).toBe(0);
    expect(terminal.printed[0]).toMatch(/^\d+\.\d+\.\d+$/);
  });

  it.each(["serve", "token", "tail", "publish"])("explains %s", async (name) => {
    const terminal = new FakeTerminal();
    expect(await main([name, "--help"], terminal)).toBe(0);
    expect(await main(["help", name], terminal)).toBe(0);
    expect(terminal.printed[0]).toContain(`yamabiko ${name}`);
    expect(terminal.printed[1]).toBe(terminal.printed[0]);
  });

  it("the help of serve names every flag and no secret's", async () => {
    const terminal = new FakeTerminal();
    await main(["serve", "--help"], terminal);
    const help = terminal.printed[0] ?? "";
    for (const flag of ["--port", "--dev", "--limit-connections-per-ip", "YAMABIKO_JWT_SECRET"]) {
      expect(help).toContain(flag);
    }
    expect(help).not.toContain("--jwt-secret");
  });

  it.each<[string[], string, string]>([
    [["sevre"], "no command sevre", "serve"],
    [["toString"], "no command toString", "serve"],
    [["token"], "--user is missing", "--user ada"],
    [["token", "--user", "ada"], "YAMABIKO_JWT_SECRET is not set", "openssl"],
    [["token", "--user", "ada", "--expires", "1y"], "--expires 1y is not a duration", "1h"],
    [["token", "--user", "ada", "--rooms", "all"], "--rooms all is not understood", "chat:*=read"],
    [["token", "--usr", "ada"], "--usr", "yamabiko token --help"],
    [["tail"], "One room", "tail chat:lobby"],
    [["tail", "CHAT:x"], "namespace", "namespace:name"],
    [["tail", "lobby", "--limit", "x"], "--limit x", "0 to 1000"],
    [["tail", "lobby", "--limit", "1", "--after", "2"], "exclude", "Keep --after 2"],
    [["tail", "lobby", "--url", "ftp://x"], "not the address", "ws://"],
    [["tail", "lobby", "--url", "here"], "not an address", "ws://"],
    [["tail", "lobby", "--transport", "sockets"], "no transport sockets", "long-polling"],
    [["publish", "lobby", "t", "{}", "--transport", "tcp"], "no transport tcp", "websocket, sse"],
    [["publish", "lobby", "t", "{}", "--transport", "sse", "--api-key", "k"], "--transport", "Leave"],
    [["publish", "lobby"], "A room, a type and a payload", "--help"],
    [["publish", "lobby", "t", "{"], "not JSON", "Quote"],
    [["publish", "lobby", "t", "[]"], "not a JSON object", "content"],
    [["publish", "lobby", "t", "{}", "--token", "x", "--api-key", "y"], "exclude each other", "back end"],
    [["publish", "lobby", "t", "{}", "--api-key", "with a space"], "--api-key cannot be used", "key of the server"],
    [["publish", "lobby", "t", "{}", "--api-key", ""], "--api-key cannot be used", "key of the server"],
    [["publish", "lobby", "t", "{}", "--timeout", "never"], "--timeout never", "seconds"],
    [["serve", "--prot", "1"], "no flag --prot", "Did you mean --port?"],
    [["serve"], "no key", "YAMABIKO_JWT_SECRET"],
    [["serve", "--dev", "--config", "missing.ts"], "missing.ts does not exist", "--config"],
  ])("says in one line what is wrong with %j, and in one what to do", async (argv, what, remedy) => {
    const terminal = new FakeTerminal();
    expect(await main(argv, terminal)).toBeGreaterThan(0);
    expect(terminal.printed).toEqual([]);
    expect(terminal.noted).toHaveLength(2);
    expect(terminal.noted[0]).toContain(what);
    expect(terminal.noted[1]).toContain(remedy);
  });

  it("shows the stack only when asked to", async () => {
    const terminal = new FakeTerminal();
    await main(["tail", "lobby", "--url", "here", "--verbose"], terminal);
    expect(terminal.noted.at(-1)).toContain("at ");
  });

  it("writes nothing to the terminal that it would act on", async () => {
    const terminal = new FakeTerminal();
    await main(["\u001b[31mred"], terminal);
    expect(terminal.noted.join()).not.toContain("\u001b");
  });
});

describe("yamabiko token", () => {
  it("prints a token the server accepts, and nothing else", async () => {
    const terminal = new FakeTerminal({ YAMABIKO_JWT_SECRET: SECRET });
    const argv = ["token", "--user", "ada", "--name", "Ada", "--expires", "15m"];
    expect(await main([...argv, "--rooms", "chat:*=read,write", "--rooms", "feed:a=b=read"], terminal)).toBe(0);
    expect(terminal.noted).toEqual([]);
    expect(terminal.printed).toHaveLength(1);
    const identity = await createTokenVerifier({ secret: SECRET })(terminal.printed[0] ?? "");
    expect(identity).toMatchObject({ id: "ada", name: "Ada" });
    expect(identity.claims.rooms).toEqual({ "chat:*": ["read", "write"], "feed:a=b": ["read"] });
    expect(identity.expiresAt - Date.now()).toBeGreaterThan(14 * 60_000);
    expect(identity.expiresAt - Date.now()).toBeLessThanOrEqual(15 * 60_000);
  });

  it("carries the issuer and the audience the server is set to", async () => {
    const issuer = "https://id.example";
    const env = { YAMABIKO_JWT_SECRET: SECRET, YAMABIKO_JWT_ISSUER: issuer, YAMABIKO_JWT_AUDIENCE: "yamabiko" };
    const terminal = new FakeTerminal(env);
    await main(["token", "--user", "ada"], terminal);
    const verify = createTokenVerifier({ secret: SECRET, issuer, audience: "yamabiko" });
    expect((await verify(terminal.printed[0] ?? "")).id).toBe("ada");
  });

  it.each([
    ["--expires", "1"],
    ["--expires", "0h"],
    ["--expires", "soon"],
    ["--rooms", "chat:*"],
    ["--rooms", "chat:*=all"],
    ["--rooms", "=read"],
    ["--name", "a\nb"],
  ])("refuses %s %j", async (option, value) => {
    const terminal = new FakeTerminal({ YAMABIKO_JWT_SECRET: SECRET });
    expect(await main(["token", "--user", "ada", option, value], terminal)).toBe(2);
    expect(terminal.printed).toEqual([]);
  });
});

describe("yamabiko publish and tail", () => {
  it("one sends, the other follows", async () => {
    const { wsUrl } = await startRoomServer();
    const writer = new FakeTerminal({ YAMABIKO_URL: wsUrl });
    const say = (content: string, terminal = writer) =>
      main(["publish", "lobby", "send_message", JSON.stringify({ content })], terminal);
    expect(await say("before")).toBe(0);
    expect(JSON.parse(writer.printed[0] ?? "")).toMatchObject({ success: true, seq: 1, duplicate: false });

    const follower = new FakeTerminal({ YAMABIKO_URL: wsUrl });
    const following = main(["tail", "chat:lobby", "--json"], follower);
    const reader = new FakeTerminal();
    const reading = main(["tail", "lobby", "--after", "1", "--url", wsUrl], reader);
    await until(() => follower.printed.length === 1);
    expect(await say("after \u009b31m")).toBe(0);
    await until(() => follower.printed.length === 2 && reader.printed.length === 1);
    follower.stop();
    reader.stop();
    expect(await following).toBe(0);
    expect(await reading).toBe(0);
    const [first, second] = follower.printed.map((line) => JSON.parse(line) as Envelope);
    expect(first).toMatchObject({ type: "new_message", seq: 1, payload: { content: "before" } });
    expect(second).toMatchObject({ type: "new_message", seq: 2, payload: { content: "after \u009b31m" } });
    expect(reader.printed[0]).toMatch(/^ {5}2 {2}\d{4}-\d\d-\d\d \d\d:\d\d:\d\d {2}new_message {2}\{/);
    expect(reader.printed[0]).not.toContain("\u009b");
  });

  describe.each(["websocket", "sse", "long-polling", "polling"])("over %s", (transport) => {
    it("one sends, the other follows, also over a restart of the server", async () => {
      const log = `sqlite:${join(temporary(), "log.db")}`;
      let server = await startServer({ log });
      closing.push(() => server.close());
      const { url } = server;
      const say = async (content: string): Promise<void> => {
        const writer = new FakeTerminal({ YAMABIKO_URL: url });
        const argv = ["publish", "lobby", "send_message", JSON.stringify({ content }), "--transport", transport];
        expect(await main(argv, writer)).toBe(0);
        expect(JSON.parse(writer.printed[0] ?? "")).toMatchObject({ success: true, duplicate: false });
      };
      await say("before");
      const follower = new FakeTerminal({ YAMABIKO_URL: url });
      const following = main(["tail", "chat:lobby", "--json", "--transport", transport], follower);
      await until(() => follower.printed.length === 1);
      const ways = [...(await server.metrics()).matchAll(/connections_opened_total\{transport="(\w+)"\}/g)];
      expect(ways.map(([, way]) => way).filter((way) => way !== "send")).toEqual([
        transport.replace(/^.*polling$/, "poll"),
      ]);
      await say("after");
      await until(() => follower.printed.length === 2);
      await server.close();
      server = await startServer({ log, port: Number(new URL(url).port) });
      await say("after the restart");
      await until(() => follower.printed.length === 3, 20_000);
      follower.stop();
      expect(await following).toBe(0);
      const events = follower.printed.map((line) => JSON.parse(line) as Envelope);
      expect(events.map(({ seq, payload }) => [seq, (payload as { content: string }).content])).toEqual([
        [1, "before"],
        [2, "after"],
        [3, "after the restart"],
      ]);
    });

    it("a token that is not accepted, and a room that may not be read, are exit code 1", async () => {
      const { url } = await startRoomServer();
      const wrong = new FakeTerminal({ YAMABIKO_URL: url, YAMABIKO_TOKEN: "canary" });
      expect(await main(["tail", "lobby", "--transport", transport], wrong)).toBe(1);
      expect(wrong.noted.join("\n")).toMatch(/token/i);
      expect(wrong.noted.join("\n")).not.toContain("canary");
      const other = new FakeTerminal({ YAMABIKO_URL: url });
      expect(await main(["tail", "user:somebody", "--transport", transport], other)).toBe(1);
      expect(other.noted[0]).toContain("access_denied");
    });
  });

  it("ACK-3 a message sent again with the same id is the same message", async () => {
    const { url, wsUrl } = await startRoomServer();
    const response = await fetch(`${url}/api/dev/token`, { method: "POST", body: '{"user":"ada"}' });
    const { token } = (await response.json()) as { token: string };
    const terminal = new FakeTerminal({ YAMABIKO_URL: wsUrl, YAMABIKO_TOKEN: token });
    const argv = ["publish", "lobby", "send_message", '{"content":"once"}', "--message-id", "m-1"];
    expect(await main(argv, terminal)).toBe(0);
    expect(await main(argv, terminal)).toBe(0);
    const acks = terminal.printed.map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(acks.map(({ seq, duplicate }) => [seq, duplicate])).toEqual([
      [1, false],
      [1, true],
    ]);
  });

  it("sends the lines of standard input in order, and says so when one is refused", async () => {
    const { wsUrl } = await startRoomServer();
    const input = Array.from({ length: 250 }, (_, i) => JSON.stringify({ content: `line ${i}` }));
    const terminal = new FakeTerminal({ YAMABIKO_URL: wsUrl }, [...input, ""]);
    expect(await main(["publish", "lobby", "send_message", "-"], terminal)).toBe(0);
    const seqs = terminal.printed.map((line) => (JSON.parse(line) as { seq: number }).seq);
    expect(seqs).toEqual(input.map((_, i) => i + 1));

    const wrong = new FakeTerminal({ YAMABIKO_URL: wsUrl }, ['{"content":"good"}', '{"content":5}']);
    expect(await main(["publish", "lobby", "send_message", "-"], wrong)).toBe(1);
    expect(wrong.printed.map((line) => (JSON.parse(line) as { success: boolean }).success).sort()).toEqual([
      false,
      true,
    ]);
  });

  it("a refusal is printed as an ack and is exit code 1", async () => {
    const { wsUrl } = await startRoomServer();
    const terminal = new FakeTerminal({ YAMABIKO_URL: wsUrl });
    expect(await main(["publish", "lobby", "no_such_type", "{}"], terminal)).toBe(1);
    expect(JSON.parse(terminal.printed[0] ?? "")).toMatchObject({ success: false, error: { code: "unknown_type" } });
  });

  it("a room that may not be read is exit code 1", async () => {
    const { wsUrl } = await startRoomServer();
    for (const argv of [
      ["tail", "user:somebody"],
      ["publish", "user:somebody", "x", "{}"],
    ]) {
      const terminal = new FakeTerminal({ YAMABIKO_URL: wsUrl });
      expect(await main(argv, terminal)).toBe(1);
      expect(terminal.noted[0]).toContain("access_denied");
    }
  });

  it("a token that is not accepted is exit code 1, and is not shown", async () => {
    const { wsUrl } = await startRoomServer();
    for (const argv of [
      ["tail", "lobby"],
      ["publish", "lobby", "send_message", '{"content":"x"}'],
    ]) {
      const terminal = new FakeTerminal({ YAMABIKO_URL: wsUrl, YAMABIKO_TOKEN: "canary" });
      expect(await main(argv, terminal)).toBe(1);
      expect(terminal.noted.join("\n")).toMatch(/token/i);
      expect(terminal.noted.join("\n")).not.toContain("canary");
    }
  });

  it("publish gives up when no server answers", async () => {
    const terminal = new FakeTerminal({ YAMABIKO_URL: "ws://127.0.0.1:1" });
    expect(await main(["publish", "lobby", "send_message", "{}", "--timeout", "0.5"], terminal)).toBe(1);
    expect(terminal.noted[0]).toContain("No answer");
    expect(terminal.noted[1]).toContain("YAMABIKO_URL");
  });

  it("tail tries again while no server answers, until it is stopped", async () => {
    const terminal = new FakeTerminal({ YAMABIKO_URL: "ws://127.0.0.1:1" });
    const following = main(["tail", "lobby"], terminal);
    await until(() => terminal.noted.length > 0);
    expect(terminal.noted[0]).toContain("Trying again");
    terminal.stop();
    expect(await following).toBe(0);
  });
});

describe("yamabiko serve", () => {
  async function serving(terminal: FakeTerminal, ...args: string[]) {
    const exit = main(
      ["serve", "--dev", "--port", "0", "--log", "memory:", "--log-level", "silent", ...args],
      terminal,
    );
    await until(() => terminal.printed.length > 0 || terminal.noted.length > 0);
    return { exit, url: /http:\S+/.exec(terminal.printed[0] ?? "")?.[0] ?? "" };
  }

  it("says where it listens and where the data is, and closes when it is asked to", async () => {
    const terminal = new FakeTerminal();
    const { exit, url } = await serving(terminal);
    expect(terminal.printed[0]).toMatch(/^Yamabiko \d+\.\d+\.\d+ is listening on http:\/\/127\.0\.0\.1:\d+$/);
    expect(terminal.printed.join("\n")).toContain("in memory");
    expect((await fetch(`${url}/healthz`)).status).toBe(200);
    terminal.stop();
    expect(await exit).toBe(0);
    await expect(fetch(`${url}/healthz`)).rejects.toThrow();
  });

  it("serves a page and invites to open it", async () => {
    const directory = temporary();
    writeFileSync(join(directory, "index.html"), "<title>Page</title>");
    const terminal = new FakeTerminal();
    const { exit, url } = await serving(terminal, "--static", directory);
    expect(terminal.printed[1]).toBe("Open it in two windows and chat.");
    expect(await (await fetch(url)).text()).toContain("Page");
    terminal.stop();
    await exit;
  });

  it("runs what a configuration file says", async () => {
    const directory = temporary();
    writeFileSync(
      join(directory, "yamabiko.config.ts"),
      'const never = ({ right }: { right: string }) => right !== "write";\nexport default { access: never };\n',
    );
    const terminal = new FakeTerminal({}, [], directory);
    const { exit, url } = await serving(terminal);
    const writer = new FakeTerminal({ YAMABIKO_URL: url });
    expect(await main(["publish", "lobby", "send_message", '{"content":"x"}'], writer)).toBe(1);
    expect(writer.printed[0]).toContain("access_denied");
    terminal.stop();
    await exit;
  });

  it("says what to do when the port is taken", async () => {
    const other: Server = createServer();
    closing.push(() => other.close());
    await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
    const { port } = other.address() as AddressInfo;
    const terminal = new FakeTerminal();
    expect(await main(["serve", "--dev", "--log", "memory:", "--port", String(port)], terminal)).toBe(2);
    expect(terminal.noted[0]).toBe(`Something is already listening on 127.0.0.1:${port}.`);
    expect(terminal.noted[1]).toContain("--port");
  });

  it("warns when development mode can be reached by others", async () => {
    const terminal = new FakeTerminal();
    const { exit } = await serving(terminal, "--host", "0.0.0.0");
    expect(terminal.printed.join("\n")).toContain("Careful");
    terminal.stop();
    await exit;
  });
});

describe("the process", { timeout: 60_000 }, () => {
  const path = (name: string) => fileURLToPath(new URL(`../../${name}`, import.meta.url));
  // jiti runs the source as it is, so that this test needs no build.
  function start(...args: string[]) {
    const { YAMABIKO_URL: _url, YAMABIKO_TOKEN: _token, ...env } = process.env;
    const command = [path("node_modules/jiti/lib/jiti-cli.mjs"), path("src/bin/yamabiko.ts"), ...args];
    const child: ChildProcess = spawn(process.execPath, command, { stdio: ["ignore", "pipe", "pipe"], env });
    closing.push(() => child.kill("SIGKILL"));
    let output = "";
    child.stdout?.on("data", (chunk) => {
      output += String(chunk);
    });
    child.stderr?.on("data", (chunk) => {
      output += String(chunk);
    });
    const exit = new Promise<number | null>((resolve) => child.once("exit", resolve));
    return { child, exit, output: () => output };
  }
  const serve = ["serve", "--dev", "--port", "0", "--log", "memory:"];

  it.each(["SIGINT", "SIGTERM"] as const)("closes gracefully on %s", async (signal) => {
    const { child, exit, output } = start(...serve);
    await until(() => output().includes("listening"), 50_000);
    child.kill(signal);
    expect(await exit).toBe(0);
  });

  it("stops at once at the second signal", async () => {
    const { child, exit, output } = start(...serve);
    await until(() => /http:\S+/.test(output()), 50_000);
    const { hostname, port } = new URL(/http:\S+/.exec(output())?.[0] ?? "");
    // A request that never ends is what a graceful close waits for.
    const socket = connect(Number(port), hostname);
    closing.push(() => socket.destroy());
    socket.on("error", () => {});
    await new Promise<void>((resolve) => socket.once("connect", resolve));
    socket.write(`POST /api/dev/token HTTP/1.1\r\nhost: ${hostname}:${port}\r\ncontent-length: 100\r\n\r\n{`);
    await new Promise((resolve) => setTimeout(resolve, 100));
    child.kill("SIGINT");
    await until(() => output().includes("Closing"));
    const asked = performance.now();
    child.kill("SIGINT");
    expect(await exit).toBe(130);
    expect(performance.now() - asked).toBeLessThan(2_000);
  });

  it("ends by itself when the server could not start", async () => {
    const { exit, output } = start(...serve, "--static", "no-such-folder");
    expect(await exit).toBe(2);
    expect(output()).toContain("There is no index.html in no-such-folder.");
  });

  it("has an exit code", async () => {
    const { exit, output } = start("nonsense");
    expect(await exit).toBe(2);
    expect(output()).toContain("no command nonsense");
  });
});
