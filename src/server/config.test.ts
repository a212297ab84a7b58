import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { LIMITS, type LimitName } from "../protocol/index.ts";
import { checkBusOverLog, resolveConfig, toServerOptions } from "./config.ts";
import { ConfigError } from "./config-error.ts";
import { loadConfigFile } from "./config-file.ts";
import { type ConfigSources, parseFlags } from "./config-sources.ts";
import { flagOf, SETTINGS, variableOf } from "./settings.ts";

const SECRET = "a secret of more than thirty-two bytes, for tests";
const dev = (sources: ConfigSources = {}) => resolveConfig({ ...sources, flags: { dev: true, ...sources.flags } });
const refusalOf = (run: () => unknown): ConfigError => {
  try {
    run();
  } catch (error) {
    if (error instanceof ConfigError) return error;
    throw error;
  }
  throw new Error("It was accepted.");
};

describe("resolveConfig", () => {
  it("has a default for everything in development", () => {
    expect(dev()).toMatchObject({
      port: 8080,
      host: "127.0.0.1",
      log: "sqlite:./data/yamabiko.db",
      sqliteSynchronous: "full",
      bus: "memory:",
      dev: true,
      guests: true,
      defaultRoom: null,
      static: null,
      echoPath: null,
      allowedOrigins: [],
      trustedProxies: [],
      heartbeatMs: 20_000,
      logLevel: "warn",
      dataDirectory: "./data",
    });
  });

  it("in production listens for everybody, lets no guests in, and has all limits on", () => {
    const config = resolveConfig({ env: { YAMABIKO_JWT_SECRET: SECRET } });
    expect(config).toMatchObject({ host: "0.0.0.0", guests: false, dev: false, jwtSecret: SECRET, logLevel: "info" });
    expect(config.limits.connectionsPerIp).toBe(10);
    expect(dev().limits.connectionsPerIp).toBe(0);
  });

  it("takes flags before variables before the file before the default", () => {
    const file = { port: 1, host: "a", heartbeatMs: 1000, limits: { connectionsPerIp: 1, depth: 9 } };
    const env = { YAMABIKO_PORT: "2", YAMABIKO_HOST: "b", YAMABIKO_LIMIT_CONNECTIONS_PER_IP: "2" };
    const config = dev({ flags: { port: "3", "limit-connections-per-ip": "3" }, env, file });
    expect(config).toMatchObject({ port: 3, host: "b", heartbeatMs: 1000, echoPath: null });
    expect(config.limits).toMatchObject({ connectionsPerIp: 3, depth: 9, messageBytes: LIMITS.messageBytes.default });
  });

  it("reads lists, yes and no, rooms and retention from text", () => {
    const config = dev({
      env: {
        YAMABIKO_ALLOWED_ORIGINS: "https://a.example, http://localhost:5173",
        YAMABIKO_TRUSTED_PROXIES: "10.0.0.0/8,::1",
        YAMABIKO_GUESTS: "no",
        YAMABIKO_DEFAULT_ROOM: "lobby",
        YAMABIKO_RETENTION_MAX_EVENTS: "100",
        YAMABIKO_ECHO_PATH: "/echo",
      },
      file: { retention: { maxAgeMs: 5 }, guests: true },
    });
    expect(config.allowedOrigins).toEqual(["https://a.example", "http://localhost:5173"]);
    expect(config.trustedProxies).toEqual(["10.0.0.0/8", "::1"]);
    expect(config).toMatchObject({ guests: false, defaultRoom: "chat:lobby", echoPath: "/echo" });
    expect(config.retention).toEqual({ maxEvents: 100, maxAgeMs: 5, maxBytes: undefined });
  });

  it("takes an empty variable for one that is not set, and leaves the other commands' variables alone", () => {
    expect(dev({ env: { YAMABIKO_PORT: "", YAMABIKO_TOKEN: "x", YAMABIKO_URL: "y", PATH: "/bin" } }).port).toBe(8080);
  });

  it("refuses to start in production without a key, and says what to do", () => {
    const refusal = refusalOf(() => resolveConfig());
    expect(refusal.message).toContain("no key");
    expect(refusal.remedy).toContain("YAMABIKO_JWT_SECRET");
    expect(refusal.remedy).toContain("--dev");
    expect(resolveConfig({ flags: { guests: true } }).dev).toBe(false);
  });

  it("takes the keys for Web Push all or not at all", () => {
    const env = {
      YAMABIKO_VAPID_PUBLIC_KEY: "B".repeat(87),
      YAMABIKO_VAPID_PRIVATE_KEY: "p".repeat(43),
      YAMABIKO_VAPID_SUBJECT: "mailto:ops@example.com",
    };
    const push = { publicKey: "B".repeat(87), privateKey: "p".repeat(43), subject: "mailto:ops@example.com" };
    expect(toServerOptions(dev({ env })).push).toEqual(push);
    expect(toServerOptions(dev({})).push).toBeUndefined();
    const refusal = refusalOf(() => dev({ env: { ...env, YAMABIKO_VAPID_SUBJECT: "" } }));
    expect(refusal.message).toContain("YAMABIKO_VAPID_SUBJECT");
    expect(refusal.remedy).toContain("generate-vapid-keys");
  });

  it("refuses two keys", () => {
    const env = { YAMABIKO_JWT_SECRET: SECRET, YAMABIKO_JWKS_URL: "https://id.example/keys" };
    expect(refusalOf(() => resolveConfig({ env })).message).toContain("YAMABIKO_JWT_SECRET and YAMABIKO_JWKS_URL");
  });

  it.each<[string, ConfigSources, string, string]>([
    ["a flag", { flags: { port: "abc" } }, '--port cannot be used (it is "abc").', "0 to 65535"],
    ["a variable", { env: { YAMABIKO_PORT: "70000" } }, "YAMABIKO_PORT cannot be used", "0 to 65535"],
    ["the file", { file: { port: "8o" }, fileName: "my.config.ts" }, "my.config.ts: port cannot be used", "0 to 65535"],
    ["a limit", { env: { YAMABIKO_LIMIT_DEPTH: "0" } }, "YAMABIKO_LIMIT_DEPTH cannot be used", "above 0"],
    ["a limit below 0", { flags: { "limit-connections": "-1" } }, "--limit-connections cannot be used", "0: no limit"],
    ["a log", { flags: { log: "mysql://x" } }, "--log cannot be used", "`sqlite:PATH`, `redis://…`"],
    ["a log without a path", { flags: { log: "sqlite:" } }, "--log cannot be used", "sqlite:PATH"],
    ["an origin with a path", { flags: { "allowed-origins": "https://a.example/" } }, "--allowed-origins", "origins"],
    ["a pattern of origins", { flags: { "allowed-origins": "https://*.example" } }, "--allowed-origins", "origins"],
    ["no network", { env: { YAMABIKO_TRUSTED_PROXIES: "10.0.0.0/33" } }, "YAMABIKO_TRUSTED_PROXIES", "networks"],
    ["no room", { env: { YAMABIKO_DEFAULT_ROOM: "CHAT:x" } }, "YAMABIKO_DEFAULT_ROOM", "a room"],
    ["half a yes", { env: { YAMABIKO_GUESTS: "perhaps" } }, "YAMABIKO_GUESTS cannot be used", "yes or no"],
    ["an unknown flag", { flags: { prot: "1" } }, "There is no flag --prot.", "Did you mean --port?"],
    ["an unknown variable", { env: { YAMABIKO_PROT: "1" } }, "YAMABIKO_PROT is set", "Did you mean YAMABIKO_PORT?"],
    [
      "an unknown limit",
      { env: { YAMABIKO_LIMIT_CONNECTION_PER_IP: "1" } },
      "YAMABIKO_LIMIT_CONNECTION_PER_IP is set",
      "Did you mean YAMABIKO_LIMIT_CONNECTIONS_PER_IP?",
    ],
    ["an unknown key", { file: { hots: "x" } }, "there is no setting hots", "Did you mean host?"],
    ["an unknown key inside", { file: { limits: { dept: 1 } } }, "there is no setting limits.dept", "limits.depth?"],
    ["something quite unknown", { env: { YAMABIKO_BANANA_SPLIT: "1" } }, "no such setting", "serve --help"],
    ["a file that is no object", { file: [] }, "does not export an object", "export default"],
    ["namespaces that are none", { file: { namespaces: [{}] } }, "namespaces is not", "defineNamespace"],
    ["access that is no function", { file: { access: true } }, "access is not a function", "function"],
  ])("names the source of %s that cannot be used", (_name, sources, words, remedy) => {
    const refusal = refusalOf(() => dev(sources));
    expect(refusal.message).toContain(words);
    expect(refusal.remedy).toContain(remedy);
  });

  it("takes secrets by variable only, and never shows one", () => {
    expect(refusalOf(() => dev({ flags: { "jwt-secret": SECRET } })).remedy).toContain("YAMABIKO_JWT_SECRET");
    expect(refusalOf(() => dev({ file: { jwtSecret: SECRET } })).remedy).toContain("YAMABIKO_JWT_SECRET");
    const refusal = refusalOf(() => dev({ env: { YAMABIKO_JWT_SECRET: "canary" } }));
    expect(refusal.message).toContain("YAMABIKO_JWT_SECRET");
    expect(refusal.message + refusal.remedy).not.toContain("canary");
  });

  it("takes one API key or several, for the back ends", () => {
    const [first, second] = ["a-key-for-the-back-end", "another+key/for=it+++"];
    expect(toServerOptions(dev()).apiKeys).toEqual([]);
    expect(toServerOptions(dev({ env: { YAMABIKO_API_KEY: first } })).apiKeys).toEqual([first]);
    expect(toServerOptions(dev({ env: { YAMABIKO_API_KEY: `${first}, ${second}` } })).apiKeys).toEqual([first, second]);
  });

  it.each([
    ["too short", "canary"],
    ["one of two too short", "a-key-for-the-back-end,canary"],
    ["no key at all", ","],
    ["what no header carries", "canary and some more words"],
    ["other letters than ASCII", "canary-ключ-ключ-ключ"],
  ])("refuses an API key that is %s, and does not show it", (_name, value) => {
    const refusal = refusalOf(() => dev({ env: { YAMABIKO_API_KEY: value } }));
    expect(refusal.message).toBe("YAMABIKO_API_KEY cannot be used.");
    expect(refusal.remedy).toContain("16 or more");
    expect(refusal.remedy).toContain("openssl");
  });

  it("takes API keys by variable only", () => {
    const key = "a-key-for-the-back-end";
    expect(refusalOf(() => dev({ flags: { "api-key": key } })).remedy).toContain("YAMABIKO_API_KEY");
    expect(refusalOf(() => dev({ file: { apiKey: key } })).remedy).toContain("YAMABIKO_API_KEY");
  });

  it("LIM-1 every limit has a flag, a variable and a key in the file", () => {
    for (const name of Object.keys(LIMITS) as LimitName[]) {
      const key = `limits.${name}`;
      expect(dev({ flags: { [flagOf(key)]: "7" } }).limits[name]).toBe(7);
      expect(dev({ env: { [variableOf(key)]: "7" } }).limits[name]).toBe(7);
      expect(dev({ file: { limits: { [name]: 7 } } }).limits[name]).toBe(7);
    }
  });

  it("gives each setting a flag and a variable of its own", () => {
    const keys = [...Object.keys(SETTINGS), ...Object.keys(LIMITS).map((name) => `limits.${name}`)];
    expect(new Set(keys.map(flagOf)).size).toBe(keys.length);
    expect(new Set(keys.map(variableOf)).size).toBe(keys.length);
  });
});

