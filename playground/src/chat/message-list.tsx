import {
  Fragment,
  type Ref,
  use,
  useCallback,
  useEffect,
  useImperativeHandle,
  useLayoutEffect,
  useRef,
  useState,
} from "react";
import { useConnection } from "../connection/client-context.tsx";
import { Icon } from "../shell/icon.tsx";
import { LanguageContext, localeOf, useStrings } from "../shell/language.ts";
import type { ComposerMode } from "./conversation.tsx";
import type { Person } from "./message.ts";
import { MessageItem } from "./message-item.tsx";
import type { RoomStore } from "./room-store.ts";
import { type RoomView, roomTitle } from "./room-view.ts";
import type { Row } from "./rows.ts";
import { DayLine, LostLine } from "./separator.tsx";
import { useScroll } from "./use-scroll.ts";
import { useStore } from "./use-store.ts";

/** What the page can ask of the list. */
export interface MessageListHandle {
  /** Shows the newest message and stays there. */
  toLatest(): void;
}

const FLASH_MS = 1_600;

/** The messages of a room: a live log that keeps its place while history loads above it. */
export function MessageList(props: {
  ref: Ref<MessageListHandle>;
  store: RoomStore;
  view: RoomView;
  rows: readonly Row[];
  people: readonly Person[];
  onMode: (mode: ComposerMode) => void;
}) {
  const { ref, store, view, rows, people, onMode } = props;
  const strings = useStrings();
  const locale = localeOf(use(LanguageContext).language);
  const { session, store: connection } = useConnection();
  const { status } = useStore(connection);
  const [hovered, setHovered] = useState<string | null>(null);
  const [focused, setFocused] = useState<string | null>(null);
  const [flashed, setFlashed] = useState<number | null>(null);
  const { timeline } = view;
  const loadEarlier = useCallback(() => void store.loadEarlier(), [store]);
  const scroll = useScroll({ first: timeline.order[0] ?? 0, newest: timeline.order.at(-1) ?? 0, loadEarlier });
  const { atBottom, toLatest } = scroll;

  useImperativeHandle(ref, () => ({ toLatest }), [toLatest]);
  useWatching(store, atBottom);

  // A page that does not fill the window, or that ends near its top, asks for the next by itself.
  // biome-ignore lint/correctness/useExhaustiveDependencies: looked at anew whenever the loaded stretch grew.
  useEffect(() => scroll.lookUp(), [timeline.oldest, view.status]);

  // A room with more unread than fits opens where the unread begins.
  const opened = useRef(false);
  const settled = view.base !== null && timeline.newest >= view.base.head;
  const { showAbove } = scroll;
  useLayoutEffect(() => {
    if (!settled || opened.current) return;
    opened.current = true;
    if (view.lineAfter !== null) showAbove('[data-row="unread"]', view.lineAfter);
  }, [settled, view.lineAfter, showAbove]);

  const jump = useCallback(
    async (seq: number) => {
      if (!(await store.reach(seq))) return;
      setFlashed(seq);
      setTimeout(() => setFlashed((now) => (now === seq ? null : now)), FLASH_MS);
      requestAnimationFrame(() => {
        const row = document.getElementById(`message-${seq}`);
        row?.scrollIntoView({ block: "center" });
        row?.focus({ preventScroll: true });
      });
    },
    [store],
  );

  const messageKeys = rows.flatMap((row) => (row.kind === "message" ? [row.key] : []));
  const stop = focused !== null && messageKeys.includes(focused) ? focused : messageKeys.at(-1);
  const below = atBottom ? 0 : timeline.order.filter((seq) => seq > scroll.leftAt && !isOwn(seq)).length;

  function isOwn(seq: number): boolean {
    return timeline.messages.get(seq)?.userId === session.user;
  }

  const nothing = messageKeys.length === 0;
  return (
    <>
      <div
        ref={scroll.scroller}
        className="messages"
        role="log"
        aria-live="polite"
        aria-label={strings.messagesIn(roomTitle(view.roomId))}
        aria-busy={view.history === "loading" || view.status === "joining"}
        onScroll={scroll.onScroll}
        onMouseLeave={() => setHovered(null)}
        onKeyDown={moveFocus}
      >
        <div ref={scroll.content} className="messages-content">
          <div className="history">
            {view.history === "loading" ? <span className="muted">{strings.loadingHistory}</span> : null}
            {view.history === "failed" ? (
              <>
                <Icon name="warning" size={16} /> {strings.historyFailed}{" "}
                <button type="button" className="button small" onClick={loadEarlier}>
                  {strings.retry}
                </button>
              </>
            ) : null}
          </div>
          {nothing ? <EmptyRoom view={view} offline={status === "closed" || status === "waiting"} /> : null}
          {rows.map((row) => {
            if (row.kind === "message") {
              return (
                <MessageItem
                  key={row.key}
                  row={row}
                  store={store}
                  people={people}
                  me={session.user}
                  locale={locale}
                  strings={strings}
                  active={row.key === hovered || row.key === focused}
                  stop={row.key === stop}
                  flashed={flashed !== null && row.message.seq === flashed}
                  onHover={setHovered}
                  onFocused={setFocused}
                  onMode={onMode}
                  onJump={jump}
                />
              );
            }
            if (row.kind === "day") return <DayLine key={row.key} at={row.at} />;
            if (row.kind === "lost") return <LostLine key={row.key} stretch={row.stretch} />;
            if (row.kind === "unread") {
              return (
                <p key={row.key} className="unread-line" data-row="unread">
                  <span>{strings.unreadLine}</span>
                </p>
              );
            }
            return nothing ? (
              <Fragment key={row.key} />
            ) : (
              <p key={row.key} className="beginning">
                {strings.beginning}
              </p>
            );
          })}
        </div>
      </div>
      {atBottom ? null : (
        <button type="button" className="button jump" onClick={toLatest}>
          <Icon name="down" size={16} />
          {below > 0 ? strings.newBelow(below) : strings.jumpToLatest}
        </button>
      )}
    </>
  );
}

function EmptyRoom({ view, offline }: { view: RoomView; offline: boolean }) {
  const strings = useStrings();
  if (view.status === "refused") {
    return (
      <p className="empty" role="alert">
        <Icon name="warning" /> {strings.joinFailed(view.error ?? "")}
      </p>
    );
  }
  if (view.status === "joining")
    return <p className="empty muted">{offline ? strings.offlineEmpty : strings.joining}</p>;
  if (!view.timeline.complete) return null;
  return (
    <div className="empty">
      <p className="empty-title">{strings.noMessages}</p>
      <p className="muted">{strings.noMessagesText}</p>
    </div>
  );
}

/** What stands at the bottom of a visible window is read. */
function useWatching(store: RoomStore, atBottom: boolean): void {
  useEffect(() => {
    const tell = (): void => store.watch(atBottom && document.visibilityState === "visible");
    tell();
    document.addEventListener("visibilitychange", tell);
    return () => document.removeEventListener("visibilitychange", tell);
  }, [store, atBottom]);
}

/** Arrow keys go from message to message; only one of them is a tab stop. */
function moveFocus(event: React.KeyboardEvent<HTMLElement>): void {
  const row = event.target;
  if (!(row instanceof HTMLElement) || !row.classList.contains("message")) return;
  const rows = [...event.currentTarget.querySelectorAll<HTMLElement>(".message")];
  const at = rows.indexOf(row);
  const to = { ArrowUp: at - 1, ArrowDown: at + 1, Home: 0, End: rows.length - 1 }[event.key];
  if (to === undefined) return;
  event.preventDefault();
  rows[to]?.focus();
}
