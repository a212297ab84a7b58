import { use } from "react";
import { useStore } from "../chat/use-store.ts";
import { useConnection } from "../connection/client-context.tsx";
import { Icon } from "../shell/icon.tsx";
import { LanguageContext } from "../shell/language.ts";
import { InboxList } from "./inbox-list.tsx";
import type { InboxStore, InboxView } from "./inbox-store.ts";
import { ownInbox } from "./own-inbox.ts";
import { PushCard } from "./push-card.tsx";
import { type Device, Phone, useSecondDevice } from "./second-device.tsx";
import { SendForm } from "./send-form.tsx";
import { NOTIFICATION_STRINGS, type NotificationStrings } from "./strings.ts";
import "./notifications.css";

/** The inbox of this window beside that of a second device, and a form to send something to both. */
export function NotificationsPage() {
  const { language, strings: shell } = use(LanguageContext);
  const strings = NOTIFICATION_STRINGS[language];
  const connection = useConnection();
  const { store } = ownInbox(connection);
  const { status } = useStore(connection.store);
  const view = useStore(store);
  const device = useSecondDevice();
  return (
    <main className="notifications" id="main" tabIndex={-1}>
      <title>{`${view.unread > 0 ? `(${view.unread}) ` : ""}${strings.title} · ${shell.appName}`}</title>
      <div className="notifications-inside">
        <header className="notifications-head">
          <h1>{strings.title}</h1>
          <p className="muted">{strings.pageIntro}</p>
        </header>
        {device === null ? null : <Agreement store={store} device={device} strings={strings} />}
        <div className="notifications-columns">
          <div className="notifications-side">
            <SendForm key={language} me={connection.session.user} strings={strings} />
            <PushCard strings={strings} />
          </div>
          <section className="card own" aria-labelledby="own-title">
            <div className="own-head">
              <h2 id="own-title">{strings.thisDevice}</h2>
              <button
                type="button"
                className="button small"
                disabled={view.unread === 0}
                onClick={() => store.mark("read", { all: true })}
              >
                <Icon name="checks" size={14} />
                {strings.markAllRead}
              </button>
            </div>
            <InboxList store={store} isOnline={status === "connected"} label={strings.list} />
          </section>
          {device === null ? (
            <section className="card second" aria-busy="true" />
          ) : (
            <Phone device={device} strings={strings} />
          )}
        </div>
      </div>
    </main>
  );
}

/** The counts of both devices, and whether they are the same. */
function Agreement(props: { store: InboxStore; device: Device; strings: NotificationStrings }) {
  const { store, device, strings } = props;
  const own = useStore(store);
  const other = useStore(device.store);
  const { status } = useStore(device.connection);
  const isSame = own.unread === other.unread && own.unseen === other.unseen && own.seq === other.seq;
  const words = isSame ? strings.agree : status === "connected" ? strings.differ : strings.disagree;
  return (
    <div className="agreement">
      <Counts id="this" name={strings.thisDevice} view={own} strings={strings} />
      <span className="agreement-sign" aria-hidden="true">
        {isSame ? "=" : "≠"}
      </span>
      <Counts id="second" name={strings.second} view={other} strings={strings} />
      <p className="agreement-words" role="status" data-same={isSame}>
        {words}
      </p>
    </div>
  );
}

function Counts(props: { id: string; name: string; view: InboxView; strings: NotificationStrings }) {
  const { id, name, view, strings } = props;
  return (
    <dl className="counts" data-device={id} aria-label={name}>
      <dt>{name}</dt>
      <dd>
        <strong data-count="unread">{view.unread}</strong> {strings.unreadLabel}
      </dd>
      <dd>
        <strong data-count="unseen">{view.unseen}</strong> {strings.unseenLabel}
      </dd>
      <dd className="counts-seq" data-count="seq">
        #{view.seq}
      </dd>
    </dl>
  );
}
