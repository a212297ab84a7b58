import { fieldsOf, numeric, type Person, text } from "./message.ts";
import type { RoomView, Typist } from "./room-view.ts";

/** Typing ends by itself after this, ms, unless the server says otherwise (CHAT-3). */
const TYPING_MS = 6_000;

/** Applies what is not in the log: members, typing and read marks. The same view when nothing changes. */
export function applyState(view: RoomView, type: string, payload: unknown, now: number): RoomView {
  const fields = fieldsOf(payload);
  const userId = text(fields.userId);
  const userName = text(fields.userName, view.names.get(userId) ?? userId);
  switch (type) {
    case "room_users": {
      const people = readPeople(fields.users);
      const peopleCount = numeric(fields.count) ?? people.length;
      return named({ ...view, people: people.length > 0 ? people : view.people, peopleCount }, people);
    }
    case "user_joined": {
      if (userId === "" || view.people.some((one) => one.userId === userId)) return view;
      const person: Person = { userId, userName, joinedAt: now };
      return named({ ...view, people: [...view.people, person], peopleCount: view.peopleCount + 1 }, [person]);
    }
    case "user_left": {
      if (!view.people.some((one) => one.userId === userId)) return view;
      const people = view.people.filter((one) => one.userId !== userId);
      return { ...withoutTypist(view, userId), people, peopleCount: Math.max(0, view.peopleCount - 1) };
    }
    case "user_typing": {
      if (fields.typing === false) return withoutTypist(view, userId);
      const typing = new Map(view.typing);
      typing.set(userId, { userName, until: now + (numeric(fields.expiresInMs) ?? TYPING_MS) });
      return named({ ...view, typing }, [{ userId, userName }]);
    }
    case "messages_read": {
      const upTo = numeric(fields.upTo);
      if (userId === "" || upTo === null || upTo <= (view.read.get(userId) ?? 0)) return view;
      return { ...view, read: new Map(view.read).set(userId, upTo) };
    }
    default:
      return view;
  }
}

/** Replaces what `joined_room.state` or `room_state` carries whole. */
export function replaceState(view: RoomView, state: unknown, now: number): RoomView {
  const families = fieldsOf(state);
  const typing = new Map<string, Typist>();
  for (const [userId, value] of Object.entries(fieldsOf(families.typing))) {
    const fields = fieldsOf(value);
    if (fields.typing === false) continue;
    const userName = text(fields.userName, view.names.get(userId) ?? userId);
    typing.set(userId, { userName, until: now + typingLeft(fields, now) });
  }
  const read = new Map<string, number>();
  for (const [userId, value] of Object.entries(fieldsOf(families.read))) {
    const upTo = numeric(value) ?? numeric(fieldsOf(value).upTo);
    if (upTo !== null) read.set(userId, upTo);
  }
  return { ...view, typing, read };
}

/** The view without those whose typing has ended by `now`. */
export function dropTypists(view: RoomView, now: number): RoomView {
  const typing = new Map([...view.typing].filter(([, typist]) => typist.until > now));
  return typing.size === view.typing.size ? view : { ...view, typing };
}

/** The view without `userId` among those who write. */
export function withoutTypist(view: RoomView, userId: string): RoomView {
  if (!view.typing.has(userId)) return view;
  const typing = new Map(view.typing);
  typing.delete(userId);
  return { ...view, typing };
}

/** The view with the names of `people` learnt. */
export function named(view: RoomView, people: readonly Pick<Person, "userId" | "userName">[]): RoomView {
  const fresh = people.filter((one) => one.userName !== "" && view.names.get(one.userId) !== one.userName);
  if (fresh.length === 0) return view;
  const names = new Map(view.names);
  for (const person of fresh) names.set(person.userId, person.userName);
  return { ...view, names };
}

/** How long a typing lasts, ms. The server's clock may be another than this page's, so its word is believed within bounds. */
function typingLeft(fields: Readonly<Record<string, unknown>>, now: number): number {
  const left = numeric(fields.expiresInMs) ?? (numeric(fields.expiresAt) ?? now + TYPING_MS) - now;
  return left > 0 && left < TYPING_MS ? left : TYPING_MS;
}

function readPeople(value: unknown): Person[] {
  if (!Array.isArray(value)) return [];
  return value.flatMap((one): Person[] => {
    const fields = fieldsOf(one);
    const userId = text(fields.userId);
    if (userId === "") return [];
    const joinedAt = numeric(fields.joinedAt) ?? (Date.parse(text(fields.joinedAt)) || undefined);
    return [{ userId, userName: text(fields.userName, userId), joinedAt }];
  });
}
