import { toYamabikoError, YamabikoError } from "../protocol/index.ts";
import type { Connection } from "../session/connection.ts";
import type { Session } from "../session/session.ts";
import type { Sessions } from "../session/sessions.ts";
import type { ReadRequest } from "./read-request.ts";

/**
 * Lets somebody who reads by HTTP into the rooms of its request: those it knows it goes on with, the others it joins.
 * Resolves when all are answered.
 * @throws {YamabikoError} what may be better the next time; where only events are wanted, every refusal.
 */
export async function enterRooms(
  session: Session,
  request: ReadRequest,
  connection: Connection,
  sessions: Sessions,
): Promise<void> {
  await Promise.all(
    rotated(request.resumed).map(async ({ address, from }) => {
      const { roomId } = address;
      const leave = (reason: string): void =>
        connection.send({ type: "left_room", payload: { roomId, reason }, roomId });
      try {
        if (await sessions.resume(session, address, from, request.members)) return;
        if (request.wants === "events") throw new YamabikoError("access_denied", "You were taken out of this room.");
        leave("kicked");
      } catch (error) {
        const typed = toYamabikoError(error);
        if (request.wants === "events" || typed.retryable) throw error;
        leave(typed.code);
      }
    }),
  );
  for (const message of request.messages) session.receive(message, JSON.stringify(message).length);
  await session.whenIdle();
}

/** Begins with any of them: what is first fills the answer, and one that always has more must not keep the others out of it. */
function rotated<T>(items: readonly T[]): T[] {
  const start = Math.floor(Math.random() * items.length);
  return [...items.slice(start), ...items.slice(0, start)];
}
