import { type Client, createClient, webStorage } from "yamabiko/client";
import { type Session, SignInError, signIn, storeSession } from "../session/session.ts";
import type { Connection } from "./client-context.tsx";
import { ConnectionStore } from "./connection-store.ts";

const OFFLINE_KEY = "yamabiko.offline";
const UNAUTHENTICATED = 4401;
/** A token that is refused this soon after it was made will not get better, ms. */
const FRESH_MS = 10_000;
/** A token with less than this left is replaced, ms. */
const SPARE_MS = 120_000;

/**
 * Connects as `session`. The outbox survives a reload, and so does being offline on purpose. A token that ran out or is no
 * longer accepted is replaced; when the server gives none, `refuse` is called.
 */
export function openConnection(
  session: Session,
  refuse: () => void,
): { readonly connection: Connection; readonly close: () => void } {
  let { token } = session;
  let renewedAt = 0;
  let closed = false;
  const offline = sessionStorage.getItem(OFFLINE_KEY) === session.user;

  const renew = async (): Promise<void> => {
    renewedAt = Date.now();
    ({ token } = await signIn(session.user, session.name));
    if (!closed) storeSession({ ...session, token });
  };

  const goodToken = async (): Promise<string> => {
    if (expiryOf(token) - Date.now() < SPARE_MS) await renew().catch(() => {}); // the server will say what it thinks of the old one
    return token;
  };

  const client = createClient(`${window.location.origin}/ws`, {
    token: goodToken,
    storage: webStorage(sessionStorage, `yamabiko.outbox.${session.user}`),
    autoConnect: !offline,
  });

  let renewing: Promise<void> | null = null;
  /** One new token is enough for all clients that need one. */
  const renewOnce = (): Promise<void> => {
    renewing ??= renew().finally(() => {
      renewing = null;
    });
    return renewing;
  };
  const isFresh = (at: number): boolean => Date.now() - at < FRESH_MS;
  const keepSignedIn = (one: Client): void => {
    let mendedAt = 0;
    one.on("disconnected", async ({ code, willReconnect }) => {
      if (code !== UNAUTHENTICATED || willReconnect || closed) return;
      if (renewing === null && isFresh(renewedAt) && isFresh(mendedAt)) return refuse();
      mendedAt = Date.now();
      try {
        if (renewing !== null || !isFresh(renewedAt)) await renewOnce();
        one.connect();
      } catch (error) {
        if (error instanceof SignInError && error.reason !== "unreachable") refuse();
      }
    });
  };
  keepSignedIn(client);

  const store = new ConnectionStore(client);
  const stop = store.start();
  return {
    connection: {
      client,
      session,
      store,
      token: goodToken,
      keepSignedIn,
      cut: () => client.cut(),
      goOffline: () => {
        sessionStorage.setItem(OFFLINE_KEY, session.user);
        client.disconnect();
      },
      goOnline: () => {
        sessionStorage.removeItem(OFFLINE_KEY);
        client.connect();
      },
    },
    close: () => {
      closed = true;
      stop();
      client.close();
    },
  };
}

/** When a JWT expires, ms since 1970; never, when it does not say. */
function expiryOf(token: string): number {
  try {
    const body = token.split(".")[1] ?? "";
    const claims: unknown = JSON.parse(atob(body.replace(/-/g, "+").replace(/_/g, "/")));
    const { exp } = claims as { exp?: unknown };
    return typeof exp === "number" ? exp * 1_000 : Number.POSITIVE_INFINITY;
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}