describe("parseFlags", () => {
  it("reads every form", () => {
    expect(parseFlags(["--port", "80", "--host=::1", "--dev", "--no-guests", "--log=sqlite:a=b.db"])).toEqual({
      port: "80",
      host: "::1",
      dev: true,
      guests: false,
      log: "sqlite:a=b.db",
    });
    expect(parseFlags(["--trusted-proxies", "::1", "--trusted-proxies=10.0.0.1"])).toEqual({
      "trusted-proxies": "::1,10.0.0.1",
    });
    expect(resolveConfig({ flags: parseFlags(["--dev=yes", "--port=0"]) })).toMatchObject({ dev: true, port: 0 });
  });

  it("takes every yes or no without a value", () => {
    const names = Object.entries(SETTINGS).flatMap(([name, { form }]) => (form === "yes or no" ? [flagOf(name)] : []));
    expect(names).toContain("compression");
    for (const name of names) {
      expect(parseFlags([`--${name}`, "--port", "80"])).toEqual({ [name]: true, port: "80" });
      expect(parseFlags([`--no-${name}`])).toEqual({ [name]: false });
    }
  });

  it("traces when it is told to, and names rooms only then", () => {
    const tracingOf = (...args: string[]) =>
      toServerOptions(resolveConfig({ flags: parseFlags(["--dev", ...args]) })).tracing;
    expect(tracingOf()).toBeUndefined();
    expect(tracingOf("--tracing-rooms")).toBeUndefined();
    expect(tracingOf("--tracing")).toEqual({ rooms: false });
    expect(tracingOf("--tracing", "--tracing-rooms")).toEqual({ rooms: true });
  });

  it.each([
    [["--prot", "80"], "Did you mean --port?"],
    [["port"], "begin with --"],
    [["-p", "80"], "begin with --"],
    [["--port"], "--port VALUE"],
    [["--port", "--dev"], "--port VALUE"],
    [["--no-port"], "--port VALUE"],
    [["--port=1", "--port=2"], "Keep one"],
  ])("refuses %j", (args, remedy) => {
    expect(refusalOf(() => parseFlags(args)).remedy).toContain(remedy);
  });
});

