import { type ReactNode, useEffect, useRef } from "react";
import { Icon } from "../shell/icon.tsx";
import { useStrings } from "../shell/language.ts";

/** A column beside the conversation where there is room for it; else a sheet that slides over it while `open`. */
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
    sheet.current?.focus();
    const onEscape = (event: KeyboardEvent): void => {
      if (event.key === "Escape") onClose();
    };
    document.addEventListener("keydown", onEscape);
    return () => {
      document.removeEventListener("keydown", onEscape);
      if (before instanceof HTMLElement) before.focus();
    };
  }, [open, onClose]);

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
