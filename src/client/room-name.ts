/** The full form of a room's name (ENV-4); whether it is a good one, the server says. */
export function fullRoomId(name: string): string {
  return name.includes(":") ? name : `chat:${name}`;
}

/** The room a payload addresses (ENV-3), in the full form; null when it addresses none. */
export function roomIdOf(payload: unknown): string | null {
  const named = typeof payload === "string" ? payload : (payload as { roomId?: unknown } | null | undefined)?.roomId;
  return typeof named === "string" ? fullRoomId(named) : null;
}
