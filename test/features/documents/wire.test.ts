import { afterEach, expect, it } from "vitest";
import { createMemoryLog } from "../../../src/log/memory.ts";
import type { Envelope } from "../../../src/protocol/index.ts";
import type { ServerOptions } from "../../../src/server/options.ts";
import { devToken, RawClient, startServer, until } from "../../harness.ts";

const servers: Awaited<ReturnType<typeof startServer>>[] = [];

async function start(options: ServerOptions = {}) {
  const server = await startServer(options);
  servers.push(server);
  return server;
}

afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close()));
});

type Payload = Record<string, unknown>;

async function get(server: { url: string }, path: string): Promise<{ status: number; body: Payload }> {
  const headers = { Authorization: `Bearer ${await devToken(server.url, "reader")}` };
  const response = await fetch(`${server.url}${path}`, { headers });
  return { status: response.status, body: (await response.json()) as Payload };
}

function changesOf(client: RawClient): Envelope[] {
  return client.received.filter(({ type }) => type === "remote_change");
}

it("DOC-1 DOC-4 what the origin's snippets send reaches the others, and its sender with its messageId", async () => {
  const server = await start();
  const [hanako, taro] = [await RawClient.open(server, "hanako"), await RawClient.open(server, "taro")];
  await hanako.join("document:readme");
  await taro.join("document:readme");

  const ack = await hanako.ask(
    "document_change",
    { documentId: "readme", changes: [[[0, "山彦", ""]]], version: 0 },
    "c1",
  );
  expect(ack).toMatchObject({ success: true, version: 1, seq: 1, duplicate: false });
  const seen = await taro.next("remote_change");
  expect(seen).toMatchObject({ roomId: "document:readme", seq: 1, messageId: "c1" });
  expect(seen.payload).toEqual({
    userId: "hanako",
    clientId: expect.any(String),
    version: 0,
    changes: [[[0, "山彦", ""]]],
  });
  expect(changesOf(hanako)[0]).toMatchObject({ messageId: "c1", payload: { userId: "hanako" } });

  hanako.send("cursor_move", { documentId: "readme", position: 2 });
  const moved = await taro.next("remote_cursor");
  expect(moved.payload).toMatchObject({
    userId: "hanako",
    userName: "hanako",
    position: 2,
    anchor: 2,
    head: 2,
    version: 1,
  });
});

it("DOC-4 the same messageId again is the same change, and a forged clientId or userId is nobody's", async () => {
  const server = await start();
  const client = await RawClient.open(server, "hanako");
  await client.join("document:readme");
  const change = { documentId: "readme", changes: [[[0, "once"]]], version: 0, userId: "taro", clientId: "taro-1" };
  const first = await client.ask("document_change", change, "c1");
  const again = await client.ask("document_change", change, "c1");
  expect(again).toMatchObject({ success: true, duplicate: true, seq: first.seq, version: 1 });
  expect((await get(server, "/api/documents/readme")).body).toEqual({ documentId: "readme", version: 1, text: "once" });
  expect(changesOf(client)[0]!.payload).toMatchObject({ userId: "hanako" });
  expect((changesOf(client)[0]!.payload as { clientId: string }).clientId).not.toBe("taro-1");
});

it("DOC-2 a reader starts from the text, and what follows leads on from it", async () => {
  const server = await start();
  const writer = await RawClient.open(server, "hanako");
  await writer.join("document:readme");
  await writer.ask("document_change", { documentId: "readme", changes: [[[0, "one"]]], version: 0 });
  const reader = await RawClient.open(server, "taro");
  const joined = await reader.join("document:readme");
  expect(joined.payload).toMatchObject({
    head: 1,
    snapshot: { documentId: "readme", version: 1, text: "one" },
    you: { access: "write" },
    recovered: false,
  });
  await writer.ask("document_change", { documentId: "readme", changes: [[3, [0, "", "two"]]], version: 1 });
  expect((await reader.next("remote_change")).payload).toMatchObject({ version: 1, changes: [[3, [0, "", "two"]]] });

  const resumed = await RawClient.open(server, "jiro");
  const again = await resumed.join("document:readme", { after: 1 });
  expect(again.payload).toMatchObject({ recovered: true });
  expect(again.payload).not.toHaveProperty("snapshot");
  expect((await resumed.next("remote_change")).seq).toBe(2);
});

it("[article 6] DOC-3 a change made at an older version is mapped over what came since", async () => {
  const server = await start();
  const client = await RawClient.open(server, "hanako");
  await client.join("document:readme");
  await client.ask("document_change", { documentId: "readme", changes: [[[0, "ac"]]], version: 0 });
  await client.ask("document_change", { documentId: "readme", changes: [[1, [0, "b"], 1]], version: 1 });
  const ack = await client.ask("document_change", {
    documentId: "readme",
    changes: [
      [2, [0, "!"]],
      [[0, ">"], 3],
    ],
    version: 1,
  });
  expect(ack).toMatchObject({ success: true, version: 4 });
  expect((await get(server, "/api/documents/readme")).body).toMatchObject({ version: 4, text: ">abc!" });
});

