import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { RawClient, startServer } from "../harness.ts";

describe("the default room", () => {
  let server: Awaited<ReturnType<typeof startServer>>;
  beforeEach(async () => {
    server = await startServer({ defaultRoom: "chat:lobby" });
  });
  afterEach(() => server.close());

  it("JOIN-3: joined by itself at the head, it still gives its history to a join that asks for some", async () => {
    for (const text of ["a", "b", "c"]) await server.room("chat:lobby").publish("note", { text });
    const ada = await RawClient.open(server, "ada");
    expect((await ada.next("joined_room")).payload).toMatchObject({ roomId: "chat:lobby", head: 3, recovered: false });
    await ada.join("chat:lobby", { limit: 2 });
    await ada.next((envelope) => envelope.seq === 3);
    expect(ada.events().map((event) => event.seq)).toEqual([2, 3]);
  });

  it("JOIN-3: joining again with nothing said repeats nothing and skips nothing", async () => {
    const ada = await RawClient.open(server, "ada");
    await ada.next("joined_room");
    for (const text of ["a", "b"]) await server.room("chat:lobby").publish("note", { text });
    await ada.join("chat:lobby");
    await server.room("chat:lobby").publish("note", { text: "c" });
    await ada.next((envelope) => envelope.seq === 3);
    expect(ada.events().map((event) => event.seq)).toEqual([1, 2, 3]);
  });
});
