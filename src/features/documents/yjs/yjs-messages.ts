import { z } from "zod";
import { type JsonObject, YamabikoError } from "../../../protocol/index.ts";
import { type Context, message, type OpenRoom } from "../../../session/namespace.ts";
import { type DocumentKind, readKind, wrongKind } from "../document-kind.ts";
import { AWARENESS, type AwarenessEntry } from "./awareness.ts";
import { fromBase64, toBase64 } from "./base64.ts";
import { readStateVector } from "./update.ts";
import { YJS_UPDATE, type YjsDocument } from "./yjs-document.ts";

/** The most clients one message may speak of. */
const MAX_STATES = 1_000;
/** The longest message without a state, in characters. */
const MAX_STATELESS = 16 * 1024;

/** How often the first update of a document is tried when others are faster. */
const ATTEMPTS = 5;

const count = z.int().min(0);

/** What these messages need of a document's room. */
export interface YjsRoom {
  /** How the document is edited; null while nothing is stored. */
  readonly kind: DocumentKind | null;
  readonly yjs: YjsDocument;
  readonly room: OpenRoom;
}

/** The payloads of the log's events, by type. */
export const yjsEvents = {
  [YJS_UPDATE]: z.object({ userId: z.string(), update: z.string() }),
};

/** What a client that edits with Yjs sends (PROTOCOL.md, YJS-1 and following). Bytes travel as base64. */
export const yjsMessages = {
  /** Asks for what the client lacks: answered with `yjs_synced`. */
  yjs_sync: message({
    payload: z.object({ stateVector: z.string().optional() }),
    right: "read",
    async handle(context, { stateVector }) {
      const { yjs } = yjsRoomOf(context);
      const known = stateVector === undefined ? EMPTY_VECTOR : fromBase64(stateVector);
      readStateVector(known);
      const synced = await yjs.sync(known);
      context.reply("yjs_synced", { update: toBase64(synced.update), stateVector: toBase64(synced.stateVector) });
    },
  }),

  /** Brings something new. What brings nothing new is acknowledged and not stored, whoever sends it. */
  yjs_update: message({
    payload: z.object({ update: z.string() }),
    // To bring nothing new takes no right to write: providers do it whenever they connect.
    right: "read",
    async handle(context, { update }) {
      const document = yjsRoomOf(context);
      const bytes = fromBase64(update);
      if (!(await document.yjs.isNews(bytes))) return {};
      if (!(await context.can("write"))) {
        throw new YamabikoError("access_denied", "You may read this document, but not write to it.");
      }
      await document.yjs.admit(bytes.length);
      const payload = { userId: context.user.id, update };
      if (document.kind === null) {
        const first = await appendFirst(document, context, payload);
        if (first !== null) return first;
      }
      return context.event(YJS_UPDATE, payload);
    },
  }),

  /** Says what clients say of themselves: Yjs' awareness. */
  yjs_awareness: message({
    payload: z.object({
      states: z.array(z.object({ clientId: count, clock: count, state: z.string().nullable() })).max(MAX_STATES),
    }),
    right: "read",
    handle(context, { states }) {
      const { yjs } = yjsRoomOf(context);
      const speaker = {
        connectionId: context.connectionId,
        userId: context.user.id,
        view: context.state(AWARENESS),
      };
      const answers = states.map((entry) => yjs.awareness.take(entry, speaker)).filter((answer) => answer !== null);
      if (answers.length > 0) reply(context, answers);
    },
  }),

  /** Asks what everybody says of themselves: answered with `yjs_awareness_states`. */
  yjs_query_awareness: message({
    right: "read",
    handle(context) {
      reply(context, yjsRoomOf(context).yjs.awareness.entries());
    },
  }),

  /** Says something to everyone who has the document open; it is kept nowhere. */
  yjs_stateless: message({
    payload: z.object({ payload: z.string().max(MAX_STATELESS) }),
    handle(context, { payload }) {
      yjsRoomOf(context);
      context.signal("yjs_stateless", { userId: context.user.id, payload });
    },
  }),
};

const EMPTY_VECTOR = Uint8Array.of(0);

/**
 * Appends what decides that a document is one of Yjs, unless somebody else was faster: then null when the document is one of Yjs now.
 * Rejects with `conflict` when it is of the other kind.
 */
async function appendFirst({ room }: YjsRoom, context: Context, payload: JsonObject): Promise<JsonObject | null> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const { user, messageId } = context;
    try {
      const { seq } = await room.append({ type: YJS_UPDATE, payload, sender: user.id, messageId, expect: room.head });
      return { seq };
    } catch (error) {
      if (!(error instanceof YamabikoError && error.code === "conflict")) throw error;
    }
    const kind = await readKind(room);
    if (kind === "yjs") return null;
    if (kind === "ot") throw wrongKind(kind);
  }
  throw new YamabikoError("unavailable", "Others write to this room all the time.");
}

function reply(context: Context, states: readonly AwarenessEntry[]): void {
  context.reply("yjs_awareness_states", { states: states.map((entry) => ({ ...entry })) });
}

/** @throws {YamabikoError} `conflict` for a document of the other kind. */
function yjsRoomOf({ feature }: Context): YjsRoom {
  const room = feature as unknown as YjsRoom;
  if (room.kind === "ot") throw wrongKind(room.kind);
  return room;
}
