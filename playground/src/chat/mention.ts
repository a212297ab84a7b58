import type { Person } from "./message.ts";

/** A piece of a message's content. */
export type ContentPart =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "link"; readonly text: string; readonly href: string }
  | { readonly kind: "mention"; readonly text: string; readonly userId: string };

/** What stands before the caret while a name is being typed. */
export interface MentionQuery {
  /** Where the `@` stands. */
  readonly start: number;
  readonly query: string;
}

const LINK = /https?:\/\/[^\s<>"'）」』】]+[^\s<>"'.,;:!?)\]）」』】。、]/g;

/** The server takes so many mentions in one message. */
const MAX_MENTIONS = 50;

/** The name being typed after an `@` directly before `caret`, or null. */
export function mentionAt(content: string, caret: number): MentionQuery | null {
  const before = content.slice(0, caret);
  const start = before.lastIndexOf("@");
  if (start === -1) return null;
  if (start > 0 && /[\p{L}\p{N}_]/u.test(before[start - 1]!)) return null;
  const query = before.slice(start + 1);
  if (query.length > 32 || /\s/.test(query)) return null;
  return { start, query };
}

/** Up to `limit` people whose name starts with (or, after those, contains) `query`. */
export function suggestPeople(people: readonly Person[], query: string, limit = 6): readonly Person[] {
  const wanted = query.toLocaleLowerCase();
  const starts: Person[] = [];
  const contains: Person[] = [];
  for (const person of people) {
    const name = person.userName.toLocaleLowerCase();
    if (name.startsWith(wanted)) starts.push(person);
    else if (name.includes(wanted)) contains.push(person);
  }
  return [...starts, ...contains].slice(0, limit);
}

/** The ids of the people `content` names with `@name`. The longest name wins. */
export function mentionsIn(content: string, people: readonly Person[]): string[] {
  const found = new Set<string>();
  for (const part of splitMentions(content, people)) if (part.kind === "mention") found.add(part.userId);
  return [...found].slice(0, MAX_MENTIONS);
}

/** `content` in pieces: plain text, links, and mentions of `people`. */
export function splitContent(content: string, people: readonly Person[]): ContentPart[] {
  const parts: ContentPart[] = [];
  let end = 0;
  for (const match of content.matchAll(LINK)) {
    parts.push(...splitMentions(content.slice(end, match.index), people));
    parts.push({ kind: "link", text: match[0], href: match[0] });
    end = match.index + match[0].length;
  }
  parts.push(...splitMentions(content.slice(end), people));
  return parts;
}

function splitMentions(content: string, people: readonly Person[]): ContentPart[] {
  if (content === "") return [];
  const byLength = [...people].sort((a, b) => b.userName.length - a.userName.length);
  const parts: ContentPart[] = [];
  let plain = 0;
  for (let at = content.indexOf("@"); at !== -1; at = content.indexOf("@", at + 1)) {
    if (at < plain) continue;
    const person = byLength.find((one) => names(content, at + 1, one.userName));
    if (person === undefined) continue;
    if (at > plain) parts.push({ kind: "text", text: content.slice(plain, at) });
    plain = at + 1 + person.userName.length;
    parts.push({ kind: "mention", text: content.slice(at, plain), userId: person.userId });
  }
  if (plain < content.length) parts.push({ kind: "text", text: content.slice(plain) });
  return parts;
}

/** Whether `name` stands at `from` as a whole word. Scripts without spaces may go on right behind it. */
function names(content: string, from: number, name: string): boolean {
  if (name === "") return false;
  const piece = content.slice(from, from + name.length);
  if (piece.toLocaleLowerCase() !== name.toLocaleLowerCase()) return false;
  const next = content[from + name.length];
  return next === undefined || !/[A-Za-z0-9_]/.test(next) || !/[A-Za-z0-9_]/.test(piece[piece.length - 1]!);
}
