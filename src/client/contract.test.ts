import { describe, expect, expectTypeOf, it } from "vitest";
import { z } from "zod";
import type { Envelope } from "../protocol/envelope.ts";
import { createFakeNetwork } from "../testing/fake-socket.ts";
import { type AckPayload, createClient, type JoinedRoom, type OutgoingMessage, type Room } from "./index.ts";

const chat = {
  name: "chat",
  messages: {
    send_message: {
      payload: z.object({ roomId: z.string(), content: z.string(), replyTo: z.number().nullable().default(null) }),
    },
    load_history: {
      payload: z.object({ limit: z.number().optional() }),
      ack: z.object({ more: z.boolean() }),
    },
  },
  events: {
    new_message: z.object({ id: z.string(), content: z.string(), at: z.string().transform((text) => new Date(text)) }),
  },
  state: { typing: { event: "user_typing" as const } },
};

const typed = createClient<{ chat: typeof chat }>("ws://x.test", {
  autoConnect: false,
  WebSocket: createFakeNetwork().WebSocket,
});
const open = createClient("ws://x.test", { autoConnect: false, WebSocket: createFakeNetwork().WebSocket });

describe("contracts", () => {
  it("type what a room sends and takes", () => {
    const room = open.join<typeof chat>("chat:lobby");
    expectTypeOf(room.send).parameter(0).toEqualTypeOf<"send_message" | "load_history">();
    const message = room.send("send_message", { content: "hi" });
    expectTypeOf(message).toEqualTypeOf<OutgoingMessage<AckPayload>>();
    expectTypeOf(room.emitWithAck("load_history", {})).resolves.toHaveProperty("more");
    // @ts-expect-error: not a message of this namespace
    room.send("send_mesage", { content: "hi" });
    // @ts-expect-error: content is text
    room.send("send_message", { content: 5 });
    expect(message.payload).toEqual({ roomId: "chat:lobby", content: "hi" });
  });

  it("type what a listener gets: the schema's output, core events, state changes", () => {
    const room = typed.join("chat:lobby");
    room.on("new_message", (payload, envelope) => {
      expectTypeOf(payload.content).toEqualTypeOf<string>();
      expectTypeOf(payload.at).toEqualTypeOf<Date>();
      expectTypeOf(envelope).toEqualTypeOf<Envelope>();
    });
    room.on("joined", (payload) => expectTypeOf(payload).toEqualTypeOf<JoinedRoom>());
    room.on("room_users", (payload) => expectTypeOf(payload.count).toEqualTypeOf<number>());
    room.on("user_typing", (payload) => expectTypeOf(payload).toEqualTypeOf<unknown>());
    // @ts-expect-error: no such event
    room.on("new_mesage", () => {});
    expect(room.roomId).toBe("chat:lobby");
  });

  it("are read through definitions whose parts are optional", () => {
    type Schema = typeof chat.messages.load_history;
    type Loose = {
      messages: { load: { payload?: Schema["payload"]; ack?: Schema["ack"] } };
      events: typeof chat.events;
    };
    const room = open.join<Loose>("chat:lobby");
    // @ts-expect-error: limit is a number
    room.send("load", { limit: "ten" });
    expectTypeOf(room.emitWithAck("load")).resolves.toHaveProperty("more").toEqualTypeOf<boolean>();
    expect(room.status).toBe("joining");
  });

  it("may be given as the function that makes the namespace", () => {
    const createChat = (_options?: { historyLimit: number }) => chat;
    expectTypeOf(open.join<typeof createChat>("chat:lobby")).toEqualTypeOf<Room<typeof chat>>();
    expect(createChat()).toBe(chat);
  });

  it("go by the namespace of the room, chat when it has none", () => {
    expectTypeOf(typed.join("lobby")).toEqualTypeOf<Room<typeof chat>>();
    expectTypeOf(typed.join("chat:lobby")).toEqualTypeOf<Room<typeof chat>>();
    expectTypeOf(typed.join("game:arena")).toEqualTypeOf<Room>();
    expectTypeOf(open.join("lobby")).toEqualTypeOf<Room>();
  });

  it("without one every name is taken and payloads are unknown", () => {
    const room = open.join("feed:news");
    room.on("anything", (payload, envelope) => {
      expectTypeOf(payload).toEqualTypeOf<unknown>();
      expectTypeOf(envelope.seq).toEqualTypeOf<number | undefined>();
    });
    room.on("error", (error) => expectTypeOf(error.code).toBeString());
    open.on("status", (status) =>
      expectTypeOf(status).toEqualTypeOf<"connecting" | "connected" | "waiting" | "closed">(),
    );
    open.on("notification", (payload, envelope) => {
      expectTypeOf(payload).toEqualTypeOf<unknown>();
      expectTypeOf(envelope).toEqualTypeOf<Envelope>();
    });
    expect(room.send("anything", { a: 1 }).state).toBe("queued");
  });
});