describe("the log and the bus", () => {
  it.each([
    ["memory:", "memory:"],
    ["sqlite:x.db", "memory:"],
    ["redis://cache", "redis://cache"],
    ["redis+cluster://a,b", "redis+cluster://a,b"],
    ["postgres://db/app", "postgres://db/app"],
  ])("%s has the bus %s unless another is named", (log, bus) => {
    expect(dev({ flags: { log } })).toMatchObject({ log, bus });
    expect(dev({ flags: { log, bus: "memory:" } })).toMatchObject({ log, bus: "memory:" });
  });

  it("may be on different servers", () => {
    const flags = { log: "postgres://db/app", bus: "rediss://cache" };
    expect(dev({ flags })).toMatchObject(flags);
  });

  it("never show a password", () => {
    const { message } = refusalOf(() => dev({ flags: { log: "http://user:canary/x@y@cache" } }));
    expect(message).toContain("cache");
    expect(message).not.toContain("canary");
    expect(message).not.toContain("user");
  });
});

describe("checkBusOverLog", () => {
  it("refuses nodes that would number the same room apart", () => {
    expect(refusalOf(() => checkBusOverLog("redis://cache", "sqlite:x.db")).message).toContain("redis:");
    expect(refusalOf(() => checkBusOverLog("redis://u:canary@cache", "memory:")).message).not.toContain("canary");
    checkBusOverLog("redis://cache", "redis://cache");
    checkBusOverLog("memory:", "sqlite:x.db");
  });
});

