import { existsSync } from "node:fs";
import type { HistoryRecord } from "../../../src/testing/history.ts";
import { linesOf } from "./history-file.ts";

/** A message that was sent and not answered. */
export interface PendingMessage {
  readonly client: string;
  readonly roomId: string;
  readonly messageId: string;
}

/** How far a client had read a room. */
export interface KeptCursor {
  readonly client: string;
  readonly roomId: string;
  readonly cursor: string;
}

/** What a process of clients knew when it died: all that its next life begins with. */
export interface FormerLife {
  readonly cursors: readonly KeptCursor[];
  /** In the order they were sent. */
  readonly pending: readonly PendingMessage[];
}

/** Reads what a process wrote down: the life it began with, and what happened after that. */
export function readFormerLife(path: string | null): FormerLife {
  const cursors = new Map<string, KeptCursor>();
  const pending = new Map<string, PendingMessage>();
  const move = (client: string, roomId: string, epoch: string, seq: number): void => {
    cursors.set(`${client}\n${roomId}`, { client, roomId, cursor: `${epoch}:${seq}` });
  };
  for (const line of path === null || !existsSync(path) ? [] : linesOf(path)) {
    const record = JSON.parse(line) as HistoryRecord | ({ readonly kind: "former" } & FormerLife);
    switch (record.kind) {
      case "former":
        for (const kept of record.cursors) cursors.set(`${kept.client}\n${kept.roomId}`, kept);
        for (const message of record.pending) pending.set(message.messageId, message);
        break;
      case "sent":
        pending.set(record.messageId, record);
        break;
      case "acked":
      case "refused":
      case "unknown":
        pending.delete(record.messageId);
        break;
      case "joined":
        if (!cursors.has(`${record.reader}\n${record.roomId}`))
          move(record.reader, record.roomId, record.epoch, record.seq);
        break;
      case "delivered":
      case "lost":
        move(record.reader, record.roomId, record.epoch, record.seq);
        break;
      case "left":
        cursors.delete(`${record.reader}\n${record.roomId}`);
    }
  }
  const messages = Array.from(pending.values(), ({ client, roomId, messageId }) => ({ client, roomId, messageId }));
  return { cursors: [...cursors.values()], pending: messages };
}
