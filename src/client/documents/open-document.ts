import type { Client } from "../client.ts";
import type { Room } from "../room.ts";
import { type DocumentOptions, SharedDocument } from "./document.ts";

/**
 * Opens a document for editing: `openDocument(client, "readme")`. It joins the room `document:<documentId>` and stays in it, over every
 * reconnect, until `close()`. With a storage, what was typed before the page went away is there at once, also without a connection.
 *
 * @param at the client, or a room that was joined already.
 */
export function openDocument(at: Client | Room, documentId: string, options: DocumentOptions = {}): SharedDocument {
  const document = new SharedDocument(documentId, options);
  if (!("join" in at)) {
    document.follow(at);
    return document;
  }
  const join = (after?: string): void => {
    document.follow(at.join(`document:${documentId}`, { after }), at);
  };
  if (options.storage === undefined) join();
  else {
    Promise.resolve(options.storage.load(documentId)).then(
      (stored) => {
        if (stored !== null) document.restore(stored);
        join(stored?.cursor);
      },
      () => join(),
    );
  }
  return document;
}
