import { type ReactNode, useEffect, useMemo, useRef, useState } from "react";
import { useConnection } from "../connection/client-context.tsx";
import { ConnectionBanner } from "../connection/connection-banner.tsx";
import { useStrings } from "../shell/language.ts";
import { Composer } from "./composer.tsx";
import type { ChatMessage, Person } from "./message.ts";
import { MessageList, type MessageListHandle } from "./message-list.tsx";
import type { RoomStore } from "./room-store.ts";
import { roomTitle } from "./room-view.ts";
import { buildRows } from "./rows.ts";
import { lastOwnMessage } from "./timeline.ts";
import { TypingLine } from "./typing-line.tsx";
import { firstUnread } from "./unread.ts";
import { useStore } from "./use-store.ts";

/** What the composer is about, besides a plain new message. */
export type ComposerMode = { readonly kind: "reply" | "edit"; readonly message: ChatMessage } | null;

/** One room: its name, its messages, who is typing, and the composer. `children` are the buttons beside the name. */
export function Conversation({ store, children }: { store: RoomStore; children: ReactNode }) {
  const strings = useStrings();
  const { session } = useConnection();
  const view = useStore(store);
  const [mode, setMode] = useState<ComposerMode>(null);
  const list = useRef<MessageListHandle>(null);
  const title = roomTitle(view.roomId);
  const { timeline, pending, read, lineAfter, names } = view;

  const rows = useMemo(
    () =>
      buildRows({
        timeline,
        pending,
        read,
        unreadAt: lineAfter === null ? null : firstUnread(timeline, lineAfter, session.user),
        userId: session.user,
        userName: session.name,
      }),
    [timeline, pending, read, lineAfter, session],
  );
  const people = useMemo<readonly Person[]>(() => {
    const known = new Map<string, string>([...names, ...view.people.map((one) => [one.userId, one.userName] as const)]);
    known.set(session.user, session.name);
    return [...known].map(([userId, userName]) => ({ userId, userName }));
  }, [names, view.people, session]);

  useEffect(() => () => store.watch(false), [store]);

  const editLast = (): void => {
    const last = lastOwnMessage(timeline, session.user);
    if (last !== null) setMode({ kind: "edit", message: last });
  };
  const send = (content: string, mentions: readonly string[]): void => {
    if (mode?.kind === "edit") {
      if (content !== mode.message.content) store.edit(mode.message.seq, content);
    } else {
      store.say(content, mode?.message.seq ?? null, mentions);
      list.current?.toLatest();
    }
    setMode(null);
  };

  return (
    <main className="conversation" id="main" tabIndex={-1}>
      <header className="conversation-head">
        <h1>
          <span className="room-hash" aria-hidden="true">
            #
          </span>
          {title}
        </h1>
        <span className="muted conversation-count">
          {view.peopleCount > 0 ? strings.peopleHere(view.peopleCount) : ""}
        </span>
        {children}
      </header>
      <div className="conversation-body">
        <ConnectionBanner />
        <MessageList ref={list} store={store} view={view} rows={rows} people={people} onMode={setMode} />
      </div>
      <TypingLine typing={view.typing} me={session.user} />
      <Composer
        key={mode === null ? "new" : `${mode.kind}-${mode.message.seq}`}
        room={view.roomId}
        mode={mode}
        people={people.filter((one) => one.userId !== session.user)}
        disabled={view.status === "refused"}
        onSend={send}
        onTyping={(active) => store.typing(active)}
        onEditLast={editLast}
        onCancel={() => setMode(null)}
      />
    </main>
  );
}
