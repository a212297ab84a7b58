import { once } from "node:events";
import * as encoding from "lib0/encoding";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { createFakeClock } from "../../src/testing/fake-clock.ts";
import { destroyWriters, HocuspocusWriter, until, YWebsocketWriter } from "../features/documents/yjs-provider.ts";
import { TwoNodes } from "./two-nodes.ts";

describe("YJS-2: the documents of one whose access was taken back", () => {
  let nodes: TwoNodes;
  let refused: () => { yWebsocket: number | null; hocuspocus: boolean };
  const text = () => writers.map((writer) => writer.text.toString());
  let writers: [YWebsocketWriter, HocuspocusWriter, YWebsocketWriter];

  beforeEach(async () => {
    nodes = await TwoNodes.start({ limits: { connectionsPerIp: 0 } });
    const token = await nodes.token("ada");
    const [ada, also] = [
      new YWebsocketWriter(nodes.here.url, "plan", { token }),
      new HocuspocusWriter(nodes.here.url, "plan", { token }),
    ];
    const ben = new YWebsocketWriter(nodes.there.url, "plan", { token: await nodes.token("ben") });
    writers = [ada, also, ben];
    await until("all have the document", () => writers.every(({ isSynced }) => isSynced));
    ben.text.insert(0, "before");
    await until("all have the text", () => text().every((each) => each === "before"));
    refused = () => ({ yWebsocket: ada.finalCode, hocuspocus: also.failure !== null || also.closeReasons.length > 0 });
  });

  afterEach(async () => {
    destroyWriters();
    await nodes.close();
  });

  it.each([
    ["AUTH-10: revoked", 4401, () => nodes.there.revoke({ user: "ada" })],
    ["AUTH-11: banned", 4403, () => nodes.there.ban({ user: "ada", room: "document:plan" })],
  ])("%s, are closed with %d for both kinds of providers, and nothing comes after", async (_name, code, act) => {
    await act();
    await until("both are sent away", () => {
      const { yWebsocket, hocuspocus } = refused();
      return yWebsocket === code && hocuspocus;
    });
    writers[2].text.insert(6, " and after");
    await until("it is durable", () => writers[2].text.toString() === "before and after");
    const late = new YWebsocketWriter(nodes.there.url, "plan", { token: await nodes.token("cy") });
    await until("others have it", () => late.text.toString() === "before and after");
    expect(text()).toEqual(["before", "before", "before and after"]);
  });
});

it("YJS-2: a socket that came with a token is given no document when the token has ended", async () => {
  const clock = createFakeClock();
  const nodes = await TwoNodes.start({ clock });
  try {
    const headers = { Authorization: `Bearer ${await nodes.token("ada", 20_000)}` };
    const socket = new WebSocket(`${nodes.here.url.replace("http", "ws")}/hocuspocus`, { headers });
    const came: Buffer[] = [];
    socket.on("message", (bytes) => came.push(bytes as Buffer));
    await once(socket, "open");
    /** What a provider without a token of its own begins with, and what the server says to it. */
    const enter = async (documentId: string): Promise<Buffer> => {
      const encoder = encoding.createEncoder();
      encoding.writeVarString(encoder, documentId);
      encoding.writeVarUint(encoder, 2);
      encoding.writeVarUint(encoder, 0);
      encoding.writeVarString(encoder, "");
      socket.send(encoding.toUint8Array(encoder));
      const isAbout = (bytes: Buffer) => bytes.includes(documentId);
      await until("it is answered", () => came.some(isAbout));
      return came.find(isAbout)!;
    };
    expect((await enter("first")).toString()).toContain("read-write");
    // Less than a sweep before it would be noticed anyway.
    await clock.advance(20_000);
    const answer = (await enter("second")).toString();
    expect(answer).not.toContain("read-write");
    expect(answer).toContain("token");
    socket.terminate();
  } finally {
    await nodes.close();
  }
});
