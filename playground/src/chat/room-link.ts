import type { ChatEnvelope, SendState } from "./message.ts";

/** A send as the client's outbox holds it. */
export interface OutgoingSend {
  readonly messageId: string;
  readonly type: string;
  readonly payload: Readonly<Record<string, unknown>>;
  readonly createdAt: number;
  readonly state: SendState;
  readonly error: { readonly message: string } | undefined;
  readonly ack: Promise<{ readonly seq?: number | undefined }>;
  retry(): Promise<unknown>;
  discard(): void;
}

/** What the chat needs of a joined room; the client's room is one. */
export interface RoomLink {
  readonly roomId: string;
  readonly status: "joining" | "joined" | "failed" | "left";
  readonly cursor: string | null;
  readonly outbox: readonly OutgoingSend[];
  on(type: string, run: (payload: unknown, envelope: ChatEnvelope) => void): () => void;
  send(type: string, payload: Record<string, unknown>): OutgoingSend;
  emitWithAck(type: string, payload: Record<string, unknown>): Promise<unknown>;
  volatile(type: string, payload: Record<string, unknown>): void;
  leave(): void;
}
