import { use } from "react";
import { useStore } from "../chat/use-store.ts";
import { Icon } from "../shell/icon.tsx";
import { LanguageContext, localeOf } from "../shell/language.ts";
import { useConnection } from "./client-context.tsx";

/** What the connection does, and two ways to break it, so that anyone can watch it resume. */
export function ConnectionPanel({ cursor, waiting }: { cursor: string | null; waiting: number }) {
  const { strings, language } = use(LanguageContext);
  const connection = useConnection();
  const view = useStore(connection.store);
  const clock = new Intl.DateTimeFormat(localeOf(language), { hour: "2-digit", minute: "2-digit", second: "2-digit" });
  const sound = view.gaps === 0 && view.repeats === 0;
  const latency = view.status === "connected" && view.latencyMs !== null ? strings.ms(Math.round(view.latencyMs)) : "–";
  const transport = view.status === "connected" ? (view.transport ?? strings.noTransport) : strings.noTransport;
  const facts: [string, string, string][] = [
    ["status", strings.status, strings[view.status]],
    ["transport", strings.transport, transport],
    ["latency", strings.latency, latency],
    ["cursor", strings.cursor, cursor === null ? "–" : shortCursor(cursor)],
    ["outbox", strings.outbox, strings.outboxCount(waiting)],
    ["events", strings.events, String(view.events)],
    ["order", strings.orderCheck, sound ? strings.orderGood : strings.orderBad(view.gaps, view.repeats)],
    [
      "reconnect",
      strings.lastReconnect,
      view.lastReconnect === null ? strings.never : clock.format(view.lastReconnect.at),
    ],
  ];
  return (
    <section className="panel connection" aria-labelledby="connection-title">
      <h2 id="connection-title">{strings.connection}</h2>
      <dl className="facts">
        {facts.map(([id, name, value]) => (
          <div key={id} className="fact" data-fact={id}>
            <dt>{name}</dt>
            <dd title={id === "cursor" ? (cursor ?? value) : value}>{value}</dd>
          </div>
        ))}
      </dl>
      <p className="caught-up" role="status">
        {view.lastReconnect === null || view.status !== "connected"
          ? ""
          : strings.caughtUp(view.lastReconnect.caughtUp)}
      </p>
      <div className="connection-buttons">
        <button
          type="button"
          className="button small"
          title={strings.cutHint}
          disabled={view.status !== "connected"}
          onClick={connection.cut}
        >
          <Icon name="cut" size={14} />
          {strings.cut}
        </button>
        {view.status === "closed" ? (
          <button type="button" className="button small" onClick={connection.goOnline}>
            {strings.goOnline}
          </button>
        ) : (
          <button type="button" className="button small" onClick={connection.goOffline}>
            {strings.goOffline}
          </button>
        )}
      </div>
    </section>
  );
}

/** A cursor with its epoch cut short: what moves is the number after the colon. */
function shortCursor(cursor: string): string {
  const colon = cursor.lastIndexOf(":");
  return colon <= 8 ? cursor : `${cursor.slice(0, 6)}…${cursor.slice(colon)}`;
}
