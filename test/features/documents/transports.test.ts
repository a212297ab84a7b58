import { ChangeSet } from "@codemirror/state";
import { afterEach, describe, expect, it } from "vitest";
import { openDocument, type SharedDocument, type StoredDocument } from "../../../src/client/documents/index.ts";
import { type Client, createClient } from "../../../src/client/node.ts";
import type { TransportName } from "../../../src/client/transports/transport.ts";
import { createMemoryLog } from "../../../src/log/memory.ts";
import { devToken, startServer, until } from "../../harness.ts";
import { createRandom, randomEdit } from "./typist.ts";

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

async function start(options: Parameters<typeof startServer>[0] = {}) {
  const server = await startServer(options);
  ends.push(() => server.close());
  return server;
}

async function connect(
  server: { url: string; wsUrl: string },
  user: string,
  transports?: TransportName[],
): Promise<Client> {
  const token = await devToken(server.url, user);
  const client = createClient(server.wsUrl, {
    token,
    reconnectInterval: 5,
    maxReconnectInterval: 50,
    ...(transports === undefined ? {} : { transports }),
  });
  ends.push(() => client.close());
  return client;
}

function type(document: SharedDocument, text: string, from = document.doc.length): void {
  document.edit(ChangeSet.of({ from, insert: text }, document.doc.length, "\n"));
}

describe.each([["websocket"], ["sse"], ["long-polling"], ["polling"]] as [TransportName][])("over %s", (transport) => {
  it("DOC-1 what was typed over dropped connections and offline is there, once, for everybody", async () => {
    const server = await start();
    const random = createRandom(transport.length);
    const clients = await Promise.all(["a", "b"].map((user) => connect(server, user, [transport])));
    const documents = clients.map((client) => openDocument(client, "readme"));
    await until(() => documents.every(({ status }) => status === "saved"));
    for (let round = 0; round < 60; round++) {
      const index = random(2);
      const document = documents[index]!;
      document.edit(randomEdit(document.doc, random));
      document.moveCaret(random(document.doc.length + 1));
      if (random(10) === 0) clients[index]!.cut();
      if (random(3) === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    clients[0]!.disconnect();
    for (let index = 0; index < 300; index++) type(documents[0]!, "x");
    type(documents[1]!, "from the other");
    await until(() => documents[1]!.status === "saved");
    expect(documents[0]!.status).toBe("offline");
    clients[0]!.connect();
    await until(() => documents.every(({ status }) => status === "saved"));
    await until(() => documents[0]!.version === documents[1]!.version);
    expect(documents[0]!.text).toBe(documents[1]!.text);
    expect(documents[0]!.text.match(/x/g)!.length).toBeGreaterThanOrEqual(300);
    const body = (await (await fetch(`${server.url}/api/documents/readme`)).json()) as {
      text: string;
      version: number;
    };
    expect(body).toEqual({ documentId: "readme", version: documents[0]!.version, text: documents[0]!.text });
    expect(documents.flatMap(({ recovered }) => recovered)).toEqual([]);
  });
});

it("DOC-4 a page that was reloaded goes on with its edits, and what was on its way is there once", async () => {
  const log = createMemoryLog();
  const server = await start({ log });
  let kept: StoredDocument | null = null;
  const storage = {
    load: () => kept,
    save: (_id: string, stored: StoredDocument | null) => {
      kept = stored === null ? null : structuredClone(stored);
    },
  };
  const client = await connect(server, "a");
  const document = openDocument(client, "readme", { storage });
  await until(() => document.status === "saved");
  type(document, "sent ");
  type(document, "unsent");
  document.close();
  client.close();
  expect(kept).toMatchObject({ version: 0, sent: { changes: [[[0, "sent "]]] }, unsent: [5, [0, "unsent"]] });

  const other = openDocument(await connect(server, "b"), "readme");
  await until(() => other.status === "saved");
  type(other, "before ", 0);
  await until(() => other.status === "saved");

  const again = openDocument(await connect(server, "a"), "readme", { storage });
  await until(() => again.status === "saved");
  await until(() => other.text === again.text && other.text.includes("unsent"));
  expect(again.text.match(/sent /g)).toHaveLength(1);
  expect(again.text).toMatch(/before /);
  await until(() => kept === null);
});

it("DOC-7 a page that may only read says so", async () => {
  const server = await start({ access: ({ user, right }) => user.id !== "reader" || right === "read" });
  const document = openDocument(await connect(server, "reader"), "readme");
  await until(() => document.status === "saved");
  expect(document.readOnly).toBe(true);
  type(document, "not mine to write");
  await until(() => document.status === "recovered");
  expect(document.text).toBe("");
  expect(document.recovered).toEqual(["not mine to write"]);
  expect(document.error?.code).toBe("access_denied");
  document.dismissRecovered();
  expect(document.status).toBe("saved");
});

it("DOC-6 a text of a megabyte is sent in portions", async () => {
  const server = await start();
  const document = openDocument(await connect(server, "a"), "readme");
  await until(() => document.status === "saved");
  type(document, "日本語👍\n".repeat(30_000));
  await until(() => document.status === "saved", 30_000);
  const body = (await (await fetch(`${server.url}/api/documents/readme`)).json()) as { text: string };
  expect(body.text).toBe(document.text);
});