describe("loadConfigFile", () => {
  const directories: string[] = [];
  afterEach(() => {
    for (const directory of directories.splice(0)) rmSync(directory, { recursive: true });
  });
  const write = (files: Record<string, string>): string => {
    const directory = mkdtempSync(join(tmpdir(), "yamabiko-"));
    directories.push(directory);
    for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text);
    return directory;
  };

  it("runs TypeScript as it is", async () => {
    const directory = write({
      "yamabiko.config.ts": "const port: number = 9000;\nexport default { port, access: () => true } as const;\n",
      "yamabiko.config.js": "export default { port: 1 };",
    });
    const file = await loadConfigFile(directory);
    expect(file?.name).toBe("yamabiko.config.ts");
    const config = dev({ file: file?.value });
    expect(config.port).toBe(9000);
    expect(config.code.access).toBeTypeOf("function");
  });

  it("takes the file that is named, and none when there is none", async () => {
    const directory = write({ "other.mjs": "export default { port: 9001 };" });
    expect(await loadConfigFile(directory)).toBeNull();
    expect((await loadConfigFile(directory, "other.mjs"))?.value).toMatchObject({ port: 9001 });
  });

  it("says what is wrong with a file", async () => {
    const directory = write({ "broken.ts": "export default {", "empty.ts": "export const port = 1;" });
    await expect(loadConfigFile(directory, "missing.ts")).rejects.toThrow("missing.ts does not exist");
    await expect(loadConfigFile(directory, "broken.ts")).rejects.toThrow("broken.ts cannot be run");
    await expect(loadConfigFile(directory, "empty.ts")).rejects.toThrow("empty.ts has no default export");
  });
});
