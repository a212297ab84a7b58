import type { IncomingMessage } from "node:http";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Envelope } from "../../src/protocol/index.ts";
import type { ServerOptions } from "../../src/server/options.ts";
import { createFakeClock } from "../../src/testing/fake-clock.ts";
import { until } from "../harness.ts";
import { type EventFrame, EventFrames } from "./event-frames.ts";
import { type HttpRequestOptions, responseTo, startRequest } from "./http-request.ts";
import { range, Stage } from "./stage.ts";

const ROOM = "chat:room";

/** A stream as `EventSource` reads it. */
class Stream {
  readonly frames = new EventFrames();
  readonly response: IncomingMessage;
  isOver = false;

  private constructor(response: IncomingMessage) {
    this.response = response;
    response.setEncoding("utf8");
    response.on("data", (text: string) => this.frames.read(text));
    response.on("close", () => {
      this.isOver = true;
    });
    response.on("error", () => {});
  }

  static async open(url: string, path: string, options: HttpRequestOptions): Promise<Stream> {
    return new Stream(await responseTo(startRequest(url, path, options)));
  }

  get all(): readonly EventFrame[] {
    return this.frames.frames;
  }

  /** The events of the log, as `onmessage` gets them. */
  get messages(): { id: string | null; envelope: Envelope }[] {
    return this.all
      .filter(({ event }) => event === null)
      .map(({ id, data }) => ({ id, envelope: JSON.parse(data) as Envelope }));
  }

  seqs(roomId?: string): (number | undefined)[] {
    return this.messages
      .filter(({ envelope }) => roomId === undefined || envelope.roomId === roomId)
      .map(({ envelope }) => envelope.seq);
  }

  /** The first event of this name. */
  async event(name: string): Promise<Envelope> {
    const find = () => this.all.find(({ event }) => event === name);
    await until(() => find() !== undefined);
    return JSON.parse(find()!.data) as Envelope;
  }

  close(): void {
    this.response.destroy();
  }
}