it("[case 31] [article 6] DOC-6 what cannot be a change is refused, and nobody else notices", async () => {
  const server = await start({ limits: { documentLength: 70_000, messageBytes: 256 * 1024 } });
  const [hostile, other] = [await RawClient.open(server, "hostile"), await RawClient.open(server, "hanako")];
  await hostile.join("document:readme");
  await other.join("document:readme");
  await other.ask("document_change", { documentId: "readme", changes: [[[0, "a👍b"]]], version: 0 });
  const refused: [unknown, string][] = [
    [{ changes: [[[-1]]], version: 1 }, "invalid_message"],
    [{ changes: [[[-1], 5]], version: 1 }, "invalid_message"],
    [{ changes: [[[2.5]]], version: 1 }, "invalid_message"],
    [{ changes: [[1e9]], version: 1 }, "invalid_message"],
    [{ changes: [[3]], version: 1 }, "invalid_message"],
    [{ changes: [[4, [0, "x\ny"]]], version: 1 }, "invalid_message"],
    [{ changes: [[4, [0, "x\r"]]], version: 1 }, "invalid_message"],
    [{ changes: [[4, [0, "x\r\ny"]]], version: 1 }, "invalid_message"],
    [{ changes: [[4, [0, 7]]], version: 1 }, "invalid_message"],
    [{ changes: [[4, ["0", "x"]]], version: 1 }, "invalid_message"],
    [{ changes: [[4, []]], version: 1 }, "invalid_message"],
    [{ changes: [[4, null]], version: 1 }, "invalid_message"],
    [{ changes: ["4"], version: 1 }, "invalid_message"],
    [{ changes: [{ length: 1, 0: 4 }], version: 1 }, "invalid_message"],
    // Between the halves of the thumb: an insertion, and both edges of a deletion.
    [{ changes: [[2, [0, "x"], 2]], version: 1 }, "invalid_message"],
    [{ changes: [[1, [1], 2]], version: 1 }, "invalid_message"],
    [{ changes: [[2, [1], 1]], version: 1 }, "invalid_message"],
    [{ changes: [[4]], version: 2 }, "invalid_message"],
    [{ changes: [[4]], version: -1 }, "invalid_message"],
    [{ changes: [[4]], version: 0.5 }, "invalid_message"],
    [{ changes: [[4]] }, "invalid_message"],
    [{ changes: [], version: 1 }, "invalid_message"],
    [{ changes: "no", version: 1 }, "invalid_message"],
    [{ changes: Array.from({ length: 51 }, () => [4]), version: 1 }, "invalid_message"],
    [{ changes: [[4, [0, "x".repeat(65_537)]]], version: 1 }, "payload_too_large"],
    [
      {
        changes: [
          [4, [0, "x".repeat(40_000)]],
          [40_004, [0, "y".repeat(40_000)]],
        ],
        version: 1,
      },
      "payload_too_large",
    ],
  ];
  for (const [payload, code] of refused) {
    const ack = await hostile.ask("document_change", { documentId: "readme", ...(payload as object) });
    expect({ payload: JSON.stringify(payload).slice(0, 80), code: ack.error?.code }).toEqual({
      payload: JSON.stringify(payload).slice(0, 80),
      code,
    });
  }
  // Half a character is refused by the codec already.
  hostile.socket.send(
    '{"type":"document_change","payload":{"documentId":"readme","version":1,"changes":[[4,[0,"\\ud83d"]]]},"messageId":"half"}',
  );
  expect(
    (await hostile.next((envelope) => envelope.messageId === "half" || envelope.type === "error")).payload,
  ).toBeDefined();
  expect((await get(server, "/api/documents/readme")).body).toMatchObject({ version: 1, text: "a👍b" });
  const ack = await other.ask("document_change", { documentId: "readme", changes: [[4, [0, "!"]]], version: 1 });
  expect(ack).toMatchObject({ success: true, version: 2 });
  expect(changesOf(other)).toHaveLength(2);
});

it("DOC-7 who may only read points and does not change, and nobody publishes past the namespace", async () => {
  const server = await start({
    access: ({ user, right }) => user.id !== "guest" || right === "read",
    apiKeys: ["key"],
  });
  const [writer, reader] = [await RawClient.open(server, "hanako"), await RawClient.open(server, "guest")];
  await writer.join("document:readme");
  expect((await reader.join("document:readme")).payload).toMatchObject({ you: { access: "read" } });
  const ack = await reader.ask("document_change", { documentId: "readme", changes: [[[0, "x"]]], version: 0 });
  expect(ack.error?.code).toBe("access_denied");
  expect(await reader.ask("cursor_move", { documentId: "readme", position: 0 })).toMatchObject({ success: true });
  expect((await writer.next("remote_cursor")).payload).toMatchObject({ userId: "guest", position: 0 });
  const published = await fetch(`${server.url}/api/rooms/document:readme/events`, {
    method: "POST",
    headers: { Authorization: "Bearer key" },
    body: JSON.stringify({ type: "remote_change", payload: { version: 0, changes: [] } }),
  });
  expect(published.status).toBe(403);
  await expect(server.room("document:readme").publish("remote_change", {})).rejects.toMatchObject({
    code: "access_denied",
  });
});

