import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { main } from "../../src/bin/main.ts";
import { startServer, until } from "../harness.ts";
import { FakeTerminal } from "./fake-terminal.ts";

const API_KEY = "a-key-for-the-back-end";

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function start(options: Parameters<typeof startServer>[0] = {}) {
  const server = await startServer({ apiKeys: ["another-key-for-it", API_KEY], dev: false, guests: true, ...options });
  closing.push(() => server.close());
  const events = (room = "feed:news") => server.room(room).history(0, 10_000);
  return Object.assign(server, { events });
}

/** A server that is not ours, or not quite. */
async function startOther(answer: RequestListener): Promise<string> {
  const server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  closing.push(() => server.close());
  closing.push(() => server.closeAllConnections());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const verdicts = (terminal: FakeTerminal) => terminal.printed.map((line) => JSON.parse(line));

describe("yamabiko publish as a back end", () => {
  it.each([
    ["the flag", { YAMABIKO_TOKEN: "not asked for" }, ["--api-key", API_KEY]],
    ["the variable, which may hold several", { YAMABIKO_API_KEY: `${API_KEY},another-key-for-it` }, []],
  ])("publishes any type into any room, with the key of %s and no token", async (_name, env, flags) => {
    const { url, wsUrl, events } = await start();
    for (const address of [url, wsUrl, `${url}/`]) {
      const terminal = new FakeTerminal({ ...env, YAMABIKO_URL: address });
      expect(await main(["publish", "feed:news", "news", '{"title":"やまびこ"}', ...flags], terminal)).toBe(0);
      expect(verdicts(terminal)).toMatchObject([{ success: true, duplicate: false }]);
    }
    expect(await events()).toHaveLength(3);
    expect((await events())[0]).toMatchObject({ type: "news", payload: { title: "やまびこ" }, seq: 1 });
  });

  it("a key from the variable is told of, and a token wins over it", async () => {
    const { wsUrl } = await start();
    const env = { YAMABIKO_URL: wsUrl, YAMABIKO_API_KEY: API_KEY };
    const terminal = new FakeTerminal(env);
    expect(await main(["publish", "feed:news", "news", "{}"], terminal)).toBe(0);
    expect(terminal.noted).toEqual(["Publishing as a back end, with YAMABIKO_API_KEY."]);
    const user = new FakeTerminal({ ...env, YAMABIKO_TOKEN: "canary" });
    expect(await main(["publish", "feed:news", "news", "{}"], user)).toBe(1);
    expect(user.noted[0]).toContain("token");
  });

  it("ACK-3 the same messageId again is the same event, and the same lines again add nothing", async () => {
    const { url, events } = await start();
    const env = { YAMABIKO_URL: url, YAMABIKO_API_KEY: API_KEY };
    const once = ["publish", "feed:news", "news", "{}", "--message-id", "m-1"];
    const lines = Array.from({ length: 1_234 }, (_, i) => JSON.stringify({ number: i }));
    const many = ["publish", "feed:news", "news", "-", "--message-id", "import"];
    const first = [new FakeTerminal(env), new FakeTerminal(env, lines)];
    const second = [new FakeTerminal(env), new FakeTerminal(env, [...lines, "", '{"number":1234}'])];
    for (const [one, all] of [first, second]) {
      expect(await main(once, one!)).toBe(0);
      expect(await main(many, all!)).toBe(0);
    }
    expect(verdicts(first[1]!).map(({ seq }) => seq)).toEqual(lines.map((_, i) => i + 2));
    expect(verdicts(second[1]!).filter(({ duplicate }) => !duplicate)).toHaveLength(1);
    expect((await events()).slice(1).map(({ payload }) => payload)).toEqual(
      [...lines, '{"number":1234}'].map((line) => JSON.parse(line)),
    );
  });

  it("publishes what comes, while more is to come", async () => {
    const { url, events } = await start();
    let more = (): void => {};
    async function* input(): AsyncGenerator<string> {
      yield '{"n":1}';
      yield '{"n":2}';
      await new Promise<void>((resolve) => {
        more = resolve;
      });
      yield '{"n":3}';
      await new Promise(() => {});
    }
    const terminal = new FakeTerminal({ YAMABIKO_URL: url }, input());
    const publishing = main(["publish", "feed:news", "n", "-", "--api-key", API_KEY], terminal);
    await until(() => terminal.printed.length === 2);
    more();
    await until(() => terminal.printed.length === 3);
    terminal.stop();
    expect(await publishing).toBe(0);
    expect((await events()).map(({ payload }) => payload)).toEqual([{ n: 1 }, { n: 2 }, { n: 3 }]);
  });

  it("one line that is refused does not stop the others, and is exit code 1", async () => {
    const { url } = await start();
    const terminal = new FakeTerminal(
      { YAMABIKO_URL: url },
      Array.from({ length: 10 }, () => "{}"),
    );
    // The tenth makes it one character longer than a messageId may be.
    const argv = ["publish", "feed:news", "news", "-", "--api-key", API_KEY, "--message-id", "x".repeat(126)];
    expect(await main(argv, terminal)).toBe(1);
  });

  it("says what is before a line that is no JSON, and which line it is", async () => {
    const { url, events } = await start();
    const terminal = new FakeTerminal({ YAMABIKO_URL: url }, ["{}", "", "no", "{}"]);
    expect(await main(["publish", "feed:news", "news", "-", "--api-key", API_KEY], terminal)).toBe(2);
    expect(verdicts(terminal)).toMatchObject([{ success: true }]);
    expect(terminal.noted[0]).toBe("Line 3 is not JSON.");
    expect(await events()).toHaveLength(1);
  });

  it.each([
    ["a key that is not accepted", { apiKeys: ["quite-another-key-of-it"] }, "feed:news", "news", "not accepted"],
    ["a server without a key", { apiKeys: [] }, "feed:news", "news", "no API key"],
    ["a namespace that is not there", {}, "nowhere:news", "news", "no namespace"],
    ["a type that cannot be one", {}, "feed:news", "no type", "type"],
  ])("says what is wrong with %s, and does not try again", async (_name, options, room, type, words) => {
    const { url } = await start(options);
    const terminal = new FakeTerminal({ YAMABIKO_URL: url });
    const argv = ["publish", room, type, "{}", "--api-key", API_KEY];
    expect(await main(argv, terminal)).toBe(1);
    expect([...terminal.noted, ...terminal.printed].join("\n")).toContain(words);
    expect([...terminal.noted, ...terminal.printed].join("\n")).not.toContain(API_KEY);
  });

  it("tries again what the server cannot take now, from the first refused one, until the time is over", async () => {
    const bodies: { messageId: string }[][] = [];
    const ack = { type: "ack", payload: { success: true, seq: 1 } };
    const later = {
      type: "ack",
      payload: { success: false, error: { code: "unavailable", message: "Later.", retryable: true } },
    };
    const answers = [
      null,
      { status: 502, body: "<html>" },
      { status: 503, body: { error: later.payload.error } },
      { status: 200, body: [ack, later, later] },
      { status: 200, body: [ack, ack] },
    ];
    const url = await startOther(async (request, response) => {
      let text = "";
      for await (const chunk of request) text += String(chunk);
      bodies.push(JSON.parse(text));
      const answer = answers.shift();
      if (answer === null || answer === undefined) request.socket.destroy();
      else
        response
          .writeHead(answer.status)
          .end(typeof answer.body === "string" ? answer.body : JSON.stringify(answer.body));
    });
    const terminal = new FakeTerminal({ YAMABIKO_URL: url }, ["{}", "{}", "{}"]);
    const argv = ["publish", "feed:news", "n", "-", "--api-key", "k", "--message-id", "m"];
    expect(await main(argv, terminal)).toBe(0);
    expect(terminal.printed).toHaveLength(3);
    const all = ["m-1", "m-2", "m-3"];
    expect(bodies.map((body) => body.map(({ messageId }) => messageId))).toEqual([all, all, all, all, all.slice(1)]);

    const late = new FakeTerminal({ YAMABIKO_URL: url });
    expect(await main(["publish", "feed:news", "n", "{}", "--api-key", "k", "--timeout", "0.4"], late)).toBe(1);
    expect(late.noted).toEqual(["No answer in 0.4 s. (unavailable)", expect.stringContaining("YAMABIKO_URL")]);
  });

  it("says so when somebody else answers, and where that one points to", async () => {
    const other = await startOther((request, response) => {
      if (request.url?.startsWith("/moved") === true)
        response.writeHead(301, { Location: "https://new.example/" }).end();
      else response.writeHead(200).end("<html>");
    });
    const terminal = new FakeTerminal();
    const argv = ["publish", "feed:news", "n", "{}", "--api-key", "k", "--url"];
    expect(await main([...argv, other], terminal)).toBe(1);
    expect(terminal.noted[0]).toContain(`There is no Yamabiko server at ${other}: it answered 200.`);
    expect(await main([...argv, `${other}/moved/ws`], terminal)).toBe(1);
    expect(terminal.noted.at(-1)).toContain("https://new.example/");
  });

  it("stops when it is asked to, while no server answers", async () => {
    const terminal = new FakeTerminal();
    const argv = ["publish", "feed:news", "n", "{}", "--api-key", "k", "--url", "http://127.0.0.1:1"];
    const publishing = main(argv, terminal);
    terminal.stop();
    expect(await publishing).toBe(1);
    expect(terminal.noted[0]).toContain("Stopped");
  });
});

describe("yamabiko publish as a user", () => {
  it("says what became of the lines before one that is no JSON", async () => {
    const { wsUrl } = await start({ dev: true });
    const terminal = new FakeTerminal({ YAMABIKO_URL: wsUrl }, ['{"content":"good"}', "no"]);
    expect(await main(["publish", "lobby", "send_message", "-"], terminal)).toBe(2);
    expect(verdicts(terminal)).toMatchObject([{ success: true }]);
    expect(terminal.noted[0]).toBe("Line 2 is not JSON.");
  });

  it("ACK-3 the same lines again under the same --message-id add nothing", async () => {
    const { url, wsUrl, events } = await start({ dev: true });
    const response = await fetch(`${url}/api/dev/token`, { method: "POST", body: '{"user":"ada"}' });
    const { token } = (await response.json()) as { token: string };
    for (let run = 0; run < 2; run++) {
      const terminal = new FakeTerminal({ YAMABIKO_URL: wsUrl, YAMABIKO_TOKEN: token }, [
        '{"content":"a"}',
        '{"content":"b"}',
      ]);
      expect(await main(["publish", "lobby", "send_message", "-", "--message-id", "m"], terminal)).toBe(0);
    }
    expect(await events("chat:lobby")).toHaveLength(2);
  });
});
