import { createContext, type ReactNode, use, useEffect, useRef, useState } from "react";
import type { Client } from "yamabiko/client";
import type { Session } from "../session/session.ts";
import type { ConnectionStore } from "./connection-store.ts";
import { openConnection } from "./open-connection.ts";

/** The connection of this window and who it belongs to. */
export interface Connection {
  readonly client: Client;
  readonly session: Session;
  readonly store: ConnectionStore;
  /** A token of this user that is good for a while: for further clients, and for requests. */
  token(): Promise<string>;
  /** Lets a further client of this user come back with a new token when its own is no longer accepted. */
  keepSignedIn(client: Client): void;
  /** Drops the socket as a failing network would. */
  cut(): void;
  /** Ends the connection until `goOnline`, also over a reload. */
  goOffline(): void;
  /** Connects, or tries at once when it waits. */
  goOnline(): void;
}

const ConnectionContext = createContext<Connection | null>(null);

/**
 * The connection of this window.
 * @throws {Error} outside a `ClientProvider`.
 */
export function useConnection(): Connection {
  const connection = use(ConnectionContext);
  if (connection === null) throw new Error("useConnection is used outside ClientProvider");
  return connection;
}

/** Connects as `session` and hands the connection down. `onRefused` is called when no token is to be had for it any more. */
export function ClientProvider(props: { session: Session; onRefused: () => void; children: ReactNode }) {
  const { session, onRefused, children } = props;
  const [connection, setConnection] = useState<Connection | null>(null);
  const refused = useRef(onRefused);

  useEffect(() => {
    refused.current = onRefused;
  }, [onRefused]);

  useEffect(() => {
    const opened = openConnection(session, () => refused.current());
    setConnection(opened.connection);
    return opened.close;
  }, [session]);

  return connection === null ? null : <ConnectionContext value={connection}>{children}</ConnectionContext>;
}
