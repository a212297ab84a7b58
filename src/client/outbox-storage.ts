import type { StoredMessage } from "./message.ts";

/**
 * Where the outbox survives a reload. `load` is called once, before anything is sent. `save` replaces what was stored
 * with all messages that are neither acked nor discarded, in order; it is called at most once per microtask turn. What
 * either throws is reported as an `error` event and changes nothing else.
 */
export interface OutboxStorage {
  load(): readonly StoredMessage[] | Promise<readonly StoredMessage[]>;
  save(messages: readonly StoredMessage[]): void | Promise<void>;
}

/**
 * The outbox in a Web Storage under `key`. Use `sessionStorage`: it belongs to one tab. Two tabs on one `localStorage` key
 * would overwrite each other's messages. Use a key per user, or another user's messages are sent under this one's name.
 */
export function webStorage(storage: Pick<Storage, "getItem" | "setItem" | "removeItem">, key: string): OutboxStorage {
  return {
    load: () => JSON.parse(storage.getItem(key) ?? "[]") as StoredMessage[],
    save(messages) {
      if (messages.length > 0) storage.setItem(key, JSON.stringify(messages));
      else storage.removeItem(key);
    },
  };
}
