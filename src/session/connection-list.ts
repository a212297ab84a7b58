import { type Json, type JsonObject, YamabikoError } from "../protocol/index.ts";
import type { Words } from "../room/words.ts";
import { type ConnectionView, viewConnection } from "./connection-view.ts";
import type { Session } from "./session.ts";

/** Which connections are asked for. */
export interface ConnectionQuery {
  /** Of this user alone. */
  readonly userId?: string | undefined;
  /** Those in this room alone; the full form. */
  readonly roomId?: string | undefined;
  /** At most so many, 1 to 1,000. Default: 100. */
  readonly limit?: number | undefined;
  /** Goes on behind this connection: the last one of the page before, which need not be there any more. */
  readonly after?: string | undefined;
}

/** A page of connections. */
export interface ConnectionPage {
  /** In the order of their nodes, and of each node in the order in which they came. */
  readonly connections: readonly ConnectionView[];
  /** Whether there are more behind them. */
  readonly more: boolean;
}

export interface ConnectionListParts {
  readonly nodeId: string;
  readonly words: Words;
  /** The other nodes that are there. */
  otherNodes(): readonly string[];
  /** The sessions of this node, in the order in which they came. */
  sessions(): Iterable<Session>;
}

/** A query with its limit. */
type Asked = ConnectionQuery & { readonly limit: number };

/** How many connections a page has, unless it is asked for another number, and the most it may be asked for. */
const PAGE = 100;
const MOST = 1_000;
/** What one answer to another node holds at most, characters: some buses carry no more. */
const ANSWER_LENGTH = 6_000;
/** The word that other nodes are asked by. */
const WORD = "connections";

/** The connections of all nodes, page by page. */
export class ConnectionList {
  readonly #parts: ConnectionListParts;

  constructor(parts: ConnectionListParts) {
    this.#parts = parts;
    parts.words.answer(WORD, (asked) => this.#answer(asked as unknown as Asked));
  }

  /**
   * A page of the connections of all nodes. One that does not answer within 2 s is left out.
   * Rejects with `invalid_message` for a `limit` that is none.
   */
  async page({ limit = PAGE, after, ...query }: ConnectionQuery = {}): Promise<ConnectionPage> {
    if (!Number.isInteger(limit) || limit < 1 || limit > MOST) {
      throw new YamabikoError("invalid_message", `\`limit\` must be a whole number from 1 to ${MOST}.`);
    }
    const { nodeId, otherNodes } = this.#parts;
    const first = after === undefined ? "" : nodeOf(after);
    const nodes = [nodeId, ...otherNodes()].filter((node) => node >= first).sort();
    const connections: ConnectionView[] = [];
    for (const node of nodes) {
      let from = node === first ? after : undefined;
      for (let more = true; more; ) {
        const left = limit - connections.length;
        if (left === 0) return { connections, more: true };
        const page = await this.#ask(node, { ...query, after: from, limit: left });
        connections.push(...page.connections);
        more = page.more && page.connections.length > 0;
        from = page.connections.at(-1)?.connectionId;
      }
    }
    return { connections, more: false };
  }

  async #ask(node: string, query: Asked): Promise<ConnectionPage> {
    if (node === this.#parts.nodeId) return this.#pageHere(query, Number.POSITIVE_INFINITY);
    const answered = await this.#parts.words.ask(node, WORD, { ...query } as JsonObject);
    return (answered as ConnectionPage | null) ?? NOTHING;
  }

  #answer(query: Asked): Json {
    return this.#pageHere(query, ANSWER_LENGTH) as unknown as Json;
  }

  /** @param length what the page holds at most, characters; one connection always has a place. */
  #pageHere({ userId, roomId, limit, after }: Asked, length: number): ConnectionPage {
    const connections: ConnectionView[] = [];
    let left = length;
    const start = after === undefined ? -1 : numberOf(after);
    for (const session of this.#parts.sessions()) {
      if (start >= 0 && numberOf(session.id) <= start) continue;
      if (userId !== undefined && session.user?.id !== userId) continue;
      if (roomId !== undefined && !session.memberships.has(roomId)) continue;
      if (connections.length === limit) return { connections, more: true };
      const view = viewConnection(session);
      if (left !== Number.POSITIVE_INFINITY) left -= JSON.stringify(view).length;
      if (left < 0 && connections.length > 0) return { connections, more: true };
      connections.push(view);
      session.connection.measure?.();
    }
    return { connections, more: false };
  }
}

const NOTHING: ConnectionPage = { connections: [], more: false };

/** The node that a connection is on: its id begins with it. */
export function nodeOf(connectionId: string): string {
  return connectionId.slice(0, Math.max(0, connectionId.lastIndexOf("-")));
}

/** The how-manieth of its node it is; -1 for what is no id. */
function numberOf(connectionId: string): number {
  const number = Number.parseInt(connectionId.slice(connectionId.lastIndexOf("-") + 1), 36);
  return Number.isNaN(number) ? -1 : number;
}
