import { z } from "zod";
import { isOperator, OPERATOR_NAMESPACE } from "../../auth/operator.ts";
import type { Timer } from "../../protocol/index.ts";
import { defineNamespace, type Namespace, type OpenRoom, type RoomFeature } from "../../session/namespace.ts";
import type { TraceTarget } from "./tracer.ts";

/** How often the nodes are told that somebody still looks, ms. */
const RENEW_MS = 2_000;

/** What a trace is of: a user or a room. */
const target = z
  .object({
    user: z.string().min(1).max(255).optional(),
    room: z.string().min(1).max(255).optional(),
    payloads: z.union([z.boolean(), z.stringbool()]).default(false),
  })
  .refine(({ user, room }) => (user === undefined) !== (room === undefined), "name a `user` or a `room`");

/** Told what is to be traced, again and again while somebody looks; null when nobody does any more. */
export type OnTrace = (roomId: string, target: TraceTarget | null) => void;

/**
 * The namespace of operators. A room of it, whatever its name, is a trace: who joins it says of what, and what happens there comes
 * as signals. It ends when nobody reads it.
 */
export function operatorNamespace(onTrace: OnTrace): Namespace {
  return defineNamespace({
    name: OPERATOR_NAMESPACE,
    messages: {},
    isSealed: true,
    access: ({ user }) => isOperator(user),
    joinOptions: target,
    open: (room) => new Trace(room, onTrace),
    onJoin({ feature, options }) {
      (feature as Trace).begin(options as unknown as z.output<typeof target>);
      return undefined;
    },
  }) as Namespace;
}

/** One trace, while its room is open. */
class Trace implements RoomFeature {
  readonly #room: OpenRoom;
  readonly #onTrace: OnTrace;
  #target: TraceTarget | null = null;
  #timer: Timer | null = null;
  /** For how many looks nobody has read it: who joins begins to read a moment later. */
  #unread = 0;

  constructor(room: OpenRoom, onTrace: OnTrace) {
    this.#room = room;
    this.#onTrace = onTrace;
  }

  /** Whoever joins last says of what. */
  begin({ user, room, payloads }: z.output<typeof target>): void {
    this.#target = { userId: user ?? null, roomId: room ?? null, payloads };
    this.#unread = 0;
    this.#timer?.cancel();
    this.#renew();
  }

  close(): void {
    this.#timer?.cancel();
    if (this.#target !== null) this.#onTrace(this.#room.roomId, null);
    this.#target = null;
  }

  #renew(): void {
    this.#onTrace(this.#room.roomId, this.#target);
    this.#timer = this.#room.clock.setTimer(() => {
      this.#unread = this.#room.readers === 0 ? this.#unread + 1 : 0;
      if (this.#unread < 2) this.#renew();
      else this.close();
    }, RENEW_MS);
  }
}
