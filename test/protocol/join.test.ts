import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { RawClient, startServer } from "../harness.ts";

describe("joining and reading", () => {
  let server: Awaited<ReturnType<typeof startServer>>;
  beforeEach(async () => {
    server = await startServer();
  });
  afterEach(() => server.close());

  it("JOIN-1, JOIN-2, ACK-2: joins at the head, then gets what is sent, once and in order", async () => {
    const ada = await RawClient.open(server, "ada");
    const ben = await RawClient.open(server, "ben");
    const joined = await ada.join("room-1");
    expect(joined.payload).toMatchObject({ roomId: "chat:room-1", head: 0, recovered: false });
    await ben.join("room-1");
    for (let index = 1; index <= 20; index++)
      ben.send("send_message", { roomId: "room-1", content: `m${index}` }, `id-${index}`);
    const last = await ada.next((envelope) => envelope.seq === 20);
    expect(last).toMatchObject({
      type: "new_message",
      roomId: "chat:room-1",
      messageId: "id-20",
      payload: { content: "m20", userId: "ben" },
    });
    expect(ada.events().map((event) => event.seq)).toEqual(Array.from({ length: 20 }, (_, index) => index + 1));
    await ben.next((envelope) => envelope.type === "ack" && envelope.messageId === "id-20");
    expect(ben.events().map((event) => event.seq)).toEqual(ada.events().map((event) => event.seq));
  });

  it("RES-1: resumes after a cursor with what was missed, no more and no less", async () => {
    const ada = await RawClient.open(server, "ada");
    const { payload } = await ada.join("room-1");
    for (let index = 1; index <= 5; index++) await ada.ask("send_message", { roomId: "room-1", content: `m${index}` });
    const ben = await RawClient.open(server, "ben");
    const joined = await ben.join("room-1", { after: `${(payload as { epoch: string }).epoch}:2` });
    expect(joined.payload).toMatchObject({ recovered: true, head: 5 });
    await ben.next((envelope) => envelope.seq === 5);
    expect(ben.events().map((event) => event.seq)).toEqual([3, 4, 5]);
  });
});
