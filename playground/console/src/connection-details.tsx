import { type ReactNode, useEffect, useRef, useState } from "react";
import { formatHash } from "../../src/shell/hash-route.ts";
import { Icon } from "../../src/shell/icon.tsx";
import type { ConnectionRow, Slowness } from "./api.ts";
import { AskDialog, type Asked } from "./dialog.tsx";
import { formatBytes, formatDate, formatNumber, formatSpan } from "./format.ts";
import { useLocale, useStrings } from "./language.tsx";
import type { Strings } from "./strings.ts";
import { useAct } from "./use-act.ts";

/** One connection: why it is slow, what is known of it, and what can be done. */
export function ConnectionDetails(props: { row: ConnectionRow; isGone: boolean; onClose: () => void }) {
  const { row, isGone, onClose } = props;
  const strings = useStrings();
  const locale = useLocale();
  const act = useAct();
  const [asked, setAsked] = useState<Asked | null>(null);
  const panel = useRef<HTMLElement>(null);
  useEffect(() => panel.current?.focus(), []);
  const { userId } = row;
  const name = row.userName ?? strings.unknownUser;
  const confirm = (title: string, text: string, path: string, body: object, done: string): void =>
    setAsked({ title, text, run: async () => void (await act(path, body, done)) });
  return (
    <aside
      className="console-details"
      ref={panel}
      tabIndex={-1}
      aria-label={name}
      onKeyDown={(event) => {
        if (event.key === "Escape" && asked === null) onClose();
      }}
    >
      <div className="console-dialog-head">
        <h2>{name}</h2>
        <button type="button" className="icon-button" aria-label={strings.close} onClick={onClose}>
          <Icon name="close" />
        </button>
      </div>
      {isGone ? (
        <p className="dashboard-note" role="status">
          {strings.gone}
        </p>
      ) : null}
      <section className="console-why" data-slow={row.slowness.length > 0} aria-label={strings.why}>
        <h3>{row.slowness.length === 0 ? strings.healthy : strings.why}</h3>
        {row.slowness.length === 0 ? (
          <p>{strings.whyNot}</p>
        ) : (
          <>
            <ul>
              {row.slowness.map((slowness) => (
                <li key={JSON.stringify([slowness.kind, "roomId" in slowness ? slowness.roomId : null])}>
                  {sentenceOf(slowness, strings, locale)}
                </li>
              ))}
            </ul>
            <p className="muted">{strings.advice}</p>
          </>
        )}
      </section>
      <dl className="console-facts">
        <Fact name={strings.user}>{userId ?? "–"}</Fact>
        <Fact name={strings.connectionId}>
          <code>{row.connectionId}</code>
        </Fact>
        <Fact name={strings.transport}>{row.transport}</Fact>
        <Fact name={strings.address}>{row.address ?? "–"}</Fact>
        <Fact name={strings.node}>
          <code>{row.nodeId}</code>
        </Fact>
        <Fact name={strings.since}>{formatDate(row.since, locale)}</Fact>
        <Fact name={strings.tokenEnds}>{row.expiresAt === null ? "–" : formatDate(row.expiresAt, locale)}</Fact>
        <Fact name={strings.latency}>
          {row.latencyMs === null ? "–" : `${formatNumber(row.latencyMs, locale, 1)} ms`}
        </Fact>
        <Fact name={strings.outbox}>{row.outboxBytes === null ? "–" : formatBytes(row.outboxBytes, locale)}</Fact>
      </dl>
      <h3>{strings.roomsOf}</h3>
      {row.rooms.length === 0 ? <p className="muted">–</p> : null}
      <ul className="console-rooms">
        {row.rooms.map((room) => (
          <li key={room}>
            <a href={formatHash("rooms", room)}>{room}</a>
            {userId === null ? null : (
              <span className="console-row-actions">
                <button
                  type="button"
                  className="button small"
                  onClick={() =>
                    confirm(
                      strings.kick,
                      strings.kickText(name, room),
                      "/api/kick",
                      { user: userId, room },
                      strings.kicked(name),
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
                      strings.banText(name, room),
                      "/api/ban",
                      { user: userId, room },
                      strings.banned(name),
                    )
                  }
                >
                  {strings.ban}
                </button>
              </span>
            )}
          </li>
        ))}
        {row.roomCount > row.rooms.length ? (
          <li className="muted">{strings.andMore(formatNumber(row.roomCount - row.rooms.length, locale))}</li>
        ) : null}
      </ul>
      {userId === null ? null : (
        <>
          <h3>{strings.actions}</h3>
          <div className="console-actions">
            <a className="button" href={formatHash("trace", `user:${userId}`)}>
              {strings.traceUser}
            </a>
            <button
              type="button"
              className="button danger"
              onClick={() =>
                confirm(
                  strings.disconnect,
                  strings.disconnectText(name),
                  "/api/disconnect",
                  { user: userId },
                  strings.disconnected(name),
                )
              }
            >
              {strings.disconnect}
            </button>
            <button
              type="button"
              className="button danger"
              onClick={() =>
                confirm(
                  strings.revoke,
                  strings.revokeText(name),
                  "/api/revoke",
                  { user: userId },
                  strings.revoked(name),
                )
              }
            >
              {strings.revoke}
            </button>
          </div>
        </>
      )}
      {asked === null ? null : <AskDialog asked={asked} onClose={() => setAsked(null)} />}
    </aside>
  );
}

function Fact({ name, children }: { name: string; children: ReactNode }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

function sentenceOf(slowness: Slowness, { slow }: Strings, locale: string): string {
  switch (slowness.kind) {
    case "takes_nothing":
      return slow.takes_nothing(formatSpan(slowness.forMs, locale), formatBytes(slowness.waitingBytes, locale));
    case "takes_slowly":
      return slow.takes_slowly(formatBytes(slowness.waitingBytes, locale));
    case "behind":
      return slow.behind(slowness.roomId, formatNumber(slowness.events, locale));
    case "rate_limited":
      return slow.rate_limited(formatNumber(slowness.times, locale));
    case "not_read":
      return slow.not_read;
    case "far":
      return slow.far(`${formatNumber(slowness.latencyMs, locale)} ms`);
  }
}
