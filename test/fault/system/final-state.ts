import { Redis } from "ioredis";
import { type HeadRecord, hashOf } from "../../../src/testing/history.ts";
import type { HistoryFile } from "./history-file.ts";
import type { System } from "./system.ts";

const PAGE = 1_000;
/** How long a member that has gone may still be told, ms. */
const MEMBERS_MS = 35_000;

interface HistoryPage {
  readonly messages: readonly {
    readonly seq: number;
    readonly messageId?: string;
    readonly payload: { readonly userId: string; readonly content: string };
  }[];
  readonly head: number;
  readonly epoch: string;
}

/** Where every room stands according to Redis. */
export async function headsOf(system: System): Promise<(readonly [roomId: string, head: number])[]> {
  return Promise.all(
    system.rooms.map(async (roomId) => {
      const head = Number(await system.redis.ask("hget", `yamabiko:{${roomId}}:room`, "head"));
      return [roomId, head] as const;
    }),
  );
}

/** Reads the logs of all rooms as Redis has them, past everything of Yamabiko but the form of its records. */
export async function readRedis(system: System, history: HistoryFile): Promise<HeadRecord[]> {
  const heads: HeadRecord[] = [];
  const client = new Redis({ port: system.redis.port, protocol: 2 });
  try {
    for (const roomId of system.rooms) {
      const [epoch, first, head] = await client.hmget(`yamabiko:{${roomId}}:room`, "epoch", "first", "head");
      const via = "Redis";
      heads.push({ kind: "head", via, roomId, epoch: epoch ?? "", first: Number(first), head: Number(head) });
      history.add(heads.at(-1)!);
      for (let from = Number(first); from <= Number(head); from += PAGE) {
        const seqs = Array.from({ length: Math.min(PAGE, Number(head) - from + 1) }, (_, index) => from + index);
        const records = await client.hmget(`yamabiko:{${roomId}}:events`, ...seqs.map(String));
        for (const [index, record] of records.entries()) {
          if (record === null) continue;
          // When, what it amends, type, sender, messageId, payload; sender and messageId after a letter.
          const [, , , sender, messageId, ...data] = record.split("\0");
          const { content } = JSON.parse(data.join("\0")) as { content: string };
          const from = { user: sender!.slice(1), messageId: messageId!.slice(1) };
          history.add({ kind: "log", via, roomId, seq: seqs[index]!, ...from, hash: hashOf(content) });
        }
        history.flush();
      }
    }
    return heads;
  } finally {
    client.disconnect();
  }
}

/** Reads the logs of all rooms through one node, as a client does. */
export async function readNode(system: System, index: number, history: HistoryFile): Promise<void> {
  const { url } = system.nodes[index]!;
  const via = `node ${index + 1}`;
  for (const roomId of system.rooms) {
    const page = async (after: number): Promise<HistoryPage> => {
      return ask(`${url}/api/rooms/${encodeURIComponent(roomId)}/history?after=${after}&limit=${PAGE}`, system.auditor);
    };
    let read = await page(0);
    const { epoch, head } = read;
    // What history says of where the log begins is its first event.
    const first = read.messages[0]?.seq ?? head + 1;
    history.add({ kind: "head", via, roomId, epoch, first, head });
    while (read.messages.length > 0) {
      for (const { seq, messageId = null, payload } of read.messages) {
        const { userId: user, content } = payload;
        history.add({ kind: "log", via, roomId, seq, user, messageId, hash: hashOf(content) });
      }
      history.flush();
      read = await page(read.messages.at(-1)!.seq);
    }
  }
}

/** Reads the members of all rooms through one node: as soon as they are those who are there, or after a while. */
export async function readMembers(
  system: System,
  index: number,
  due: ReadonlyMap<string, readonly string[]>,
  history: HistoryFile,
): Promise<void> {
  const { url } = system.nodes[index]!;
  const end = performance.now() + MEMBERS_MS;
  for (const roomId of system.rooms) {
    for (;;) {
      const answer = await ask<{ users: readonly { userId: string }[] }>(
        `${url}/api/rooms/${encodeURIComponent(roomId)}/members`,
        system.auditor,
      );
      const readers = answer.users.map(({ userId }) => userId).sort();
      const isRight = readers.join() === [...(due.get(roomId) ?? [])].sort().join();
      if (isRight || performance.now() > end) {
        history.add({ kind: "members", via: `node ${index + 1}`, roomId, readers });
        break;
      }
      await new Promise((resolve) => setTimeout(resolve, 250));
    }
  }
}

async function ask<Answer>(url: string, token: string): Promise<Answer> {
  const response = await fetch(url, {
    headers: { authorization: `Bearer ${token}` },
    signal: AbortSignal.timeout(30_000),
  });
  if (!response.ok) throw new Error(`${url}: ${response.status} ${await response.text()}`);
  return (await response.json()) as Answer;
}
