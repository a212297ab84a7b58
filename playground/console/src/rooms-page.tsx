import { type FormEvent, useDeferredValue, useState } from "react";
import { formatHash } from "../../src/shell/hash-route.ts";
import { ask, type RoomList } from "./api.ts";
import { formatBytes, formatNumber } from "./format.ts";
import { useLocale, useStrings } from "./language.tsx";
import { Notes, Placeholder } from "./notes.tsx";
import { usePolled } from "./polled.ts";
import { RoomDetailsView } from "./room-details.tsx";

const EVERY_MS = 2_000;
const LIMIT = 100;
const ORDERS = ["readers", "behind", "events", "bytes", "name"] as const;

/** The rooms that are open, or the one that `rest` names. */
export function RoomsPage({ rest }: { rest: string }) {
  return rest === "" ? <Rooms /> : <RoomDetailsView key={rest} roomId={rest} />;
}

function Rooms() {
  const strings = useStrings();
  const locale = useLocale();
  const [search, setSearch] = useState("");
  const [order, setOrder] = useState<(typeof ORDERS)[number]>("readers");
  const query = { search: useDeferredValue(search), order, limit: LIMIT };
  const list = usePolled(() => ask<RoomList>("/api/rooms", query), EVERY_MS, JSON.stringify(query));
  const { value } = list;
  const open = (event: FormEvent): void => {
    event.preventDefault();
    if (search.trim() !== "") window.location.hash = formatHash("rooms", search.trim());
  };
  return (
    <div className="console-inside">
      <h1 className="console-heading">{strings.rooms}</h1>
      <Notes polled={list} />
      <form className="console-controls" onSubmit={open}>
        <input
          type="search"
          className="field"
          aria-label={strings.searchRooms}
          placeholder={strings.searchRooms}
          value={search}
          maxLength={255}
          onChange={(event) => setSearch(event.target.value)}
        />
        <select
          className="field"
          aria-label={strings.order}
          value={order}
          onChange={(event) => setOrder(event.target.value as "name")}
        >
          {ORDERS.map((one) => (
            <option key={one} value={one}>
              {strings.roomOrders[one]}
            </option>
          ))}
        </select>
        <button type="submit" className="button" disabled={search.trim() === ""}>
          {strings.openRoom}
        </button>
      </form>
      {value === null || value.rooms.length === 0 ? (
        <Placeholder
          isLoading={value === null && list.error === null}
          text={value === null ? strings.offline : search === "" ? strings.noRooms : strings.noneFits}
        />
      ) : (
        <>
          <div className="console-scroll">
            <table className="console-table" aria-label={strings.rooms}>
              <thead>
                <tr>
                  <th scope="col">{strings.room}</th>
                  <th scope="col" className="number">
                    {strings.readers}
                  </th>
                  <th scope="col" className="number">
                    {strings.behind}
                  </th>
                  <th scope="col" className="number">
                    {strings.members}
                  </th>
                  <th scope="col" className="number">
                    {strings.head}
                  </th>
                  <th scope="col" className="number">
                    {strings.memory}
                  </th>
                  <th scope="col" className="number">
                    {strings.roomNodes}
                  </th>
                </tr>
              </thead>
              <tbody>
                {value.rooms.map((room) => (
                  <tr key={room.roomId}>
                    <td>
                      <a href={formatHash("rooms", room.roomId)}>{room.roomId}</a>
                    </td>
                    <td className="number">{formatNumber(room.readers, locale)}</td>
                    <td className="number">
                      {room.behind === 0 ? (
                        "0"
                      ) : (
                        <span className="console-badge" data-kind="bad">
                          {formatNumber(room.behind, locale)}
                        </span>
                      )}
                    </td>
                    <td className="number">{formatNumber(room.members, locale)}</td>
                    <td className="number">{formatNumber(room.head, locale)}</td>
                    <td className="number">{formatBytes(room.bytes, locale)}</td>
                    <td className="number">{formatNumber(room.nodes, locale)}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
          <p className="muted console-small">
            {strings.shownOf(
              formatNumber(value.rooms.length, locale),
              formatNumber(value.fitting, locale),
              formatNumber(value.total, locale),
            )}
          </p>
        </>
      )}
    </div>
  );
}
