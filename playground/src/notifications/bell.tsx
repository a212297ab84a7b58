import { use, useCallback, useEffect, useId, useRef, useState } from "react";
import { useStore } from "../chat/use-store.ts";
import { useConnection } from "../connection/client-context.tsx";
import { formatHash, useRoute } from "../shell/hash-route.ts";
import { Icon } from "../shell/icon.tsx";
import { LanguageContext } from "../shell/language.ts";
import { Badge } from "./badge.tsx";
import { InboxList } from "./inbox-list.tsx";
import { ownInbox } from "./own-inbox.ts";
import { NOTIFICATION_STRINGS } from "./strings.ts";
import { Toaster } from "./toaster.tsx";
import "./notifications.css";

/** The bell of the header: the badge of what is unseen, the inbox below it, and toasts of what comes. */
export function Bell() {
  const { language } = use(LanguageContext);
  const strings = NOTIFICATION_STRINGS[language];
  const connection = useConnection();
  const { store, toasts } = ownInbox(connection);
  const { status } = useStore(connection.store);
  const view = useStore(store);
  const [isOpen, setOpen] = useState(false);
  const button = useRef<HTMLButtonElement>(null);
  const panel = useRef<HTMLDivElement>(null);
  const panelId = useId();
  const titleId = useId();
  const { page, rest } = useRoute();

  const close = useCallback(() => setOpen(false), []);
  // biome-ignore lint/correctness/useExhaustiveDependencies: whoever goes to another page is done with this.
  useEffect(close, [page, rest, close]);

  // While it is looked at, what comes is seen.
  useEffect(() => {
    if (!isOpen || view.unseen === 0) return;
    store.markSeen();
    toasts.clear();
  }, [isOpen, view.unseen, store, toasts]);

  useEffect(
    () =>
      store.onNew((item) => {
        if (!isOpen) toasts.add(item.id, item);
      }),
    [store, toasts, isOpen],
  );

  useEffect(() => {
    if (!isOpen) return;
    panel.current?.focus();
    const onKey = (event: KeyboardEvent): void => {
      if (event.key !== "Escape") return;
      setOpen(false);
      button.current?.focus();
    };
    const onPointer = (event: PointerEvent): void => {
      const target = event.target as Node;
      if (!panel.current?.contains(target) && !button.current?.contains(target)) setOpen(false);
    };
    document.addEventListener("keydown", onKey);
    document.addEventListener("pointerdown", onPointer);
    return () => {
      document.removeEventListener("keydown", onKey);
      document.removeEventListener("pointerdown", onPointer);
    };
  }, [isOpen]);

  const label = strings.bell(view.unseen);
  return (
    <div className="bell">
      <button
        ref={button}
        type="button"
        className="icon-button"
        aria-label={label}
        title={label}
        aria-haspopup="dialog"
        aria-expanded={isOpen}
        aria-controls={isOpen ? panelId : undefined}
        onClick={() => setOpen(!isOpen)}
      >
        <Icon name="bell" />
        <Badge count={view.unseen} />
      </button>
      {isOpen ? (
        <div ref={panel} id={panelId} className="bell-panel" role="dialog" aria-labelledby={titleId} tabIndex={-1}>
          <header className="bell-head">
            <h2 id={titleId}>{strings.title}</h2>
            <span className="muted bell-count">{view.status === "ready" ? strings.unreadCount(view.unread) : ""}</span>
            <button
              type="button"
              className="button small"
              disabled={view.unread === 0}
              onClick={() => store.mark("read", { all: true })}
            >
              <Icon name="checks" size={14} />
              {strings.markAllRead}
            </button>
            <button
              type="button"
              className="icon-button bell-close"
              aria-label={strings.close}
              onClick={() => {
                setOpen(false);
                button.current?.focus();
              }}
            >
              <Icon name="close" size={16} />
            </button>
          </header>
          <InboxList store={store} isOnline={status === "connected"} label={strings.list} onOpen={close} />
          <footer className="bell-foot">
            <a href={formatHash("notifications")} onClick={close}>
              {strings.openPage}
            </a>
          </footer>
        </div>
      ) : null}
      <Toaster toasts={toasts} store={store} strings={strings} />
    </div>
  );
}
