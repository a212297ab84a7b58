import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import { main } from "../../src/bin/main.ts";
import { nginxConfig } from "../../src/bin/nginx-config.ts";
import { startServer } from "../harness.ts";
import { NginxServer } from "../support/nginx-server.ts";
import { PostgresServer } from "../support/postgres-server.ts";
import { freePort } from "../support/process.ts";
import { RedisServer } from "../support/redis-server.ts";
import { FakeTerminal } from "./fake-terminal.ts";

const KEY = { YAMABIKO_JWT_SECRET: "thirty-two bytes of a test's key" };
const directory = await mkdtemp(join(tmpdir(), "yamabiko-doctor-"));
afterAll(() => rm(directory, { recursive: true, force: true }));

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

/** What the doctor says, and whether all is well. */
async function ask(args: readonly string[], env: Record<string, string> = KEY) {
  const terminal = new FakeTerminal(env, [], directory);
  const code = await main(["doctor", ...args], terminal);
  return { code, said: terminal.printed.join("\n"), noted: terminal.noted.join("\n") };
}

describe("yamabiko doctor looks at the settings and the stores", () => {
  it("is content with SQLite on a disk that can be written, and makes nothing", async () => {
    const { code, said } = await ask(["--log", "sqlite:new/log.db"]);
    expect(said).toMatch(/^ok +The settings can be used/);
    expect(said).toMatch(new RegExp(`^ok +The log will be made: ${directory}/new/log.db`, "m"));
    expect(said).toContain("SQLite keeps what it acknowledges");
    expect(said).not.toMatch(/^wrong/m);
    expect(code).toBe(0);
    expect((await ask(["--log", "sqlite:new/log.db"])).said).toContain("will be made");
  });

  it.each([
    ["no key", [], {}, /^wrong +There is no key to check tokens with\.\n +→ Set YAMABIKO_JWT_SECRET/],
    ["an unknown setting", ["--prot", "80"], KEY, /^wrong +There is no flag --prot\.\n +→ .*--port/],
    ["a log in a place that is a file", ["--log", "sqlite:file/log.db"], KEY, /^wrong .*is a file, where a directory/m],
    ["a log that is a directory", ["--log", "sqlite:."], KEY, /^wrong .*is a directory, where a file/m],
  ])("says what is wrong with %s", async (_name, args, env, expected) => {
    await writeFile(join(directory, "file"), "");
    const { code, said } = await ask(args, env as Record<string, string>);
    expect(said).toMatch(expected);
    expect(code).toBe(1);
  });

  it("warns of what works but may surprise", async () => {
    const memory = await ask(["--log", "memory:"]);
    expect(memory.said).toMatch(/^warning +The log is in memory/m);
    expect(memory.code).toBe(0);
    const normal = await ask(["--log", "sqlite:log.db", "--sqlite-synchronous", "normal"]);
    expect(normal.said).toMatch(/^warning +A power cut may lose the last moments/m);
  });

  it("tells a Redis that keeps from one that does not", async () => {
    const good = await RedisServer.start({ appendfsync: "always" });
    ends.push(() => good.stop());
    const bad = await RedisServer.start({ appendfsync: "off", args: ["--maxmemory-policy", "allkeys-lru"] });
    ends.push(() => bad.stop());
    const well = await ask(["--log", good.url]);
    expect(well.said).toContain("through a power cut too");
    expect(well.said).toMatch(/^ok +The clock of Redis is \d+ ms from ours/m);
    expect(well.said).not.toMatch(/^(wrong|warning)/m);
    expect(well.code).toBe(0);
    await good.ask("config", "set", "appendfsync", "everysec");
    const mostly = await ask(["--log", good.url]);
    expect(mostly.said).toMatch(/^warning +Redis .*up to 2 s/m);
    expect(mostly.code).toBe(0);
    const badly = await ask(["--log", bad.url]);
    expect(badly.said).toMatch(/^wrong +Redis writes no append-only file.*\n +→ Set `appendonly yes`/m);
    expect(badly.said).toMatch(/^wrong +Redis throws away keys.*allkeys-lru/m);
    expect(badly.code).toBe(1);
  });

  it("tells what a PostgreSQL does not keep, and one that is away, without a password", {
    timeout: 60_000,
  }, async () => {
    const server = await PostgresServer.start();
    ends.push(() => server.stop());
    const { code, said } = await ask(["--log", server.url(), "--bus", "redis://u:canary@127.0.0.1:1"]);
    expect(said).toMatch(/^ok +PostgreSQL is version \d+/m);
    expect(said).toMatch(/^wrong +PostgreSQL does not wait for the disk/m);
    expect(said).toMatch(/^ok +The clock of PostgreSQL is \d+ ms from ours/m);
    expect(said).toMatch(/^wrong +The bus at redis:\/\/.*127\.0\.0\.1:1 cannot be used/m);
    expect(said).not.toContain("canary");
    expect(code).toBe(1);
  });
});

