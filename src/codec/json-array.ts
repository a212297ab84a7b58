import { YamabikoError } from "../protocol/index.ts";

/**
 * The texts of the elements of a JSON array, without reading them, so that each can be held to the bounds of one message.
 * Null when the text is no array. Whether the elements are JSON, their parser says.
 * @throws {YamabikoError} `invalid_message` for an array that does not end, or has more than `max` elements.
 */
export function splitJsonArray(text: string, max: number): string[] | null {
  const begin = skipSpace(text, 0);
  if (text.charCodeAt(begin) !== OPEN) return null;
  const parts: string[] = [];
  let depth = 0;
  let inString = false;
  let start = begin + 1;
  for (let index = begin; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (inString) {
      if (code === BACKSLASH) index++;
      else if (code === QUOTE) inString = false;
    } else if (code === QUOTE) inString = true;
    else if (code === OPEN || code === BRACE) depth++;
    else if (code === CLOSE || code === UNBRACE) {
      if (--depth > 0) continue;
      if (code !== CLOSE || skipSpace(text, index + 1) !== text.length) break;
      if (parts.length > 0 || skipSpace(text, start) !== index) parts.push(text.slice(start, index));
      return atMost(parts, max);
    } else if (code === COMMA && depth === 1) {
      parts.push(text.slice(start, index));
      start = index + 1;
      if (parts.length >= max) return atMost([...parts, ""], max);
    }
  }
  throw new YamabikoError("invalid_message", "The message is not valid JSON.");
}

function atMost(parts: string[], max: number): string[] {
  if (parts.length > max) throw new YamabikoError("invalid_message", `At most ${max} messages at once.`);
  return parts;
}

function skipSpace(text: string, from: number): number {
  let index = from;
  while (SPACE.has(text.charCodeAt(index))) index++;
  return index;
}

const OPEN = 0x5b;
const CLOSE = 0x5d;
const BRACE = 0x7b;
const UNBRACE = 0x7d;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const SPACE: ReadonlySet<number> = new Set([0x20, 0x09, 0x0a, 0x0d]);
