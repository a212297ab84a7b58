import { afterEach, beforeEach, describe, expect, it } from "vitest";
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