describe("yamabiko doctor --url", () => {
  const look = (url: string, args: readonly string[] = []) =>
    ask(["--url", url, "--poll-ms", "1500", ...args], args.length > 0 ? KEY : {});

  async function start() {
    const server = await startServer({ trustedProxies: ["127.0.0.1"] });
    ends.push(() => server.close());
    return server;
  }

  async function behind(config: string): Promise<string> {
    const nginx = await NginxServer.start(config);
    ends.push(() => nginx.stop());
    return nginx.url;
  }

  it("is content with a server, and with one behind the nginx it prints", async () => {
    const { url } = await start();
    const direct = await look(url);
    expect(direct.said).toMatch(/^ok +WebSocket gets through/m);
    expect(direct.said).not.toMatch(/^(wrong|warning)/m);
    expect(direct.code).toBe(0);
    const nodes = [new URL(url).host];
    const proxy = await behind(nginxConfig({ nodes, sticky: false, path: "/chat", tls: false }));
    const proxied = await look(`${proxy}/chat`, ["--log", "memory:", "--trusted-proxies", "127.0.0.1"]);
    for (const said of [
      "/readyz says that it is ready",
      "X-Forwarded-For of 127.0.0.1 is believed",
      "WebSocket gets through",
      "Streams (SSE) arrive at once",
      "Long answers arrive compressed",
      "A long poll of 1.5 s is answered",
    ])
      expect(proxied.said).toMatch(new RegExp(`^ok .*${said.replace(/[().]/g, "\\$&")}`, "m"));
    expect(proxied.code).toBe(0);
    const untrusting = await look(`${proxy}/chat`, ["--log", "memory:"]);
    expect(untrusting.said).toMatch(/^wrong .*no proxy is trusted/m);
    expect(untrusting.code).toBe(1);
  });

  it("says what a proxy keeps from clients", { timeout: 30_000 }, async () => {
    const { url } = await start();
    const proxy = await behind(`server {
      listen 80;
      location / {
        proxy_pass ${url};
        proxy_set_header Host $http_host;
        proxy_set_header Accept-Encoding "";
        proxy_ignore_headers X-Accel-Buffering;
        proxy_buffering on;
        proxy_read_timeout 1s;
      }
    }`);
    const { code, said } = await look(proxy);
    expect(said).toMatch(/^wrong +WebSocket does not get through: the answer to the upgrade is \d+/m);
    expect(said).toMatch(/^wrong +(A stream|Streams) \(SSE\)/m);
    expect(said).toMatch(/^wrong +A long poll of 1\.5 s is cut off after 1\.\d s with 504/m);
    expect(said).toMatch(/^warning +Long answers do not arrive compressed/m);
    expect(code).toBe(1);
  });

  it("says when nothing answers, something else does, or the server is not ready", async () => {
    const away = await look(`http://127.0.0.1:${await freePort()}`);
    expect(away.said).toMatch(/^wrong +\/readyz is not answered: ECONNREFUSED/m);
    expect(away.code).toBe(1);
    const tls = await look(`https://127.0.0.1:${await freePort()}`);
    expect(tls.said).toMatch(/^wrong +TLS does not work/m);
    const name = await look("https://nowhere.invalid");
    expect(name.said).toMatch(/^wrong +There is no address for nowhere\.invalid/m);
    const other = await behind("server { listen 80; return 200 hello; }");
    expect((await look(other)).said).toMatch(/^wrong +\/readyz is answered by something else, with 200/m);
    const redis = await RedisServer.start();
    ends.push(() => redis.stop());
    const server = await startServer({ log: redis.url });
    ends.push(() => server.close());
    await redis.kill();
    await expect.poll(async () => (await look(server.url)).said).toMatch(/^wrong .*not ready: log down, bus down/m);
  });

  it("does not understand what is none", async () => {
    expect((await ask(["--url", "ftp://x"])).code).toBe(2);
    expect((await ask(["--poll-ms", "0"])).noted).toContain("1 to 60000");
  });
});
