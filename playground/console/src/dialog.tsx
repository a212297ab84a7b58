import { type ReactNode, useEffect, useRef } from "react";
import { Icon } from "../../src/shell/icon.tsx";
import { useStrings } from "./language.tsx";

/** A dialog over the page. Escape closes it. */
export function Dialog({ title, onClose, children }: { title: string; onClose: () => void; children: ReactNode }) {
  const strings = useStrings();
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const element = dialog.current;
    element?.showModal();
    return () => element?.close();
  }, []);
  return (
    <dialog ref={dialog} className="console-dialog" aria-label={title} onClose={onClose}>
      <div className="console-dialog-head">
        <h2>{title}</h2>
        <button type="button" className="icon-button" aria-label={strings.close} onClick={onClose}>
          <Icon name="close" />
        </button>
      </div>
      {children}
    </dialog>
  );
}

/** Something that is done only when it was asked twice. */
export interface Asked {
  readonly title: string;
  readonly text: string;
  readonly run: () => Promise<void>;
}

/** Asks whether it is meant. */
export function AskDialog({ asked, onClose }: { asked: Asked; onClose: () => void }) {
  const strings = useStrings();
  const run = async (): Promise<void> => {
    await asked.run();
    onClose();
  };
  return (
    <Dialog title={asked.title} onClose={onClose}>
      <p>{asked.text}</p>
      <div className="console-dialog-end">
        <button type="button" className="button" onClick={onClose}>
          {strings.cancel}
        </button>
        <button type="button" className="button danger" onClick={() => void run()}>
          {asked.title}
        </button>
      </div>
    </Dialog>
  );
}
