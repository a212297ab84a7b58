import { type ChatOptions, chat } from "../../../src/features/index.ts";
import type { JsonObject } from "../../../src/protocol/index.ts";
import { createFakeClock, type FakeClock } from "../../../src/testing/fake-clock.ts";
import { createFakeServer, type FakeConnection, type FakeServer } from "../fake-context.ts";
import type { FakeRoom, FakeRoomOptions } from "../fake-room.ts";

export const ROOM = "chat:lobby";

/** A chat with one room in which `ann`, `bob` and `eve` are; `admin` has the right of that name. */
export interface Fixture {
  readonly server: FakeServer;
  readonly room: FakeRoom;
  readonly clock: FakeClock;
  readonly ann: FakeConnection;
  readonly bob: FakeConnection;
  readonly eve: FakeConnection;
  readonly admin: FakeConnection;
}

export async function createFixture(
  options: ChatOptions = {},
  server: Omit<FakeRoomOptions, "clock"> = {},
): Promise<Fixture> {
  const clock = createFakeClock();
  const access: ChatOptions["access"] = ({ user, right }) => right !== "admin" || user.id === "admin";
  const fake = createFakeServer(chat({ access, ...options }), { clock, ...server });
  const [ann, bob, eve, admin] = ["ann", "bob", "eve", "admin"].map((id) => fake.connect(id)) as [
    FakeConnection,
    FakeConnection,
    FakeConnection,
    FakeConnection,
  ];
  for (const connection of [ann, bob, eve, admin]) await connection.join(ROOM);
  return { server: fake, room: fake.room(ROOM), clock, ann, bob, eve, admin };
}

/** Sends a message and resolves to its seq. */
export async function say(from: FakeConnection, content: string, more: JsonObject = {}): Promise<number> {
  const ack = await from.send("send_message", { roomId: ROOM, content, ...more });
  return ack.seq as number;
}

/** The payload that is stored at a seq. */
export function stored(room: FakeRoom, seq: number): JsonObject | undefined {
  return room.events.find((event) => event.seq === seq)?.payload;
}
