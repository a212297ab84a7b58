import { useState } from "react";
import { ask, type LoggedEvent, type LogPage } from "./api.ts";
import { formatBytes, formatDate, formatNumber } from "./format.ts";
import { useLocale, useStrings } from "./language.tsx";
import { Notes, Placeholder } from "./notes.tsx";
import { usePolled } from "./polled.ts";

const EVERY_MS = 3_000;
const PAGE = 50;

/** The log of a room, newest first, a page at a time. The first page follows the head. */
export function RoomLog({ path, head }: { path: string; head: number }) {
  const strings = useStrings();
  const locale = useLocale();
  /** Null for the newest. */
  const [before, setBefore] = useState<number | null>(null);
  const query: Record<string, number> = before === null ? { limit: PAGE } : { limit: PAGE, before };
  const page = usePolled(() => ask<LogPage>(`${path}/log`, query), EVERY_MS, `${path} ${before ?? ""}`);
  const { value } = page;
  const events = value?.events.toReversed() ?? [];
  const oldest = value?.events[0]?.seq ?? 0;
  return (
    <section aria-label={strings.log}>
      <div className="console-room-head">
        <h2 className="console-title">{strings.log}</h2>
        {value === null || head === 0 ? null : (
          <span className="muted console-small">
            {strings.kept(formatNumber(value.first, locale), formatNumber(value.head, locale))}
          </span>
        )}
      </div>
      <Notes polled={{ ...page, value: null }} />
      {value === null || events.length === 0 ? (
        <Placeholder isLoading={value === null && page.error === null} text={value === null ? "" : strings.noEvents} />
      ) : (
        <div className="console-scroll">
          <table className="console-table console-log" aria-label={strings.log}>
            <thead>
              <tr>
                <th scope="col" className="number">
                  seq
                </th>
                <th scope="col">{strings.time}</th>
                <th scope="col">{strings.event}</th>
                <th scope="col">{strings.sender}</th>
                <th scope="col" className="number">
                  {strings.size}
                </th>
                <th scope="col">{strings.payload}</th>
              </tr>
            </thead>
            <tbody>
              {events.map((event) => (
                <Event key={event.seq} event={event} locale={locale} server={strings.server} />
              ))}
            </tbody>
          </table>
        </div>
      )}
      <div className="console-actions">
        <button type="button" className="button small" disabled={before === null} onClick={() => setBefore(null)}>
          {strings.newest}
        </button>
        <button
          type="button"
          className="button small"
          disabled={value === null || events.length === 0 || oldest <= value.first}
          onClick={() => setBefore(oldest)}
        >
          {strings.older}
        </button>
      </div>
    </section>
  );
}

function Event({ event, locale, server }: { event: LoggedEvent; locale: string; server: string }) {
  return (
    <tr>
      <td className="number">{event.seq}</td>
      <td className="console-nowrap">{formatDate(event.timestamp, locale)}</td>
      <td>
        <code>{event.type}</code>
      </td>
      <td>{event.sender ?? <span className="muted">{server}</span>}</td>
      <td className="number">{formatBytes(event.bytes, locale)}</td>
      <td>
        <code className="console-payload">{event.payload}</code>
      </td>
    </tr>
  );
}
