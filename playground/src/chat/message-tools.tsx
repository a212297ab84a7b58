import { useState } from "react";
import { Icon } from "../shell/icon.tsx";
import { useStrings } from "../shell/language.ts";
import type { ComposerMode } from "./conversation.tsx";
import type { ChatMessage } from "./message.ts";
import { ReactionPicker } from "./reaction.tsx";
import type { RoomStore } from "./room-store.ts";

/** What can be done with a message; shown while it is pointed at or has the focus. */
export function MessageTools(props: {
  message: ChatMessage;
  own: boolean;
  me: string;
  store: RoomStore;
  onMode: (mode: ComposerMode) => void;
}) {
  const { message, own, me, store, onMode } = props;
  const strings = useStrings();
  const [open, setOpen] = useState<"picker" | "delete" | null>(null);
  const close = (): void => setOpen(null);
  const keys = (event: React.KeyboardEvent<HTMLElement>): void => {
    if (event.key !== "Escape") return;
    event.stopPropagation();
    close();
    event.currentTarget.closest<HTMLElement>(".message")?.focus();
  };

  if (open === "delete") {
    return (
      <div className="tools asking" role="toolbar" aria-label={strings.removeAsk} onKeyDown={keys}>
        <span className="tools-question">{strings.removeAsk}</span>
        <button
          type="button"
          className="button small danger"
          // biome-ignore lint/a11y/noAutofocus: the question replaces the button that had the focus.
          autoFocus
          onClick={() => {
            close();
            store.remove(message.seq);
          }}
        >
          {strings.remove}
        </button>
        <button type="button" className="button small" onClick={close}>
          {strings.cancel}
        </button>
      </div>
    );
  }
  return (
    <div className="tools" role="toolbar" aria-label={strings.actions} onKeyDown={keys}>
      {open === "picker" ? (
        <ReactionPicker
          onPick={(emoji) => {
            close();
            store.react(message.seq, emoji, !(message.reactions[emoji] ?? []).includes(me));
          }}
        />
      ) : (
        <>
          <Tool icon="react" label={strings.react} onClick={() => setOpen("picker")} />
          <Tool icon="reply" label={strings.reply} onClick={() => onMode({ kind: "reply", message })} />
          {own ? (
            <>
              <Tool icon="edit" label={strings.edit} onClick={() => onMode({ kind: "edit", message })} />
              <Tool icon="trash" label={strings.remove} onClick={() => setOpen("delete")} />
            </>
          ) : null}
        </>
      )}
    </div>
  );
}

function Tool(props: { icon: "react" | "reply" | "edit" | "trash"; label: string; onClick: () => void }) {
  return (
    <button type="button" className="tool" aria-label={props.label} title={props.label} onClick={props.onClick}>
      <Icon name={props.icon} size={16} />
    </button>
  );
}
