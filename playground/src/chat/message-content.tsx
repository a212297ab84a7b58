import { useStrings } from "../shell/language.ts";
import { splitContent } from "./mention.ts";
import type { ChatMessage, Person } from "./message.ts";

/** The words of a message: line breaks kept, links to follow, mentions marked. Never HTML. */
export function MessageContent({
  message,
  people,
  me,
}: {
  message: ChatMessage;
  people: readonly Person[];
  me: string;
}) {
  const strings = useStrings();
  const mentioned = people.filter((one) => message.mentions.includes(one.userId));
  let at = 0;
  return (
    <p className="message-text">
      {splitContent(message.content, mentioned).map((part) => {
        const key = at;
        at += part.text.length;
        if (part.kind === "link") {
          return (
            <a key={key} href={part.href} target="_blank" rel="noopener noreferrer nofollow">
              {part.text}
            </a>
          );
        }
        if (part.kind === "mention") {
          return (
            <mark key={key} className="mention" data-me={part.userId === me}>
              {part.text}
            </mark>
          );
        }
        return <span key={key}>{part.text}</span>;
      })}
      {message.editedAt === null ? null : <span className="edited muted"> ({strings.edited})</span>}
    </p>
  );
}