describe("GET /api/events", () => {
  let stage: Stage;
  const streams: Stream[] = [];
  const begin = async (options: ServerOptions = {}) => {
    await stage.end();
    stage = await Stage.start(options);
  };
  beforeEach(async () => {
    stage = await Stage.start();
  });
  afterEach(async () => {
    for (const stream of streams.splice(0)) stream.close();
    await stage.end();
  });
  const open = async (query: string, headers: Record<string, string> = {}, token?: string) => {
    const options = { headers, token: token ?? (await stage.token("ada")) };
    const stream = await Stream.open(stage.url, `/api/events?${query}`, options);
    streams.push(stream);
    expect(stream.response.statusCode).toBe(200);
    return stream;
  };

  it("HTTP-11: events of the log are what onmessage gets, with the cursor as id; all else has a name and no id", async () => {
    await stage.fill(2);
    const stream = await open("roomId=room&limit=10");
    await until(() => stream.seqs().length === 2);
    const { headers } = stream.response;
    expect(headers["content-type"]).toMatch(/^text\/event-stream/);
    expect(headers["cache-control"]).toMatch(/no-cache|no-store/);
    expect(stream.frames.retryMs).toBe(1_000);
    expect(stream.all[0]?.event).toBe("welcome");
    expect((await stream.event("joined_room")).payload).toMatchObject({ roomId: ROOM, head: 2 });
    expect((await stream.event("room_users")).payload).toMatchObject({ roomId: ROOM, count: 1 });
    for (const { event, id, data } of stream.all) {
      const { type, seq } = JSON.parse(data) as Envelope;
      expect([type, event, id !== null]).toEqual([type, seq === undefined ? type : null, seq !== undefined]);
    }
    const ben = await stage.open("websocket", "ben");
    await ben.join("room");
    expect((await stream.event("user_joined")).payload).toMatchObject({ userId: "ben" });
    await ben.send("typing_start", { roomId: "room" });
    expect((await stream.event("user_typing")).payload).toMatchObject({ userId: "ben", typing: true });
    await ben.send("send_message", { roomId: "room", content: "line one\nline two\r\nline three" });
    await until(() => stream.seqs().length === 3);
    expect(stream.messages[2]?.envelope.payload).toMatchObject({ content: "line one\nline two\r\nline three" });
  });

  it("HTTP-12: Last-Event-ID goes on right after that event, and wins over after", async () => {
    await stage.fill(10);
    const first = await open("roomId=room&after=0");
    await until(() => first.seqs().length === 10);
    for (const { id, envelope } of first.messages) {
      const again = await open("roomId=room&after=0", { "Last-Event-ID": id! });
      await stage.fill(1, 0, "marker");
      await until(() => again.all.length > 1 && again.seqs().length >= 10 - envelope.seq!);
      expect(again.seqs()).toEqual(range(envelope.seq! + 1, 10));
      again.close();
    }
  });

  it("HTTP-6, HTTP-12: one id leads through all rooms of the stream", async () => {
    const query = "roomId=a&roomId=b&roomId=feed:c/d";
    const first = await open(query);
    await first.event("room_users");
    await until(() => first.all.filter(({ event }) => event === "joined_room").length === 3);
    for (const roomId of ["a", "b", "feed:c/d", "b", "a", "a"]) await stage.fill(1, 0, roomId);
    await until(() => first.seqs().length === 6);
    for (const [index, { id }] of first.messages.entries()) {
      const again = await open(query, { "Last-Event-ID": id! });
      await until(() => again.seqs().length >= 5 - index);
      const keysOf = (messages: typeof first.messages) =>
        messages.map(({ envelope }) => `${envelope.roomId} ${envelope.seq}`).sort();
      expect(keysOf(again.messages)).toEqual(keysOf(first.messages.slice(index + 1)));
      again.close();
    }
  });

  it("HTTP-12, RES-2: an id of another epoch is told, and everything there is follows", async () => {
    await stage.fill(3);
    const stream = await open("roomId=room", { "Last-Event-ID": "another:2" });
    expect((await stream.event("history_lost")).payload).toMatchObject({ reason: "epoch", roomId: ROOM });
    await until(() => stream.seqs().length === 3);
    expect(stream.seqs()).toEqual([1, 2, 3]);
  });

  it("HTTP-11: without a cursor it starts at the head, or as many before it as asked for", async () => {
    await stage.fill(5);
    const head = await open("roomId=room");
    const limited = await open("roomId=room&limit=2");
    await until(() => limited.seqs().length === 2);
    await stage.fill(1);
    for (const stream of [head, limited]) await until(() => stream.seqs().at(-1) === 6);
    expect(head.seqs()).toEqual([6]);
    expect(limited.seqs()).toEqual([4, 5, 6]);
  });

  it("HTTP-11, HB-1: a comment at least every 20 s, or every heartbeatMs", async () => {
    const clock = createFakeClock();
    await begin({ clock });
    const stream = await open("roomId=room");
    await stream.event("room_users");
    for (let round = 1; round <= 3; round++) {
      const before = stream.frames.comments;
      for (let second = 0; second < 21; second++) await clock.advance(1_000);
      await until(() => stream.frames.comments > before);
    }
    await begin({ clock: createFakeClock(), heartbeatMs: 5_000 });
    expect(stream.isOver).toBe(true);
  });

  it("HTTP-1, AUTH-1: a ticket opens one stream, once", async () => {
    const { body } = await stage.ask("/api/tickets", { method: "POST", user: "ada" });
    const path = `/api/events?roomId=room&ticket=${(body as { ticket: string }).ticket}`;
    const stream = await Stream.open(stage.url, path, {});
    streams.push(stream);
    expect((await stream.event("welcome")).payload).toMatchObject({ user: { id: "ada" } });
    expect(await stage.ask(path)).toMatchObject({ status: 401, body: { error: { code: "unauthenticated" } } });
  });

  it("HTTP-11, JOIN-4: a room that may not be read refuses the stream before it begins", async () => {
    await begin({ access: ({ roomId }) => roomId !== "chat:closed" });
    for (const query of ["roomId=closed", "roomId=room&roomId=closed", "roomId=user:ben"]) {
      const answer = await stage.ask(`/api/events?${query}`, { user: "ada" });
      expect([answer.status, answer.headers["content-type"]]).toEqual([
        403,
        expect.stringMatching(/^application\/json/),
      ]);
    }
    for (const query of ["roomId=Bad Room", "roomId=room&after=x:y:z", "roomId=room&limit=1001"]) {
      const answer = await stage.ask(`/api/events?${encodeURI(query)}`, { user: "ada" });
      expect([query, answer.status]).toEqual([query, 400]);
    }
    const bad = await stage.ask("/api/events?roomId=room", { user: "ada", headers: { "Last-Event-ID": "%%%" } });
    expect(bad.status).toBe(400);
  });

  it("HTTP-10, HTTP-12: POST answers each join in the stream, refusals too, and ids are of one room", async () => {
    await begin({ access: ({ roomId }) => roomId !== "chat:closed" });
    await stage.fill(2, 0, "a");
    const join = (roomId: string, messageId?: string) => ({
      type: "join_room",
      payload: { roomId, after: 0 },
      ...(messageId === undefined ? {} : { messageId }),
    });
    const messages = [join("a", "j-1"), join("closed", "j-2"), join("user:ben"), join("b", "j-3")];
    const stream = await Stream.open(stage.url, "/api/events", { body: { messages }, token: await stage.token("ada") });
    streams.push(stream);
    await until(() => stream.seqs().length === 2 && stream.all.filter(({ event }) => event === "ack").length === 3);
    const acks = stream.all.filter(({ event }) => event === "ack").map(({ data }) => JSON.parse(data) as Envelope);
    // Of different rooms, so in any order.
    expect(acks.map(({ messageId, payload }) => [messageId, (payload as { success: boolean }).success]).sort()).toEqual(
      [
        ["j-1", true],
        ["j-2", false],
        ["j-3", true],
      ],
    );
    expect((await stream.event("refusal")).payload).toMatchObject({ code: "access_denied" });
    expect(stream.all.some(({ event }) => event === "error")).toBe(false);
    expect(stream.messages.map(({ id }) => id)).toEqual([await stage.cursor(1, "a"), await stage.cursor(2, "a")]);
  });

  it("HTTP-11, RES-5: one write may hold several events, one event several writes", async () => {
    const stream = await open("roomId=room");
    await stream.event("room_users");
    await stage.fill(300, 20_000);
    await until(() => stream.seqs().length === 300, 20_000);
    expect(stream.seqs()).toEqual(range(1, 300));
  });
});
