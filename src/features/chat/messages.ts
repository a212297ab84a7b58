import { type JsonObject, YamabikoError } from "../../protocol/index.ts";
import { type Context, type Draft, type DraftAmendment, message, type RoomView } from "../../session/namespace.ts";
import type { PayloadSchemas } from "./schemas.ts";
import { findMessage, isDeleted, refuseDeleted } from "./stored-message.ts";

/** The messages that write, change and delete (CHAT-1, CHAT-2). */
export function createMessages(schemas: PayloadSchemas) {
  return {
    send_message: message({ payload: schemas.send_message, handle: handleSendMessage }),
    edit_message: message({ payload: schemas.edit_message, handle: handleEditMessage }),
    delete_message: message({ payload: schemas.delete_message, handle: handleDeleteMessage }),
  };
}

interface Sent {
  content: string;
  replyTo?: number | null | undefined;
  mentions?: string[] | undefined;
}

// Waits only for what it must: most messages are no replies, and those are ready in the turn they came in.
function handleSendMessage(context: Context, sent: Sent): Draft | Promise<Draft> {
  const { replyTo = null } = sent;
  if (replyTo === null) return draftMessage(context, sent);
  return findMessage(context.room, replyTo, "replyTo").then(() => draftMessage(context, sent));
}

function draftMessage(context: Context, { content, replyTo = null, mentions = [] }: Sent): Draft {
  const { user } = context;
  context.state("typing").remove(user.id);
  return context.event("new_message", {
    id: context.messageId ?? crypto.randomUUID(),
    userId: user.id,
    userName: user.name,
    content,
    replyTo,
    mentions: [...new Set(mentions)],
  });
}

async function handleEditMessage(context: Context, { seq, content }: { seq: number; content: string }): Promise<Draft> {
  const { event, payload } = await findMessage(context.room, seq);
  if (event.sender !== context.user.id) {
    throw new YamabikoError("access_denied", "Only its author may edit a message.");
  }
  refuseDeleted(payload);
  const editedAt = context.now;
  const amend = [
    { seq, expectData: event.data, data: { ...payload, content, editedAt } },
    ...(await emptyLastEdit(context.room, seq, payload)),
  ];
  return context.event("message_edited", { seq, content, userId: context.user.id, editedAt }, { amend });
}

async function handleDeleteMessage(context: Context, { seq }: { seq: number }): Promise<Draft | undefined> {
  const { event, payload } = await findMessage(context.room, seq);
  if (event.sender !== context.user.id && !(await context.can("admin"))) {
    throw new YamabikoError("access_denied", "Only its author or an admin may delete a message.");
  }
  // What was asked for is already so: a second deletion, or a repeated one, is a plain ack and no event.
  if (isDeleted(payload)) return undefined;
  const { reactions: _reactions, editedAt: _editedAt, ...rest } = payload;
  const amend = [
    { seq, expectData: event.data, data: { ...rest, content: null, deleted: true, mentions: [] } },
    ...(await emptyLastEdit(context.room, seq, payload)),
  ];
  return context.event("message_deleted", { seq, userId: context.user.id }, { amend });
}

// Every edit empties the one before it, so at most the last one holds words, and a deletion takes those too.
async function emptyLastEdit(room: RoomView, seq: number, message: JsonObject): Promise<DraftAmendment[]> {
  if (message.editedAt === undefined) return [];
  const [edit] = await room.amendments(seq, "message_edited", 1);
  if (edit === undefined) return [];
  const data = { seq, content: null, userId: edit.sender, superseded: true };
  return [{ seq: edit.seq, expectData: edit.data, data }];
}
