import { memo } from "react";
import { Avatar } from "../shell/avatar.tsx";
import { Icon } from "../shell/icon.tsx";
import type { Strings } from "../strings.ts";
import type { ComposerMode } from "./conversation.tsx";
import { DeliveryMark } from "./delivery-mark.tsx";
import type { Person } from "./message.ts";
import { MessageContent } from "./message-content.tsx";
import { MessageTools } from "./message-tools.tsx";
import { Reactions } from "./reaction.tsx";
import type { RoomStore } from "./room-store.ts";
import type { MessageRow } from "./rows.ts";

/** What a message in the list is given. */
export interface MessageItemProps {
  readonly row: MessageRow;
  readonly store: RoomStore;
  readonly people: readonly Person[];
  readonly me: string;
  readonly locale: string;
  readonly strings: Strings;
  /** Whether it is pointed at or has the focus: its tools show. */
  readonly active: boolean;
  /** Whether it is the list's tab stop. */
  readonly stop: boolean;
  readonly flashed: boolean;
  readonly onHover: (key: string) => void;
  readonly onFocused: (key: string | null) => void;
  readonly onMode: (mode: ComposerMode) => void;
  readonly onJump: (seq: number) => void;
}

/** One message: who, when, what, and what became of it. Drawn again only when something of it changed. */
export const MessageItem = memo(function MessageItem(props: MessageItemProps) {
  const { row, store, people, me, locale, strings, active, stop, flashed, onHover, onFocused, onMode, onJump } = props;
  const { message, own, first, key } = row;
  const time = timeFormat(locale).format(message.at);
  const nameOf = (userId: string): string => people.find((one) => one.userId === userId)?.userName ?? userId;
  const author = nameOf(message.userId) || message.userName || strings.someone;
  const mentioned = !own && message.mentions.includes(me) && !message.deleted;
  const blur = (event: React.FocusEvent<HTMLElement>): void => {
    if (!event.currentTarget.contains(event.relatedTarget)) onFocused(null);
  };
  return (
    <article
      id={message.seq > 0 ? `message-${message.seq}` : undefined}
      className="message"
      data-first={first}
      data-own={own}
      data-mention={mentioned}
      data-flash={flashed}
      data-seq={message.seq}
      data-delivery={row.delivery ?? undefined}
      aria-label={`${author}, ${time}`}
      tabIndex={stop ? 0 : -1}
      onMouseEnter={() => onHover(key)}
      onPointerUp={(event) => event.pointerType === "touch" && onHover(key)}
      onFocus={() => onFocused(key)}
      onBlur={blur}
    >
      <div className="message-gutter">
        {first ? (
          <Avatar id={message.userId} name={author} />
        ) : (
          <time className="message-time" dateTime={new Date(message.at).toISOString()}>
            {time}
          </time>
        )}
      </div>
      <div className="message-main">
        {first ? (
          <p className="message-head">
            <span className="message-author">{author}</span>
            {own ? <span className="muted message-you">({strings.you})</span> : null}
            <time className="message-time" dateTime={new Date(message.at).toISOString()}>
              {time}
            </time>
          </p>
        ) : null}
        {message.replyTo === null || message.deleted ? null : (
          <Quote row={row} strings={strings} nameOf={nameOf} onJump={onJump} />
        )}
        <div className="message-line">
          {message.deleted ? (
            <p className="message-text deleted">
              <Icon name="trash" size={14} /> {strings.deletedMessage}
            </p>
          ) : (
            <MessageContent message={message} people={people} me={me} />
          )}
          {row.delivery === null || row.delivery === "failed" ? null : <DeliveryMark delivery={row.delivery} />}
        </div>
        {message.deleted || message.seq === 0 ? null : (
          <Reactions
            message={message}
            me={me}
            nameOf={nameOf}
            onReact={(emoji, added) => store.react(message.seq, emoji, added)}
          />
        )}
        {row.pending?.state === "failed" ? (
          <p className="failed" role="alert">
            <Icon name="warning" size={14} />
            <span className="failed-reason">{strings.failedBecause(row.pending.error ?? "")}</span>
            <button type="button" className="button small" onClick={() => store.retry(row.pending?.messageId ?? "")}>
              {strings.retry}
            </button>
            <button type="button" className="button small" onClick={() => store.discard(row.pending?.messageId ?? "")}>
              {strings.discard}
            </button>
          </p>
        ) : null}
      </div>
      <Readers row={row} strings={strings} nameOf={nameOf} />
      {active && message.seq > 0 && !message.deleted ? (
        <MessageTools message={message} own={own} me={me} store={store} onMode={onMode} />
      ) : null}
    </article>
  );
}, sameMessage);

const timeFormats = new Map<string, Intl.DateTimeFormat>();

/** Making a format is slow; every message needs the same one. */
function timeFormat(locale: string): Intl.DateTimeFormat {
  const format = timeFormats.get(locale) ?? new Intl.DateTimeFormat(locale, { hour: "numeric", minute: "2-digit" });
  timeFormats.set(locale, format);
  return format;
}

function Quote(props: {
  row: MessageRow;
  strings: Strings;
  nameOf: (userId: string) => string;
  onJump: (seq: number) => void;
}) {
  const { row, strings, nameOf, onJump } = props;
  const { quoted, message } = row;
  const author = quoted === null ? null : nameOf(quoted.userId);
  const words = quoted === null ? "" : quoted.deleted ? strings.deletedMessage : quoted.content;
  return (
    <button
      type="button"
      className="quote"
      title={strings.jumpToQuoted}
      onClick={() => message.replyTo !== null && onJump(message.replyTo)}
    >
      <Icon name="reply" size={14} />
      <span className="quote-author">{author === null ? strings.replyGone : author}</span>
      <span className="quote-text">{words}</span>
      <span className="hidden">{author === null ? "" : strings.repliesTo(author)}</span>
    </button>
  );
}

const READERS_SHOWN = 4;

function Readers(props: { row: MessageRow; strings: Strings; nameOf: (userId: string) => string }) {
  const { row, strings, nameOf } = props;
  if (row.readers.length === 0) return <span className="readers" />;
  const label = strings.readBy(row.readers.map(nameOf).join(", "));
  return (
    <span className="readers" role="img" aria-label={label} title={label}>
      {row.readers.slice(0, READERS_SHOWN).map((userId) => (
        <Avatar key={userId} id={userId} name={nameOf(userId)} size={16} />
      ))}
      {row.readers.length > READERS_SHOWN ? <span className="muted">+{row.readers.length - READERS_SHOWN}</span> : null}
    </span>
  );
}

function sameMessage(before: MessageItemProps, after: MessageItemProps): boolean {
  const { row: a, ...restA } = before;
  const { row: b, ...restB } = after;
  const names = Object.keys(restA) as (keyof typeof restA)[];
  return (
    names.every((name) => restA[name] === restB[name]) &&
    a.key === b.key &&
    a.message === b.message &&
    a.first === b.first &&
    a.delivery === b.delivery &&
    a.pending?.state === b.pending?.state &&
    a.pending?.messageId === b.pending?.messageId &&
    a.quoted === b.quoted &&
    a.readers.join() === b.readers.join()
  );
}
