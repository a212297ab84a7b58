import { type ReactNode, useEffect, useRef } from "react";
import { Icon } from "../shell/icon.tsx";
import { useStrings } from "../shell/language.ts";

/** From which width on each is a column; the style sheet says the same. */
const COLUMN_FROM = { start: "(min-width: 641px)", end: "(min-width: 1001px)" } as const;

/** A column beside the conversation where there is room for it; else a sheet that slides over it while `open`. `onClose` must be stable. */
export function Drawer(props: {
  side: "start" | "end";
  label: string;
  open: boolean;
  onClose: () => void;
  children: ReactNode;
}) {
  const { side, label, open, onClose, children } = props;
  const strings = useStrings();
  const sheet = useRef<HTMLElement>(null);

  useEffect(() => {
    if (!open) return;
    const before = document.activeElement;
    const beneath = document.querySelectorAll<HTMLElement>(".header, .conversation");
    const column = window.matchMedia(COLUMN_FROM[side]);
    const onEscape = (event: KeyboardEvent): void => {
      if (event.key === "Escape") onClose();
    };
    for (const element of beneath) element.inert = true;
    sheet.current?.focus();
    document.addEventListener("keydown", onEscape);
    column.addEventListener("change", onClose);
    return () => {
      for (const element of beneath) element.inert = false;
      document.removeEventListener("keydown", onEscape);
      column.removeEventListener("change", onClose);
      if (before instanceof HTMLElement) before.focus();
    };
  }, [open, onClose, side]);

  return (
    <>
      {open ? (
        <button type="button" className="scrim" tabIndex={-1} aria-label={strings.close} onClick={onClose} />
      ) : null}
      <aside ref={sheet} className="drawer" data-side={side} data-open={open} aria-label={label} tabIndex={-1}>
        <button type="button" className="icon-button drawer-close" aria-label={strings.close} onClick={onClose}>
          <Icon name="close" />
        </button>
        {children}
      </aside>
    </>
  );
}
