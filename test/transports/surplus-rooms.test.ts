import { afterEach, expect, it } from "vitest";
import type { Envelope } from "../../src/protocol/index.ts";
import { startServer } from "../harness.ts";
import { ask } from "./http-request.ts";

let server: Awaited<ReturnType<typeof startServer>>;

afterEach(() => server.close());

it("HTTP-10, LIM-1 roomsPerConnection: rooms beyond the limit are refused one by one, and the others are read", async () => {
  server = await startServer({ limits: { roomsPerConnection: 3 } });
  const messages = Array.from({ length: 5 }, (_, n) => ({
    type: "join_room",
    payload: { roomId: `feed:${n}` },
    messageId: `join-${n}`,
  }));
  const { status, body } = await ask(server.url, "/api/messages/wait?timeoutMs=0", { body: { messages } });
  const answer = body as { messages: Envelope[]; cursor: string };
  expect(status).toBe(200);
  expect(answer.messages.filter(({ type }) => type === "joined_room")).toHaveLength(3);
  const refused = answer.messages.filter(
    ({ type, payload }) => type === "ack" && (payload as { success: boolean }).success === false,
  );
  expect(refused.map(({ payload }) => (payload as { error: { code: string } }).error.code)).toEqual([
    "too_many_rooms",
    "too_many_rooms",
  ]);
  expect(Array.from(new URLSearchParams(answer.cursor).keys())).toHaveLength(3);
});
