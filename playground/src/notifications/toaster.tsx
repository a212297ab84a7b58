import { useEffect } from "react";
import { useStore } from "../chat/use-store.ts";
import { Icon } from "../shell/icon.tsx";
import type { InboxItem } from "./inbox.ts";
import { NotificationLink } from "./inbox-list.tsx";
import type { InboxStore } from "./inbox-store.ts";
import type { NotificationStrings } from "./strings.ts";
import type { ToastStore } from "./toast-store.ts";

/** Shows what has just come, for a while. Read out politely; time stands still under the pointer and under the focus. */
export function Toaster(props: { toasts: ToastStore<InboxItem>; store: InboxStore; strings: NotificationStrings }) {
  const { toasts, store, strings } = props;
  const shown = useStore(toasts);
  const { items } = useStore(store);

  // What was read, archived or has expired meanwhile, here or elsewhere, is no news any more.
  useEffect(() => {
    for (const { id } of shown) {
      const item = items.find((one) => one.id === id);
      if (item?.read === true) toasts.remove(id);
    }
  }, [items, shown, toasts]);

  return (
    <section className="toasts" aria-label={strings.newOnes} aria-live="polite" aria-relevant="additions">
      {/* biome-ignore lint/a11y/noStaticElementInteractions: reading a toast must not make it go. */}
      <div
        className="toast-stack"
        onPointerEnter={() => toasts.hold()}
        onPointerLeave={() => toasts.release()}
        onFocus={() => toasts.hold()}
        onBlur={() => toasts.release()}
      >
        {shown.map(({ id, content }) => (
          <div key={id} className="toast" data-toast={id}>
            <Icon name="bell" size={18} />
            <div className="toast-main">
              <p className="toast-title">
                <NotificationLink
                  item={content}
                  onOpen={() => {
                    store.mark("read", { ids: [id] });
                    toasts.remove(id);
                  }}
                />
              </p>
              {content.body === "" ? null : <p className="toast-body">{content.body}</p>}
            </div>
            <button
              type="button"
              className="icon-button"
              aria-label={strings.dismiss}
              title={strings.dismiss}
              onClick={() => {
                toasts.remove(id);
                toasts.release();
              }}
            >
              <Icon name="close" size={14} />
            </button>
          </div>
        ))}
      </div>
    </section>
  );
}
