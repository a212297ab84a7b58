import { type MouseEvent, type ReactNode, use, useRef } from "react";
import { useStore } from "../chat/use-store.ts";
import { Icon, type IconName } from "../shell/icon.tsx";
import { LanguageContext, localeOf } from "../shell/language.ts";
import { type Filter, filterKey, type InboxItem } from "./inbox.ts";
import type { InboxStore, InboxView } from "./inbox-store.ts";
import { destinationOf } from "./safe-url.ts";
import { NOTIFICATION_STRINGS, type NotificationStrings } from "./strings.ts";
import { timeAgo } from "./time-ago.ts";
import { useNow } from "./use-now.ts";

const NOW_EVERY_MS = 15_000;

/** An inbox: what it holds, newest first, with everything one can do to it. `label` names the list. */
export function InboxList(props: { store: InboxStore; isOnline: boolean; label: string; onOpen?: () => void }) {
  const { store, isOnline, label, onOpen } = props;
  const { language } = use(LanguageContext);
  const strings = NOTIFICATION_STRINGS[language];
  const view = useStore(store);
  return (
    <div className="inbox">
      {isOnline ? null : (
        <p className="inbox-offline" role="status">
          <Icon name="cut" size={14} />
          {strings.offline}
        </p>
      )}
      <Filters store={store} view={view} strings={strings} />
      <Items store={store} view={view} isOnline={isOnline} label={label} strings={strings} onOpen={onOpen} />
      <UndoBar store={store} count={view.undoable.length} strings={strings} />
    </div>
  );
}

function Filters({ store, view, strings }: { store: InboxStore; view: InboxView; strings: NotificationStrings }) {
  const filters: [Filter, string][] = [
    [{ kind: "all" }, strings.all],
    [{ kind: "unread" }, strings.unread],
    ...view.categories.map((category): [Filter, string] => [{ kind: "category", category }, category]),
  ];
  return (
    <fieldset className="inbox-filters">
      <legend className="hidden">{strings.filters}</legend>
      {filters.map(([filter, name]) => (
        <button
          key={filterKey(filter)}
          type="button"
          className="filter"
          aria-pressed={filterKey(filter) === filterKey(view.filter)}
          onClick={() => store.look(filter)}
        >
          {name}
        </button>
      ))}
    </fieldset>
  );
}

function Items(props: {
  store: InboxStore;
  view: InboxView;
  isOnline: boolean;
  label: string;
  strings: NotificationStrings;
  onOpen: (() => void) | undefined;
}) {
  const { store, view, isOnline, label, strings, onOpen } = props;
  const now = useNow(NOW_EVERY_MS);
  const list = useRef<HTMLDivElement>(null);

  /** What is done to a row may take it off the list; the keyboard goes on from the one beside it. */
  const act = (event: MouseEvent<HTMLElement>, run: () => void): void => {
    const row = event.currentTarget.closest("li");
    const tool = event.currentTarget.dataset.tool ?? "";
    const beside = row?.nextElementSibling ?? row?.previousElementSibling ?? null;
    run();
    requestAnimationFrame(() => {
      if (row?.isConnected === true) return;
      const control = beside?.querySelector<HTMLElement>(`[data-tool="${tool}"]`) ?? list.current;
      control?.focus();
    });
  };

  if (view.status === "failed") {
    return (
      <Notice icon="warning" title={strings.failed}>
        <button type="button" className="button small" onClick={() => void store.reload()}>
          {strings.retry}
        </button>
      </Notice>
    );
  }
  const isLoading = view.status === "loading" || (view.items.length === 0 && view.page === "loading");
  if (isLoading) return isOnline ? <Skeleton label={strings.loading} /> : <div className="inbox-items" />;
  return (
    <div className="inbox-items" ref={list} tabIndex={-1}>
      {view.items.length === 0 && !view.more ? <Empty filter={view.filter} strings={strings} /> : null}
      <ul aria-label={label}>
        {view.items.map((item) => (
          <Row key={item.id} item={item} now={now} store={store} strings={strings} act={act} onOpen={onOpen} />
        ))}
      </ul>
      {view.more ? <More store={store} page={view.page} strings={strings} /> : null}
    </div>
  );
}

