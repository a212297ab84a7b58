import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import { useConnection } from "../connection/client-context.tsx";
import { ConnectionPanel } from "../connection/connection-panel.tsx";
import { formatHash } from "../shell/hash-route.ts";
import { Icon } from "../shell/icon.tsx";
import { useStrings } from "../shell/language.ts";
import type { PageProps } from "../shell/pages.tsx";
import { ChatHub, LOBBY } from "./chat-hub.ts";
import { Conversation } from "./conversation.tsx";
import { Drawer } from "./drawer.tsx";
import { PeoplePanel } from "./people-panel.tsx";
import { RoomList } from "./room-list.tsx";
import { readRoomName } from "./room-name.ts";
import { roomTitle } from "./room-view.ts";
import { useStore } from "./use-store.ts";

const hubs = new WeakMap<object, ChatHub>();

/** The chat: rooms, the conversation, and who is here. */
export function ChatPage({ rest }: PageProps) {
  const strings = useStrings();
  const { client, session, store: connection } = useConnection();
  const hub = useMemo(() => {
    // One hub per client, so that turning to another page and back does not join anew.
    const known = hubs.get(client) ?? new ChatHub(client, session.user, connection);
    hubs.set(client, known);
    return known;
  }, [client, session.user, connection]);
  const wanted = readRoomName(rest);
  const roomId = "roomId" in wanted ? wanted.roomId : LOBBY;
  const store = useMemo(() => hub.room(roomId), [hub, roomId]);
  const rooms = useStore(hub);
  const view = useStore(store);
  const [drawer, setDrawer] = useState<"rooms" | "details" | null>(null);
  const entered = useRef<{ roomId: string; isFromDrawer: boolean } | null>(null);
  const close = useCallback(() => setDrawer(null), []);
  const unread = rooms.reduce((sum, room) => sum + room.unread, 0);
  const unreadElsewhere = rooms.some((room) => room.roomId !== roomId && room.unread > 0);

  // biome-ignore lint/correctness/useExhaustiveDependencies: another room closes the drawer it was chosen in.
  useEffect(() => setDrawer(null), [roomId]);

  // Whoever enters a room wants to write there. From a drawer, a keyboard over half the screen would be too much.
  useEffect(() => {
    if (entered.current?.roomId !== roomId || drawer !== null) return;
    if (entered.current.isFromDrawer) document.getElementById("main")?.focus();
    else toComposer();
    entered.current = null;
  }, [roomId, drawer]);

  return (
    <div className="chat">
      <title>{`${unread > 0 ? `(${unread}) ` : ""}#${roomTitle(roomId)} · ${strings.appName}`}</title>
      <Drawer side="start" label={strings.rooms} open={drawer === "rooms"} onClose={close}>
        <RoomList
          rooms={rooms}
          current={roomId}
          onOpen={(id) => {
            window.location.hash = formatHash("chat", id.slice("chat:".length));
            if (id === roomId) toComposer();
            else entered.current = { roomId: id, isFromDrawer: drawer !== null };
          }}
          onLeave={(id) => {
            if (id === roomId) window.location.hash = formatHash("chat", LOBBY.slice("chat:".length));
            hub.leave(id);
          }}
        />
      </Drawer>
      <Conversation key={roomId} store={store}>
        <button
          type="button"
          className="icon-button only-narrow"
          aria-label={strings.openRooms}
          aria-expanded={drawer === "rooms"}
          onClick={() => setDrawer("rooms")}
        >
          <Icon name="menu" />
          {unreadElsewhere ? <span className="menu-dot" aria-hidden="true" /> : null}
        </button>
        <button
          type="button"
          className="icon-button only-not-wide conversation-details"
          aria-label={strings.details}
          title={strings.details}
          aria-expanded={drawer === "details"}
          onClick={() => setDrawer("details")}
        >
          <Icon name="people" />
        </button>
      </Conversation>
      <Drawer side="end" label={strings.details} open={drawer === "details"} onClose={close}>
        <PeoplePanel people={view.people} count={view.peopleCount} typing={view.typing} me={session.user} />
        <ConnectionPanel cursor={view.cursor} waiting={view.pending.filter((send) => send.state !== "acked").length} />
      </Drawer>
    </div>
  );
}

function toComposer(): void {
  document.querySelector<HTMLElement>("textarea.composer-field")?.focus();
}