it("DOC-8 carets come with the text, move with it, and go with their connection", async () => {
  const server = await start();
  const writer = await RawClient.open(server, "hanako");
  await writer.join("document:readme");
  await writer.ask("document_change", { documentId: "readme", changes: [[[0, "a👍b"]]], version: 0 });
  await writer.ask("cursor_move", { documentId: "readme", anchor: 4, head: 2, version: 1, caretId: "w1" });
  await writer.ask("document_change", { documentId: "readme", changes: [[[0, ">> "], 4]], version: 1 });
  const reader = await RawClient.open(server, "taro");
  const joined = (await reader.join("document:readme")) as Envelope;
  expect((joined.payload as { state: unknown }).state).toEqual({
    caret: {
      "hanako/w1": {
        userId: "hanako",
        userName: "hanako",
        colour: expect.stringMatching(/^#[0-9a-f]{6}$/),
        // Not between the halves of the thumb.
        anchor: 7,
        head: 4,
        version: 2,
      },
    },
  });
  writer.close();
  const gone = await reader.next("remote_cursor");
  expect(gone.payload).toMatchObject({ caretId: "hanako/w1", userId: "hanako", position: null });
  for (const payload of [{}, { position: -1 }, { position: 1.5 }, { anchor: 1 }, { position: 1, caretId: "a/b" }]) {
    const ack = await reader.ask("cursor_move", { documentId: "readme", ...payload });
    expect(ack.error?.code).toBe("invalid_message");
  }
});

it("DOC-8 a user has at most 20 carets", async () => {
  const server = await start();
  const client = await RawClient.open(server, "hanako");
  await client.join("document:readme");
  for (let index = 0; index < 25; index++) {
    await client.ask("cursor_move", { documentId: "readme", position: 0, caretId: `c${index}` });
  }
  const reader = await RawClient.open(server, "taro");
  const joined = (await reader.join("document:readme")) as Envelope;
  const { caret } = (joined.payload as { state: { caret: object } }).state;
  expect(Object.keys(caret)).toEqual(Array.from({ length: 20 }, (_, index) => `hanako/c${index + 5}`));
});

it("DOC-9 DOC-10 the text at every version, and who made it", async () => {
  const server = await start();
  const [hanako, taro] = [await RawClient.open(server, "hanako"), await RawClient.open(server, "taro")];
  await hanako.join("document:a/b");
  await taro.join("document:a/b");
  await hanako.ask("document_change", { documentId: "a/b", changes: [[[0, "one", "two"]]], version: 0 });
  await taro.ask("document_change", {
    documentId: "a/b",
    changes: [
      [[4], 3],
      [[0, "three "], 3],
    ],
    version: 1,
  });
  await hanako.ask("document_change", { documentId: "a/b", changes: [[6, [3, "2"]]], version: 3 });
  const texts = ["", "one\ntwo", "two", "three two", "three 2"];
  for (const [version, text] of texts.entries()) {
    const { body } = await get(server, `/api/documents/a%2Fb?version=${version}`);
    expect(body).toEqual({ documentId: "a/b", version, text });
  }
  expect((await get(server, "/api/documents/a%2Fb?version=5")).body).toMatchObject({
    error: { code: "invalid_message" },
  });
  const { body } = await get(server, "/api/documents/a%2Fb/history?limit=2");
  expect(body).toMatchObject({
    version: 4,
    entries: [
      { from: 3, version: 4, userId: "hanako", inserted: 1, removed: 3 },
      { from: 1, version: 3, userId: "taro", inserted: 6, removed: 4 },
    ],
    nextBefore: 2,
  });
  const rest = await get(server, `/api/documents/a%2Fb/history?before=${body.nextBefore}`);
  expect(rest.body).toMatchObject({
    entries: [{ from: 0, version: 1, userId: "hanako", inserted: 7 }],
    nextBefore: null,
  });
  expect((await get(server, "/api/documents/a%2Fb/history?limit=9999")).status).toBe(400);
});

it("DOC-11 a document of the other kind is left alone", async () => {
  const log = createMemoryLog();
  await log.append("document:y", null, null, { type: "yjs_update", data: '{"update":"AAA="}' });
  const server = await start({ log });
  const client = await RawClient.open(server, "hanako");
  client.send("join_room", { roomId: "document:y" });
  await until(() => client.received.some(({ type }) => type === "joined_room" || type === "error"));
  const ack = await client.ask("document_change", { documentId: "y", changes: [[[0, "x"]]], version: 0 });
  expect(ack.error?.code).toBe("conflict");
  expect((await get(server, "/api/documents/y")).status).toBe(409);
});
