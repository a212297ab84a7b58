import { useDeferredValue, useState } from "react";
import { ask, type ConnectionList, type ConnectionRow } from "./api.ts";
import { ConnectionDetails } from "./connection-details.tsx";
import { formatBytes, formatNumber, formatTime } from "./format.ts";
import { useLocale, useStrings } from "./language.tsx";
import { Notes, Placeholder } from "./notes.tsx";
import { usePolled } from "./polled.ts";

const EVERY_MS = 2_000;
const LIMIT = 100;
const TRANSPORTS = ["websocket", "sse", "poll", "send", "y-websocket", "hocuspocus"] as const;
const ORDERS = ["slow", "newest", "latency", "outbox", "user"] as const;

/** Who is connected, to whatever node, and how each keeps up. `rest` is `slow` for the slow ones alone, else what to search for. */
export function ConnectionsPage({ rest }: { rest: string }) {
  return <Connections key={rest} isSlowFirst={rest === "slow"} firstSearch={rest === "slow" ? "" : rest} />;
}

function Connections({ isSlowFirst, firstSearch }: { isSlowFirst: boolean; firstSearch: string }) {
  const strings = useStrings();
  const locale = useLocale();
  const [search, setSearch] = useState(firstSearch);
  const [transport, setTransport] = useState("");
  const [order, setOrder] = useState<(typeof ORDERS)[number]>("slow");
  const [isSlow, setSlow] = useState(isSlowFirst);
  const [chosen, setChosen] = useState<ConnectionRow | null>(null);
  const query = { search: useDeferredValue(search), transport, order, isSlow, limit: LIMIT };
  const list = usePolled(() => ask<ConnectionList>("/api/connections", query), EVERY_MS, JSON.stringify(query));
  const { value } = list;
  const rows = value?.connections ?? [];
  const newest = chosen === null ? null : (rows.find((row) => row.connectionId === chosen.connectionId) ?? null);
  const isFiltered = search !== "" || transport !== "";
  const nothing = isSlow && !isFiltered ? strings.noSlow : isFiltered ? strings.noneFits : strings.noConnections;
  return (
    <div className="console-split" data-open={chosen !== null}>
      <div className="console-inside">
        <h1 className="console-heading">{strings.connections}</h1>
        <Notes polled={list} />
        <div className="console-controls">
          <input
            type="search"
            className="field"
            aria-label={strings.searchConnections}
            placeholder={strings.searchConnections}
            value={search}
            maxLength={255}
            onChange={(event) => setSearch(event.target.value)}
          />
          <select
            className="field"
            aria-label={strings.transport}
            value={transport}
            onChange={(event) => setTransport(event.target.value)}
          >
            <option value="">{strings.anyTransport}</option>
            {TRANSPORTS.map((one) => (
              <option key={one} value={one}>
                {one}
              </option>
            ))}
          </select>
          <select
            className="field"
            aria-label={strings.order}
            value={order}
            onChange={(event) => setOrder(event.target.value as "slow")}
          >
            {ORDERS.map((one) => (
              <option key={one} value={one}>
                {strings.orders[one]}
              </option>
            ))}
          </select>
          <label className="console-check">
            <input type="checkbox" checked={isSlow} onChange={(event) => setSlow(event.target.checked)} />
            {strings.onlySlow}
            {value !== null && value.slow > 0 ? (
              <span className="console-badge" data-kind="bad">
                {formatNumber(value.slow, locale)}
              </span>
            ) : null}
          </label>
        </div>
        {value === null || rows.length === 0 ? (
          <Placeholder
            isLoading={value === null && list.error === null}
            text={value === null ? strings.offline : nothing}
          />
        ) : (
          <>
            <div className="console-scroll">
              <table className="console-table" aria-label={strings.connections}>
                <thead>
                  <tr>
                    <th scope="col">{strings.user}</th>
                    <th scope="col">{strings.health}</th>
                    <th scope="col">{strings.transport}</th>
                    <th scope="col">{strings.address}</th>
                    <th scope="col" className="number">
                      {strings.latency}
                    </th>
                    <th scope="col" className="number">
                      {strings.outbox}
                    </th>
                    <th scope="col" className="number">
                      {strings.rooms}
                    </th>
                    <th scope="col">{strings.since}</th>
                    <th scope="col">{strings.node}</th>
                  </tr>
                </thead>
                <tbody>
                  {rows.map((row) => (
                    <Row
                      key={row.connectionId}
                      row={row}
                      locale={locale}
                      isChosen={row.connectionId === chosen?.connectionId}
                      onChoose={() => setChosen(row)}
                    />
                  ))}
                </tbody>
              </table>
            </div>
            <p className="muted console-small">
              {strings.shownOf(
                formatNumber(rows.length, locale),
                formatNumber(value.fitting, locale),
                formatNumber(value.total, locale),
              )}
            </p>
          </>
        )}
      </div>
      {chosen === null ? null : (
        <ConnectionDetails
          key={chosen.connectionId}
          row={newest ?? chosen}
          isGone={newest === null && value !== null}
          onClose={() => setChosen(null)}
        />
      )}
    </div>
  );
}

/** The button in it is what the keyboard reaches; the row is only a larger target. */
function Row(props: { row: ConnectionRow; locale: string; isChosen: boolean; onChoose: () => void }) {
  const { row, locale, isChosen, onChoose } = props;
  const strings = useStrings();
  return (
    <tr className="console-row" data-on={isChosen} onClick={onChoose}>
      <td>
        <button type="button" className="console-link" aria-expanded={isChosen}>
          {row.userName ?? strings.unknownUser}
        </button>
        {row.userName !== row.userId && row.userId !== null ? (
          <span className="muted console-small"> {row.userId}</span>
        ) : null}
        {row.guest ? <span className="console-badge">{strings.guest}</span> : null}
      </td>
      <td>
        {row.slowness.length === 0 ? (
          <span className="console-badge" data-kind="good">
            {strings.healthy}
          </span>
        ) : (
          <span className="console-badges">
            {Array.from(new Set(row.slowness.map(({ kind }) => kind)), (kind) => (
              <span key={kind} className="console-badge" data-kind="bad">
                {strings.slowShort[kind]}
              </span>
            ))}
          </span>
        )}
      </td>
      <td>{row.transport}</td>
      <td>{row.address ?? "–"}</td>
      <td className="number">{row.latencyMs === null ? "–" : `${formatNumber(row.latencyMs, locale, 1)} ms`}</td>
      <td className="number">{row.outboxBytes === null ? "–" : formatBytes(row.outboxBytes, locale)}</td>
      <td className="number">{formatNumber(row.roomCount, locale)}</td>
      <td>{formatTime(row.since, locale)}</td>
      <td>
        <code>{row.nodeId}</code>
      </td>
    </tr>
  );
}
