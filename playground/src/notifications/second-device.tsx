import { useEffect, useId, useState } from "react";
import { createClient } from "yamabiko/client";
import { useStore } from "../chat/use-store.ts";
import { useConnection } from "../connection/client-context.tsx";
import { ConnectionStore } from "../connection/connection-store.ts";
import { Icon } from "../shell/icon.tsx";
import { Badge } from "./badge.tsx";
import { InboxList } from "./inbox-list.tsx";
import type { InboxStore } from "./inbox-store.ts";
import { openInbox } from "./own-inbox.ts";
import type { NotificationStrings } from "./strings.ts";

/** A device of its own: client, connection and inbox. */
export interface Device {
  readonly store: InboxStore;
  readonly connection: ConnectionStore;
  goOffline(): void;
  goOnline(): void;
}

/** A second device of this window's user, for as long as the page is looked at; null for a moment. */
export function useSecondDevice(): Device | null {
  const { session, token, keepSignedIn } = useConnection();
  const [device, setDevice] = useState<Device | null>(null);
  useEffect(() => {
    const client = createClient(`${window.location.origin}/ws`, { token });
    client.on("error", () => {}); // its inbox tells
    keepSignedIn(client);
    const connection = new ConnectionStore(client);
    const stop = connection.start();
    const store = openInbox(client, session.user, token);
    setDevice({
      store,
      connection,
      goOffline: () => client.disconnect(),
      goOnline: () => client.connect(),
    });
    return () => {
      store.close();
      stop();
      client.close();
    };
  }, [session.user, token, keepSignedIn]);
  return device;
}

/** The second device, in the shape of a phone. */
export function Phone({ device, strings }: { device: Device; strings: NotificationStrings }) {
  const { status } = useStore(device.connection);
  const view = useStore(device.store);
  const switchId = useId();
  const isOffline = status === "closed";
  return (
    <section className="card second" aria-labelledby="second-title">
      <div className="second-head">
        <h2 id="second-title">{strings.second}</h2>
        <label className="switch" htmlFor={switchId}>
          <input
            id={switchId}
            type="checkbox"
            role="switch"
            aria-checked={isOffline}
            checked={isOffline}
            onChange={(event) => (event.target.checked ? device.goOffline() : device.goOnline())}
          />
          <span className="switch-track" aria-hidden="true" />
          {strings.takeOffline}
        </label>
      </div>
      <p className="muted card-text">{strings.secondText}</p>
      <div className="phone" data-offline={isOffline}>
        <div className="phone-bar">
          <span className="phone-dot" data-status={status} aria-hidden="true" />
          <span>{status === "connected" ? strings.phoneOnline : strings.phoneOffline}</span>
          <span className="phone-notch" aria-hidden="true" />
          <button
            type="button"
            className="icon-button"
            aria-label={strings.open}
            title={strings.open}
            onClick={() => device.store.markSeen()}
          >
            <Icon name="bell" size={16} />
            <Badge count={view.unseen} />
          </button>
        </div>
        <InboxList store={device.store} isOnline={status !== "closed"} label={strings.secondInbox} />
      </div>
    </section>
  );
}
