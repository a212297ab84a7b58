import { useStrings } from "../shell/language.ts";
import type { ChatMessage } from "./message.ts";

/** What the picker offers. */
export const EMOJIS = ["👍", "❤️", "😄", "🎉", "👀", "🙏", "✅", "⛰️"] as const;

/** The reactions under a message: a count each, the own ones marked and pressed. */
export function Reactions(props: {
  message: ChatMessage;
  me: string;
  nameOf: (userId: string) => string;
  onReact: (emoji: string, added: boolean) => void;
}) {
  const { message, me, nameOf, onReact } = props;
  const strings = useStrings();
  const entries = Object.entries(message.reactions);
  if (entries.length === 0) return null;
  return (
    <div className="reactions">
      {entries.map(([emoji, users]) => {
        const own = users.includes(me);
        const names = users.map((id) => (id === me ? strings.you : nameOf(id))).join(", ");
        const label = strings.reactedBy(emoji, names);
        return (
          <button
            key={emoji}
            type="button"
            className="reaction"
            aria-pressed={own}
            aria-label={label}
            title={label}
            onClick={() => onReact(emoji, !own)}
          >
            <span aria-hidden="true">{emoji}</span>
            <span className="reaction-count">{users.length}</span>
          </button>
        );
      })}
    </div>
  );
}

/** A row of emojis to choose from. */
export function ReactionPicker({ onPick }: { onPick: (emoji: string) => void }) {
  const strings = useStrings();
  return EMOJIS.map((emoji, index) => (
    <button
      key={emoji}
      type="button"
      className="tool emoji"
      aria-label={strings.reactWith(emoji)}
      // biome-ignore lint/a11y/noAutofocus: the picker was just opened by this user, and replaces the button that had the focus.
      autoFocus={index === 0}
      onClick={() => onPick(emoji)}
    >
      {emoji}
    </button>
  ));
}