function Row(props: {
  item: InboxItem;
  now: number;
  store: InboxStore;
  strings: NotificationStrings;
  act: (event: MouseEvent<HTMLElement>, run: () => void) => void;
  onOpen: (() => void) | undefined;
}) {
  const { item, now, store, strings, act, onOpen } = props;
  const { language } = use(LanguageContext);
  const locale = localeOf(language);
  const ids = [item.id];
  const toggle = item.read ? strings.markUnread(item.title) : strings.markRead(item.title);
  return (
    <li className="note" data-read={item.read} data-seen={item.seen} data-seq={item.seq}>
      <span className="note-dot" aria-hidden="true" />
      <div className="note-main">
        <p className="note-title">
          {item.read ? null : <span className="hidden">{`${strings.unreadMark}: `}</span>}
          <NotificationLink
            item={item}
            onOpen={() => {
              if (!item.read) store.mark("read", { ids });
              onOpen?.();
            }}
          />
        </p>
        {item.body === "" ? null : <p className="note-body">{item.body}</p>}
        <p className="note-meta">
          <time dateTime={new Date(item.at).toISOString()} title={new Date(item.at).toLocaleString(locale)}>
            {timeAgo(item.at, now, locale, strings.justNow)}
          </time>
          {item.category === null ? null : <span className="note-category">{item.category}</span>}
          <span className="note-type">{item.type}</span>
        </p>
      </div>
      <div className="note-tools">
        <button
          type="button"
          className="icon-button"
          data-tool="read"
          aria-label={toggle}
          title={toggle}
          onClick={(event) => act(event, () => store.mark(item.read ? "unread" : "read", { ids }))}
        >
          <Icon name={item.read ? "dot" : "check"} size={16} />
        </button>
        <button
          type="button"
          className="icon-button"
          data-tool="archive"
          aria-label={strings.archive(item.title)}
          title={strings.archive(item.title)}
          onClick={(event) => act(event, () => store.archive(item))}
        >
          <Icon name="archive" size={16} />
        </button>
      </div>
    </li>
  );
}

/** The title of a notification, as a link where it leads somewhere. */
export function NotificationLink({ item, onOpen }: { item: InboxItem; onOpen: () => void }) {
  const destination = destinationOf(item.url);
  if (destination === null) return <span>{item.title}</span>;
  if (destination.kind === "page") {
    return (
      <a href={destination.hash} onClick={onOpen}>
        {item.title}
      </a>
    );
  }
  return (
    <a href={destination.href} target="_blank" rel="noopener noreferrer" onClick={onOpen}>
      {item.title}
      <Icon name="open" size={13} />
    </a>
  );
}

function More({ store, page, strings }: { store: InboxStore; page: InboxView["page"]; strings: NotificationStrings }) {
  return (
    <div className="inbox-more">
      {page === "failed" ? (
        <p className="field-error" role="alert">
          <Icon name="warning" size={16} />
          {strings.moreFailed}
        </p>
      ) : null}
      <button
        type="button"
        className="button small"
        aria-busy={page === "loading"}
        onClick={() => void store.loadMore()}
      >
        {page === "loading" ? strings.loadingMore : page === "failed" ? strings.retry : strings.loadMore}
      </button>
    </div>
  );
}

function Empty({ filter, strings }: { filter: Filter; strings: NotificationStrings }) {
  if (filter.kind === "unread") {
    return (
      <Notice icon="checks" title={strings.emptyUnread}>
        {strings.emptyUnreadText}
      </Notice>
    );
  }
  if (filter.kind === "category") return <Notice icon="bell" title={strings.emptyCategory} />;
  return (
    <Notice icon="bell" title={strings.empty}>
      {strings.emptyText}
    </Notice>
  );
}

function Notice({ icon, title, children }: { icon: IconName; title: string; children?: ReactNode }) {
  return (
    <div className="inbox-notice" role={icon === "warning" ? "alert" : undefined}>
      <Icon name={icon} size={28} />
      <strong>{title}</strong>
      {children === undefined ? null : <div className="muted">{children}</div>}
    </div>
  );
}

function Skeleton({ label }: { label: string }) {
  return (
    <div className="inbox-items" role="status">
      <span className="hidden">{label}</span>
      {[1, 2, 3].map((row) => (
        <div key={row} className="note skeleton" aria-hidden="true">
          <span className="note-dot" />
          <div className="note-main">
            <span className="skeleton-line" style={{ inlineSize: `${70 - row * 9}%` }} />
            <span className="skeleton-line" style={{ inlineSize: `${96 - row * 7}%` }} />
          </div>
        </div>
      ))}
    </div>
  );
}

function UndoBar({ store, count, strings }: { store: InboxStore; count: number; strings: NotificationStrings }) {
  return (
    <div className="undo" role="status" data-shown={count > 0}>
      {count === 0 ? null : (
        <>
          <span>{strings.archived(count)}</span>
          <button type="button" className="button small" onClick={() => store.undo()}>
            {strings.undo}
          </button>
        </>
      )}
    </div>
  );
}
