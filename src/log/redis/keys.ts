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

  /** Users by the height of their mark in a room. */
  marks(roomId: string, name: string): string {
    return `${this.#prefix}:{${roomId}}:marks:${name}`;
  }

  /** The rooms in which a user has a mark, by when it moved. */
  marksOf(user: string, name: string): string {
    return `${this.#prefix}:{user ${user}}:marks:${name}`;
  }
}
