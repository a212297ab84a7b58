import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startServer, until } from "../harness.ts";
import { Witness } from "./witness.ts";

const RUNS = Number(process.env.TEST_FUZZ_RUNS ?? "1");
const CRLF = "\r\n";

describe("fuzz: nothing an HTTP request says ends the process", () => {
  let server: Awaited<ReturnType<typeof startServer>>;
  let witness: Witness;
  let pages: string;
  const faults: unknown[] = [];
  const onFault = (error: unknown): void => void faults.push(error);
  beforeAll(async () => {
    process.on("unhandledRejection", onFault);
    process.on("uncaughtException", onFault);
    pages = await mkdtemp(join(tmpdir(), "yamabiko-pages-"));
    await writeFile(join(pages, "index.html"), "<!doctype html><title>page</title>");
    await writeFile(join(pages, ".secret"), "canary-file");
    server = await startServer({ staticDir: pages });
    witness = await Witness.start(server);
  });
  afterAll(async () => {
    await witness.stop();
    await server.close();
    await rm(pages, { recursive: true, force: true });
    process.off("unhandledRejection", onFault);
    process.off("uncaughtException", onFault);
  });

  /** Sends bytes and reads until the server has ended the connection, or said all it has to say. */
  const raw = (request: string | Buffer, isDone = (_answer: string) => false): Promise<string> =>
    new Promise((resolve, reject) => {
      const { hostname, port } = new URL(server.url);
      const socket = connect(Number(port), hostname);
      let answer = "";
      const done = (): void => {
        clearTimeout(timer);
        socket.destroy();
        resolve(answer);
      };
      const timer = setTimeout(() => {
        socket.destroy();
        reject(new Error(`no end to ${String(request).slice(0, 100)}; so far ${answer.slice(0, 200)}`));
      }, 10_000);
      socket.on("data", (bytes) => {
        answer += bytes.toString("latin1");
        if (isDone(answer)) done();
      });
      socket.on("close", done);
      socket.on("error", () => {});
      socket.write(request);
    });
  const host = () => `Host: ${new URL(server.url).host}${CRLF}`;
  const ask = (line: string, headers = "", body = "") =>
    raw(`${line}${CRLF}${host()}Connection: close${CRLF}${headers}${CRLF}${body}`);
  const statusOf = (answer: string) => Number(/^HTTP\/1\.1 (\d{3})/.exec(answer)?.[1] ?? 0);
  const unharmed = async () => {
    await witness.check();
    expect(faults).toEqual([]);
    expect(await server.metrics()).not.toMatch(/failures_total\{.*\} [1-9]/);
    await until(() => server.connections === 1);
  };

  it("ERR-2: odd addresses get a status, with and without an upgrade", { timeout: 60_000 }, async () => {
    const { host: authority } = new URL(server.url);
    const addresses = [
      ...[
        "//",
        "///",
        "/%",
        "/%zz",
        "/%00",
        "/..",
        "/../../etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/.secret",
        "/%2esecret",
      ],
      ...[
        "//evil",
        "//evil/ws",
        "/\\evil",
        "http://evil/",
        `http://${authority}/ws`,
        "http://",
        "http://[",
        "http://%/",
      ],
      ...[
        "*",
        "?",
        "/?",
        "/?%",
        "/ws?ticket=%",
        "/ws?ticket",
        "/ws?ticket=a&ticket=b",
        "/#",
        "/api",
        "/api/",
        "/api/%",
      ],
      ...["/api/tickets/", "/api//tickets", "/API/tickets", "/healthz/..", "/metrics%20", `/${"a".repeat(10_000)}`],
      ...[
        "/api/dev/token?",
        "/ws/../ws",
        "ws",
        "javascript:alert(1)",
        "/\u00ff",
        "/;",
        "/index.html/",
        "/assets/%c0%ae",
      ],
    ];
    const upgrade = `Connection: Upgrade${CRLF}Upgrade: websocket${CRLF}Sec-WebSocket-Version: 13${CRLF}Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==${CRLF}`;
    for (const address of addresses) {
      for (const method of ["GET", "POST", "HEAD", "OPTIONS", "DELETE", "PUT"]) {
        const answer = await ask(`${method} ${address} HTTP/1.1`);
        expect([method, address, statusOf(answer)]).toEqual([method, address, expect.closeTo(350, -2.6)]);
        expect(statusOf(answer)).toBeLessThan(500);
        expect(answer).not.toContain("canary-file");
        expect(answer).not.toContain("root:");
      }
      const answer = await raw(`GET ${address} HTTP/1.1${CRLF}${host()}${upgrade}${CRLF}`, (sofar) =>
        sofar.includes(" 101 "),
      );
      expect([address, statusOf(answer)]).toEqual([address, expect.closeTo(300, -2.7)]);
      expect(statusOf(answer)).toBeLessThan(500);
    }
    await unharmed();
  });

  it("[case 29] ERR-2: malformed and smuggling-like requests are refused and the socket is closed", {
    timeout: 60_000,
  }, async () => {
    const second = `GET /healthz HTTP/1.1${CRLF}Host: x${CRLF}${CRLF}`;
    const post = (headers: string, body: string) =>
      `POST /api/dev/token HTTP/1.1${CRLF}${host()}${headers}${CRLF}${body}`;
    const broken = [
      post(`Content-Length: 5${CRLF}Transfer-Encoding: chunked${CRLF}`, `0${CRLF}${CRLF}${second}`),
      post(`Content-Length: 5${CRLF}Content-Length: 6${CRLF}`, `12345${second}`),
      post(`Transfer-Encoding: xchunked${CRLF}`, second),
      post(`Transfer-Encoding: chunked${CRLF}`, `zz${CRLF}${second}`),
      post(`Content-Length : 5${CRLF}`, `12345${second}`),
      post(`Content-Length: -1${CRLF}`, second),
      post(`Content-Length: 1e9${CRLF}`, second),
      `GET / HTTP/1.1${CRLF}${host()}X: a${CRLF} folded${CRLF}Bad Header: x${CRLF}${CRLF}`,
      `GET / HTTP/1.1\n${host()}X\u0000: y\n\n`,
      `GET / HTTP/9.9${CRLF}${CRLF}`,
      `G\u0000T / HTTP/1.1${CRLF}${CRLF}`,
      `PRI * HTTP/2.0${CRLF}${CRLF}SM${CRLF}${CRLF}`,
      `\u0016\u0003\u0001\u0002\u0000\u0001\u0000${CRLF}${CRLF}`,
      `GET / HTTP/1.1${CRLF}${host()}X: ${"x".repeat(20_000)}${CRLF}${CRLF}`,
      `GET /${"x".repeat(20_000)} HTTP/1.1${CRLF}${host()}${CRLF}`,
      `CONNECT evil:80 HTTP/1.1${CRLF}Host: evil${CRLF}${CRLF}`,
    ];
    for (const request of broken) {
      const answer = await raw(request);
      expect([request.slice(0, 120), [0, 400, 431].includes(statusOf(answer))]).toEqual([request.slice(0, 120), true]);
      expect(answer.match(/HTTP\/1\.1 /g)?.length ?? 0).toBeLessThanOrEqual(1);
      expect(answer).not.toContain('"status":"ok"');
    }
    await unharmed();
  });

  it("[case 33] ERR-2: bodies of any kind get a typed error, giant ones 413 without being kept", {
    timeout: 60_000,
  }, async () => {
    const post = async (body: string, path = "/api/dev/token", headers: Record<string, string> = {}) => {
      const response = await fetch(`${server.url}${path}`, { method: "POST", body, headers });
      return {
        status: response.status,
        answer: (await response.json()) as { token?: string; error?: { code: string } },
      };
    };
    const value = fc.oneof(
      fc.jsonValue().map((json) => JSON.stringify(json)),
      fc.string({ unit: "binary" }),
      fc.constantFrom(
        "[".repeat(50_000),
        '{"user":{"user":"x"}}',
        '{"__proto__":{"user":"eve"}}',
        '{"user":"\\ud800"}',
        "",
        "null",
      ),
      fc
        .record({ user: fc.oneof(fc.jsonValue(), fc.string({ unit: "binary" })), name: fc.jsonValue() })
        .map((json) => JSON.stringify(json)),
    );
    await fc.assert(
      fc.asyncProperty(value, fc.constantFrom("/api/dev/token", "/api/tickets", "/api/nothing"), async (body, path) => {
        const { status, answer } = await post(body, path);
        if (status === 200) expect(answer.token).toEqual(expect.any(String));
        else expect([400, 401, 404]).toContain(status);
        if (status !== 200) expect(answer.error?.code).toEqual(expect.any(String));
      }),
      { numRuns: 150 * RUNS },
    );
    const giant = `POST /api/dev/token HTTP/1.1${CRLF}${host()}Transfer-Encoding: chunked${CRLF}${CRLF}`;
    const chunk = `10000${CRLF}${"x".repeat(65_536)}${CRLF}`;
    const answer = await raw(giant + chunk.repeat(4), (sofar) => sofar.includes("}}"));
    expect(statusOf(answer)).toBe(413);
    await unharmed();
  });

  it("[case 30] ERR-2: odd handshakes are refused, with typed words, and leave nothing behind", {
    timeout: 60_000,
  }, async () => {
    const key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
    const good = [`Connection: Upgrade`, "Upgrade: websocket", "Sec-WebSocket-Version: 13", key];
    const without = (index: number, ...instead: string[]) => [...good.filter((_, at) => at !== index), ...instead];
    const odd = [
      without(1, "Upgrade: h2c"),
      without(1, "Upgrade: websocket, websocket"),
      without(2),
      without(2, "Sec-WebSocket-Version: 8, 13"),
      without(3),
      without(3, "Sec-WebSocket-Key: "),
      without(3, `Sec-WebSocket-Key: ${"A".repeat(5_000)}`),
      [...good, key],
      [...good, "Sec-WebSocket-Protocol: ,,"],
      [...good, "Sec-WebSocket-Protocol: a, a"],
      [...good, "Authorization: Bearer"],
      [...good, "Authorization: Bearer a b"],
      [...good, `Authorization: Bearer ${"x".repeat(10_000)}`],
      [...good, "Origin: https://evil.example"],
    ];
    for (const lines of odd) {
      for (const path of ["/ws", "/nowhere"]) {
        const request = `GET ${path} HTTP/1.1${CRLF}${host()}${lines.join(CRLF)}${CRLF}${CRLF}`;
        const answer = await raw(request, (sofar) => sofar.includes(" 101 "));
        expect([lines.join(" | "), path, Math.floor(statusOf(answer) / 100)]).toEqual([lines.join(" | "), path, 4]);
        expect(answer).toContain('{"error":{"code":');
      }
    }
    const many = Array.from({ length: 500 }, (_, index) => `X-${index}: ${index}`).join(CRLF);
    await raw(`GET /ws HTTP/1.1${CRLF}${host()}${good.join(CRLF)}${CRLF}${many}${CRLF}${CRLF}`, (sofar) =>
      sofar.includes(CRLF),
    );
    // Gone in the middle of it, at every stage.
    const whole = `GET /ws HTTP/1.1${CRLF}${host()}${good.join(CRLF)}${CRLF}${CRLF}`;
    const { hostname, port } = new URL(server.url);
    for (let at = 0; at <= whole.length; at += 7) {
      await new Promise<void>((resolve) => {
        const socket = connect(Number(port), hostname, () => {
          socket.write(whole.slice(0, at), () => {
            socket.resetAndDestroy();
            resolve();
          });
        });
        socket.on("error", () => resolve());
      });
    }
    await unharmed();
  });

  it("ERR-2: requests mutated at random", { timeout: 60_000 }, async () => {
    const whole = Buffer.from(
      `POST /api/dev/token HTTP/1.1${CRLF}Host: localhost${CRLF}Content-Length: 14${CRLF}Connection: close${CRLF}${CRLF}{"user":"ada"}`,
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 }),
        async (changes) => {
          const bytes = Buffer.from(whole);
          for (const [at, byte] of changes) bytes[at] = byte;
          // What waits for more than it will get is ended by us.
          const { hostname, port } = new URL(server.url);
          const answer = await new Promise<string>((resolve) => {
            const socket = connect(Number(port), hostname);
            let got = "";
            socket.on("data", (data) => {
              got += data.toString("latin1");
            });
            socket.on("close", () => resolve(got));
            socket.on("error", () => {});
            socket.end(bytes);
          });
          if (answer !== "") expect(statusOf(answer)).toBeGreaterThanOrEqual(100);
          expect(answer).not.toContain("internal");
        },
      ),
      { numRuns: 150 * RUNS },
    );
    await unharmed();
  });
});
