import { useState } from "react";
import { formatHash } from "../../src/shell/hash-route.ts";
import { ask, type Ban, type RoomDetails } from "./api.ts";
import { AskDialog, type Asked } from "./dialog.tsx";
import { formatBytes, formatDate, formatNumber, formatTime } from "./format.ts";
import { useLocale, useStrings } from "./language.tsx";
import { Notes, Placeholder } from "./notes.tsx";
import { usePolled } from "./polled.ts";
import { RoomLog } from "./room-log.tsx";
import { useAct } from "./use-act.ts";

const EVERY_MS = 3_000;

/** One room: where it is open, who is in it, its state and its log. */
export function RoomDetailsView({ roomId }: { roomId: string }) {
  const strings = useStrings();
  const locale = useLocale();
  const path = `/api/rooms/${encodeURIComponent(roomId)}`;
  const room = usePolled(() => ask<RoomDetails>(path), EVERY_MS, roomId);
  const { value } = room;
  return (
    <div className="console-inside">
      <p>
        <a href="#/rooms">{`← ${strings.backToRooms}`}</a>
      </p>
      <div className="console-room-head">
        <h1 className="console-heading">{roomId}</h1>
        <a className="button small" href={formatHash("trace", `room:${roomId}`)}>
          {strings.traceRoom}
        </a>
      </div>
      <Notes polled={room} />
      {value === null ? <Placeholder isLoading={room.error === null} text="" /> : null}
      {value === null ? null : (
        <>
          <div className="console-scroll">
            <table className="console-table" aria-label={strings.nodes}>
              <thead>
                <tr>
                  <th scope="col">{strings.node}</th>
                  <th scope="col" className="number">
                    {strings.readers}
                  </th>
                  <th scope="col" className="number">
                    {strings.behind}
                  </th>
                  <th scope="col" className="number">
                    {strings.head}
                  </th>
                  <th scope="col" className="number">
                    {strings.memory}
                  </th>
                </tr>
              </thead>
              <tbody>
                {value.nodes.map((node) => (
                  <tr key={node.nodeId}>
                    <td>
                      <code>{node.nodeId}</code>
                    </td>
                    <td className="number">{formatNumber(node.readers, locale)}</td>
                    <td className="number">{formatNumber(node.behind, locale)}</td>
                    <td className="number">{formatNumber(node.head, locale)}</td>
                    <td className="number">{formatBytes(node.bytes, locale)}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
          <div className="console-lists">
            <Members room={value} again={room.again} />
            <Bans roomId={value.roomId} />
            <section className="panel" aria-label={strings.stateTitle}>
              <div className="panel-head">
                <h3>{strings.stateTitle}</h3>
              </div>
              {value.state === "{}" ? (
                <p className="muted">{strings.noState}</p>
              ) : (
                <pre className="console-pre">{indented(value.state)}</pre>
              )}
            </section>
          </div>
          <RoomLog key={value.epoch} path={path} head={value.head} />
        </>
      )}
    </div>
  );
}

function Members({ room, again }: { room: RoomDetails; again: () => void }) {
  const strings = useStrings();
  const locale = useLocale();
  const act = useAct();
  const [asked, setAsked] = useState<Asked | null>(null);
  const { users, count } = room.members;
  const confirm = (title: string, text: string, path: string, user: string, done: string): void =>
    setAsked({
      title,
      text,
      run: async () => {
        await act(path, { user, room: room.roomId }, done);
        again();
      },
    });
  return (
    <section className="panel" aria-label={strings.members}>
      <div className="panel-head">
        <h3>{strings.members}</h3>
        <span className="console-badge">{formatNumber(count, locale)}</span>
      </div>
      {users.length === 0 ? <p className="muted">{strings.noMembers}</p> : null}
      <ul className="console-rooms">
        {users.map(({ userId, userName, joinedAt }) => (
          <li key={userId}>
            <span>
              <a href={formatHash("connections", userId)}>{userName}</a>{" "}
              <span className="muted console-small">{formatTime(joinedAt, locale)}</span>
            </span>
            <span className="console-row-actions">
              <button
                type="button"
                className="button small"
                onClick={() =>
                  confirm(
                    strings.kick,
                    strings.kickText(userName, room.roomId),
                    "/api/kick",
                    userId,
                    strings.kicked(userName),
                  )
                }
              >
                {strings.kick}
              </button>
              <button
                type="button"
                className="button small"
                onClick={() =>
                  confirm(
                    strings.ban,
                    strings.banText(userName, room.roomId),
                    "/api/ban",
                    userId,
                    strings.banned(userName),
                  )
                }
              >
                {strings.ban}
              </button>
            </span>
          </li>
        ))}
        {count > users.length ? (
          <li className="muted">{strings.andMore(formatNumber(count - users.length, locale))}</li>
        ) : null}
      </ul>
      {asked === null ? null : <AskDialog asked={asked} onClose={() => setAsked(null)} />}
    </section>
  );
}

function Bans({ roomId }: { roomId: string }) {
  const strings = useStrings();
  const locale = useLocale();
  const act = useAct();
  const bans = usePolled(() => ask<{ bans: readonly Ban[] }>("/api/bans", { room: roomId }), EVERY_MS, roomId);
  const lift = async (user: string): Promise<void> => {
    await act("/api/unban", { user, room: roomId }, strings.unbanned(user));
    bans.again();
  };
  return (
    <section className="panel" aria-label={strings.bans}>
      <div className="panel-head">
        <h3>{strings.bans}</h3>
      </div>
      {bans.value?.bans.length === 0 ? <p className="muted">{strings.noBans}</p> : null}
      <ul className="console-rooms">
        {bans.value?.bans.map(({ userId, since, reason }) => (
          <li key={userId}>
            <span>
              {userId} <span className="muted console-small">{strings.bannedSince(formatDate(since, locale))}</span>
              {reason === null ? null : <span className="muted console-small"> · {reason}</span>}
            </span>
            <button type="button" className="button small" onClick={() => void lift(userId)}>
              {strings.unban}
            </button>
          </li>
        ))}
      </ul>
    </section>
  );
}

function indented(json: string): string {
  try {
    return JSON.stringify(JSON.parse(json), null, 2);
  } catch {
    return json;
  }
}
