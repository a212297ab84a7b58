/** The keys of one log. Everything of a room has the room as its hash tag, so that one node of a cluster holds it all. */
export class RedisKeys {
  readonly #prefix: string;

  constructor(prefix: string) {
    this.#prefix = prefix;
  }

  /** The five keys every script of a room is given: what it is, its events, its messageIds, its amendments, its snapshots. */
  room(roomId: string): readonly [string, string, string, string, string] {
    const of = `${this.#prefix}:{${roomId}}`;
    return [`${of}:room`, `${of}:events`, `${of}:ids`, `${of}:amends`, `${of}:snapshots`];
  }

  /** Matches the first key of every room. */
  get rooms(): string {
    return `${this.#prefix.replace(/[*?[\]\\]/g, "\\$&")}:{*}:room`;
  }

  /** The room of a key that `rooms` matched; null when it is another key. */
  roomOf(key: string): string | null {
    const [before, after] = [`${this.#prefix}:{`, "}:room"];
    const roomId = key.slice(before.length, -after.length);
    return key.startsWith(before) && key.endsWith(after) && !roomId.includes("}") ? roomId : null;
  }

  /** Users by the height of their mark in a room. */
  marks(roomId: string, name: string): string {
    return `${this.#prefix}:{${roomId}}:marks:${name}`;
  }

  /** The rooms in which a user has a mark, by when it moved. */
  marksOf(user: string, name: string): string {
    return `${this.#prefix}:{user ${user}}:marks:${name}`;
  }
}
