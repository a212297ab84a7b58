import type { Client } from "yamabiko/client";
import type { Connection } from "../connection/client-context.tsx";
import type { InboxItem } from "./inbox.ts";
import { listNotifications } from "./inbox-api.ts";
import { InboxStore } from "./inbox-store.ts";
import { ToastStore } from "./toast-store.ts";

/** The inbox of this window, and the toasts of what comes. */
export interface OwnInbox {
  readonly store: InboxStore;
  readonly toasts: ToastStore<InboxItem>;
}

const inboxes = new WeakMap<object, OwnInbox>();

/** The inbox of this window's connection: one, however many parts of the page show it. */
export function ownInbox(connection: Connection): OwnInbox {
  const known = inboxes.get(connection.client);
  if (known !== undefined) return known;
  const { client, session, token } = connection;
  const own = { store: openInbox(client, session.user, token), toasts: new ToastStore<InboxItem>() };
  window.addEventListener("pagehide", () => own.store.flush());
  inboxes.set(client, own);
  return own;
}

/** The inbox of `user` as the device behind `client` has it. It is loaded as soon as that is connected. */
export function openInbox(client: Client, user: string, token: () => Promise<string>): InboxStore {
  const store = new InboxStore({
    join: (after) => client.join(`user:${user}`, { after }),
    list: async (query) => {
      // A device without a connection has none for this either.
      if (client.status !== "connected") throw new Error("offline");
      return listNotifications(await token(), query);
    },
  });
  client.on("connected", () => void store.start());
  if (client.status === "connected") void store.start();
  return store;
}
