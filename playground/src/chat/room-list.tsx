import { type FormEvent, useId, useRef, useState } from "react";
import { formatHash } from "../shell/hash-route.ts";
import { Icon } from "../shell/icon.tsx";
import { useStrings } from "../shell/language.ts";
import type { Strings } from "../strings.ts";
import { LOBBY, type RoomSummary } from "./chat-hub.ts";
import { type RoomNameFault, readRoomName } from "./room-name.ts";

/** The rooms of this user with what is unread in them, and the way into another. */
export function RoomList(props: {
  rooms: readonly RoomSummary[];
  current: string;
  onOpen: (roomId: string) => void;
  onLeave: (roomId: string) => void;
}) {
  const { rooms, current, onOpen, onLeave } = props;
  const nav = useRef<HTMLElement>(null);
  const strings = useStrings();
  return (
    <div className="rooms">
      <h2 id="rooms-title">{strings.rooms}</h2>
      <nav aria-labelledby="rooms-title" className="room-nav" ref={nav}>
        <ul>
          {rooms.map((room) => (
            <li key={room.roomId} className="room-row">
              <a
                className="room-link"
                href={formatHash("chat", room.roomId.slice("chat:".length))}
                aria-current={room.roomId === current ? "page" : undefined}
                data-unread={room.unread > 0}
              >
                <span className="room-hash" aria-hidden="true">
                  #
                </span>
                <span className="room-title">{room.title}</span>
                <RoomBadges room={room} />
              </a>
              {room.roomId === LOBBY ? null : (
                <button
                  type="button"
                  className="icon-button room-leave"
                  aria-label={strings.leaveRoom(room.title)}
                  title={strings.leaveRoom(room.title)}
                  onClick={() => {
                    // The button goes with its room; the keyboard goes on from the lobby.
                    nav.current?.querySelector("a")?.focus();
                    onLeave(room.roomId);
                  }}
                >
                  <Icon name="close" size={14} />
                </button>
              )}
            </li>
          ))}
        </ul>
      </nav>
      <JoinRoom onOpen={onOpen} />
    </div>
  );
}

function RoomBadges({ room }: { room: RoomSummary }) {
  const strings = useStrings();
  return (
    <>
      {room.mentions > 0 ? (
        <span className="badge mention" title={strings.mentionCount(room.mentions)}>
          <span aria-hidden="true">@{short(room.mentions)}</span>
          <span className="hidden">{strings.mentionCount(room.mentions)}</span>
        </span>
      ) : null}
      {room.unread > 0 ? (
        <span className="badge" title={strings.unreadCount(room.unread)}>
          <span aria-hidden="true">{short(room.unread)}</span>
          <span className="hidden">{strings.unreadCount(room.unread)}</span>
        </span>
      ) : null}
    </>
  );
}

function JoinRoom({ onOpen }: { onOpen: (roomId: string) => void }) {
  const strings = useStrings();
  const [name, setName] = useState("");
  const [fault, setFault] = useState<RoomNameFault | null>(null);
  const fieldId = useId();
  const errorId = useId();
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    const read = readRoomName(name);
    if ("fault" in read) {
      setFault(read.fault);
      return;
    }
    setFault(null);
    setName("");
    onOpen(read.roomId);
  };
  return (
    <form className="join-room" onSubmit={submit} noValidate>
      <label className="field-label" htmlFor={fieldId}>
        {strings.joinRoom}
      </label>
      <div className="field-row">
        <input
          id={fieldId}
          className="field"
          value={name}
          placeholder={strings.joinRoomPlaceholder}
          autoComplete="off"
          aria-invalid={fault !== null}
          aria-describedby={fault === null ? undefined : errorId}
          onChange={(event) => {
            setName(event.target.value);
            setFault(null);
          }}
        />
        <button type="submit" className="icon-button framed" aria-label={strings.join} title={strings.join}>
          <Icon name="plus" />
        </button>
      </div>
      <p className="field-error" id={errorId} role="alert">
        {fault === null ? null : explain(fault, strings)}
      </p>
    </form>
  );
}

function explain(fault: RoomNameFault, strings: Strings): string {
  const words: Record<RoomNameFault, string> = {
    empty: strings.roomNameEmpty,
    namespace: strings.roomNameSpace,
    characters: strings.roomNameBad,
    long: strings.roomNameLong,
  };
  return words[fault];
}

function short(count: number): string {
  return count > 99 ? "99+" : String(count);
}
