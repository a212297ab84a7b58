import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { defineNamespace } from "../../src/session/namespace.ts";
import { devToken, RawClient, until } from "../harness.ts";
import { ask } from "../transports/http-request.ts";
import { Siege } from "./siege.ts";

const CRLF = "\r\n";
/** What would end a line, an event of a stream, or an entry of a log, if somebody let it. */
const NASTY = [
  'a\n\ndata: {"type":"evil"}\n\n',
  "a\r\rdata: evil\r\r",
  "a\r\nid: 5\r\nevent: evil\r\n\r\n",
  "\u0000\u0085\u2028\u2029data: evil",
  "\u001b[31mred\u001b]0;title\u0007",
  '"}\n{"level":"info","msg":"forged"}',
  "\u202eevil",
];

describe("text that would be something else than text", () => {
  let siege: Siege;
  afterEach(() => siege.end());

  it("[case 27] what people write is nothing but data in an event stream, whatever is in it", async () => {
    siege = await Siege.start();
    const ada = await RawClient.open(siege.server, "ada");
    await ada.join("room");
    const stream = siege.open(
      `GET /api/events?roomId=room HTTP/1.1${CRLF}Host: 127.0.0.1${CRLF}Connection: close${CRLF}${CRLF}`,
    );
    await until(() => stream.said.includes("joined_room"));
    for (const content of NASTY) {
      expect(await ada.ask("send_message", { roomId: "room", content })).toMatchObject({ success: true });
    }
    await ada.ask("send_message", { roomId: "room", content: "the end" });
    await until(() => stream.said.includes("the end"));
    const text = Buffer.from(stream.said, "latin1").toString("utf8");
    const lines = text.slice(text.indexOf("\r\n\r\n") + 4).split(/\r\n|\n|\r/);
    const data = lines.filter((line) => line.startsWith("data:")).map((line) => JSON.parse(line.slice(5)));
    const contents = data.filter(({ type }) => type === "new_message").map(({ payload }) => payload.content);
    expect(contents).toEqual([...NASTY, "the end"]);
    const ids = lines.filter((line) => line.startsWith("id:")).map((line) => line.slice(3).trim());
    expect(ids.every((id) => /^[\w-]+:\d+$/.test(id))).toBe(true);
    expect(lines.filter((line) => line !== "" && !/^(data|id|event|retry)?:|^[0-9a-f]+$/.test(line))).toEqual([]);
    for (const type of NASTY) await expect(siege.server.room("room").publish(type, {})).rejects.toThrow();
    ada.close();
    await siege.calm();
  });

  it("[case 27] a Last-Event-ID of any kind is a cursor, a new beginning or a refusal", async () => {
    siege = await Siege.start();
    for (const id of [
      "x",
      "a:b",
      "other:5",
      "-1",
      "9".repeat(400),
      "\u00ff\u00fe",
      "a:1~b:2",
      "__proto__:1",
      "%00",
      "x".repeat(8_000),
    ]) {
      const answer = siege.open(
        Buffer.from(
          `GET /api/events?roomId=room HTTP/1.1${CRLF}Host: 127.0.0.1${CRLF}Last-Event-ID: ${id}${CRLF}Connection: close${CRLF}${CRLF}`,
          "latin1",
        ),
      );
      await until(() => answer.said.includes(CRLF));
      expect([id.slice(0, 20), Number(answer.said.slice(9, 12))]).toEqual([
        id.slice(0, 20),
        expect.toSatisfy((status: number) => status === 200 || status === 400),
      ]);
      answer.socket.destroy();
    }
    await siege.calm();
  });

  it("[case 28] nothing that a client says begins a line of the log, or moves a terminal", async () => {
    const broken = defineNamespace({
      name: "broken",
      messages: {
        fail: {
          joined: false,
          handle(_context, payload) {
            throw new Error(String((payload as { text: string }).text));
          },
        },
      },
    });
    siege = await Siege.start({ namespaces: [broken] });
    for (const text of NASTY) {
      const token = await devToken(siege.server.url, `user-${NASTY.indexOf(text)}`);
      const eve = await RawClient.open(siege.server, undefined, { headers: { "User-Agent": encodeURI(text) } });
      eve.send("authenticate", { token });
      await eve.next("welcome");
      await eve.ask("fail", { roomId: "broken:room", text });
      eve.socket.close(1000, text.slice(0, 40));
      await eve.closed;
    }
    expect(siege.lines.length).toBeGreaterThanOrEqual(5);
    for (const line of siege.lines) {
      expect(line.endsWith("\n")).toBe(true);
      // One object in one line, and no control character as it is.
      expect(JSON.parse(line)).toMatchObject({ level: expect.any(String), time: expect.any(String) });
      expect([...line.slice(0, -1)].filter((character) => character < " ")).toEqual([]);
    }
    expect(siege.lines.some((line) => JSON.parse(line).msg === "forged")).toBe(false);
    await siege.calm(["handling a message"]);
  });

  it("[case 6] a credential is in no log, no metric, no answer to somebody else, and not in the file", async () => {
    const directory = await mkdtemp(join(tmpdir(), "yamabiko-canary-"));
    const leaky = defineNamespace({
      name: "leaky",
      messages: {
        fail: {
          joined: false,
          handle(_context, payload) {
            throw new Error(`could not use ${JSON.stringify(payload)}`);
          },
        },
      },
    });
    siege = await Siege.start({ log: `sqlite:${join(directory, "log.db")}`, namespaces: [leaky] });
    const { url } = siege.server;
    const token = await devToken(url, "canary");
    const bad = `${token.slice(0, -4)}AAAA`;
    const said: string[] = [];
    for (const [path, options] of [
      [`/api/messages?roomId=room&token=${token}`, {}],
      [`/api/messages?roomId=room&access_token=${token}`, {}],
      ["/api/messages?roomId=room", { token: bad }],
      ["/api/messages?roomId=room", { token }],
      [`/api/messages/${token}`, {}],
      ["/api/messages", { token, body: { type: token.slice(0, 60), payload: { roomId: "room", token } } }],
      ["/api/messages", { token, body: { type: "fail", payload: { roomId: "leaky:room", token } } }],
      ["/api/messages", { token, body: `{"type":"${token}` }],
    ] as const) {
      said.push((await ask(url, path, options)).text);
    }
    const { body } = await ask(url, "/api/tickets", { method: "POST", token });
    const { ticket } = body as { ticket: string };
    said.push((await ask(url, `/api/messages?roomId=room&ticket=${ticket}`)).text);
    said.push((await ask(url, `/api/messages?roomId=room&ticket=${ticket}`)).text);
    const client = await RawClient.open(siege.server);
    client.send("authenticate", { token });
    await client.next("welcome");
    await client.join("room");
    await client.ask("fail", { roomId: "leaky:room", token });
    await client.ask("send_message", { roomId: "room", content: "hi" });
    client.send("authenticate", { token: bad }, "again");
    await client.next((envelope) => envelope.messageId === "again");
    said.push(JSON.stringify(client.received), siege.lines.join(""), await siege.server.metrics());
    client.close();
    await siege.calm(["handling a message"]);
    for (const file of await readdir(directory)) said.push((await readFile(join(directory, file))).toString("latin1"));
    const [, , signature = ""] = token.split(".");
    expect(signature.length).toBeGreaterThan(20);
    for (const text of said) {
      expect(text).not.toContain(signature.slice(0, 20));
      expect(text).not.toContain(ticket);
    }
    await rm(directory, { recursive: true, force: true });
  });
});
