import { useEffect, useId, useLayoutEffect, useRef, useState } from "react";
import { flushSync } from "react-dom";
import { Avatar } from "../shell/avatar.tsx";
import { Icon } from "../shell/icon.tsx";
import { useStrings } from "../shell/language.ts";
import type { ComposerMode } from "./conversation.tsx";
import { type Draft, loadDraft, storeDraft } from "./draft.ts";
import { mentionAt, mentionsIn, suggestPeople } from "./mention.ts";
import type { Person } from "./message.ts";
import { roomTitle } from "./room-view.ts";

/** The longest message, in characters. */
export const MAX_CONTENT = 4_000;
/** The counter shows from here on. */
const COUNT_BELOW = 500;

/** Where messages are written, answered and edited. Safe with input methods: Enter that ends a composition sends nothing. */
export function Composer(props: {
  room: string;
  mode: ComposerMode;
  people: readonly Person[];
  disabled: boolean;
  onSend: (content: string, mentions: readonly string[]) => void;
  onTyping: (active: boolean) => void;
  onEditLast: () => void;
  onCancel: () => void;
}) {
  const { room, mode, people, disabled, onSend, onTyping, onEditLast, onCancel } = props;
  const strings = useStrings();
  const editing = mode?.kind === "edit";
  const [draft, setDraft] = useState<Draft>(() =>
    editing ? { content: mode.message.content, caret: mode.message.content.length } : loadDraft(room),
  );
  const [picked, setPicked] = useState(0);
  const [dismissed, setDismissed] = useState<number | null>(null);
  const field = useRef<HTMLTextAreaElement>(null);
  const listId = useId();
  const hintId = useId();
  const { content } = draft;

  const query = mentionAt(content, draft.caret);
  const suggestions =
    query === null || query.start === dismissed ? [] : suggestPeople(people, query.query).filter((one) => one.userName);
  const choice = suggestions[Math.min(picked, suggestions.length - 1)];
  const left = MAX_CONTENT - lengthOf(content);
  const sendable = content.trim() !== "" && left >= 0 && !disabled;

  useAutosize(field, content);
  useEffect(() => {
    if (mode === null) return;
    const element = field.current;
    element?.focus();
    element?.setSelectionRange(element.value.length, element.value.length);
  }, [mode]);

  const change = (next: Draft): void => {
    setDraft(next);
    setPicked(0);
    if (editing) return;
    storeDraft(room, next.content);
    onTyping(next.content.trim() !== "");
  };
  const submit = (): void => {
    if (!sendable) return;
    onSend(content.trim(), mentionsIn(content, people));
    if (!editing) storeDraft(room, "");
    setDraft({ content: "", caret: 0 });
    field.current?.focus();
  };
  const complete = (person: Person): void => {
    if (query === null) return;
    const before = `${content.slice(0, query.start)}@${person.userName} `;
    // At once, not a frame later: what is typed in between would be torn apart.
    flushSync(() => change({ content: before + content.slice(draft.caret).replace(/^ /, ""), caret: before.length }));
    field.current?.focus();
    field.current?.setSelectionRange(before.length, before.length);
  };

  const keys = (event: React.KeyboardEvent): void => {
    // Keys that belong to an input method are its own; 229 is how browsers without isComposing say so.
    if (event.nativeEvent.isComposing || event.keyCode === 229) return;
    if (choice !== undefined) {
      const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (step !== undefined) setPicked((picked + step + suggestions.length) % suggestions.length);
      else if (event.key === "Enter" || event.key === "Tab") complete(choice);
      else if (event.key === "Escape") setDismissed(query?.start ?? null);
      else return;
      event.preventDefault();
      return;
    }
    if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      submit();
    } else if (event.key === "Escape" && mode !== null) {
      event.preventDefault();
      onCancel();
    } else if (event.key === "ArrowUp" && content === "" && mode === null) {
      event.preventDefault();
      onEditLast();
    }
  };
  const caretMoved = (): void => {
    const caret = field.current?.selectionStart ?? 0;
    if (caret !== draft.caret) setDraft({ content, caret });
  };

  return (
    <form
      className="composer"
      data-mode={mode?.kind ?? "new"}
      onSubmit={(event) => {
        event.preventDefault();
        submit();
      }}
    >
      {mode === null ? null : (
        <div className="composer-mode">
          <Icon name={mode.kind} size={16} />
          <span className="composer-mode-name">
            {editing ? strings.editing : strings.replyingTo(mode.message.userName)}
          </span>
          <span className="composer-mode-text">{mode.message.content}</span>
          <button
            type="button"
            className="icon-button"
            aria-label={strings.cancel}
            title={strings.cancel}
            onClick={onCancel}
          >
            <Icon name="close" size={16} />
          </button>
        </div>
      )}
      {choice === undefined ? null : (
        <div className="suggestions" id={listId} role="listbox" tabIndex={-1} aria-label={strings.mentionSomeone}>
          {suggestions.map((person) => (
            <div
              key={person.userId}
              id={`${listId}-${person.userId}`}
              role="option"
              tabIndex={-1}
              aria-selected={person === choice}
              className="suggestion"
              // The press must not take the focus from the field.
              onPointerDown={(event) => {
                event.preventDefault();
                complete(person);
              }}
            >
              <Avatar id={person.userId} name={person.userName} size={22} />
              {person.userName}
            </div>
          ))}
        </div>
      )}
      <div className="composer-row">
        <textarea
          ref={field}
          className="composer-field"
          rows={1}
          value={content}
          disabled={disabled}
          placeholder={strings.composerPlaceholder(roomTitle(room))}
          aria-label={strings.composerPlaceholder(roomTitle(room))}
          aria-describedby={hintId}
          aria-invalid={left < 0}
          aria-autocomplete="list"
          aria-controls={choice === undefined ? undefined : listId}
          aria-activedescendant={choice === undefined ? undefined : `${listId}-${choice.userId}`}
          enterKeyHint="send"
          onChange={(event) => {
            setDismissed(null);
            change({ content: event.target.value, caret: event.target.selectionStart });
          }}
          onSelect={caretMoved}
          onKeyDown={keys}
          onBlur={() => editing || onTyping(false)}
        />
        <button
          type="submit"
          className="send"
          aria-label={editing ? strings.save : strings.send}
          title={editing ? strings.save : strings.send}
          disabled={!sendable}
        >
          <Icon name={editing ? "check" : "send"} size={18} />
        </button>
      </div>
      <p className="composer-hint" id={hintId}>
        {left < COUNT_BELOW ? (
          <span className="count" data-over={left < 0} role="status">
            {strings.charactersLeft(left)}
          </span>
        ) : (
          <span>{strings.composerHint}</span>
        )}
      </p>
    </form>
  );
}

/** Characters as the server counts them: code points. */
function lengthOf(content: string): number {
  return content.length < MAX_CONTENT - COUNT_BELOW ? content.length : [...content].length;
}

/** Makes the field as tall as its content; the style sheet sets where that ends. */
function useAutosize(field: React.RefObject<HTMLTextAreaElement | null>, content: string): void {
  // biome-ignore lint/correctness/useExhaustiveDependencies: measured anew when the content changes.
  useLayoutEffect(() => {
    const element = field.current;
    if (element === null) return;
    element.style.blockSize = "auto";
    element.style.blockSize = `${element.scrollHeight + 2}px`;
  }, [content, field]);
}
