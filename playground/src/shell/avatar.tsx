/** How many avatar colours there are; each is readable under white in both themes. */
const COLOURS = 10;

/** Somebody's initials on a colour that is always theirs. Decoration: the name stands beside it or in `title`. */
export function Avatar({ id, name, size = 36 }: { id: string; name: string; size?: number }) {
  return (
    <span
      className="avatar"
      data-colour={colourOf(id)}
      style={{ inlineSize: size, blockSize: size, fontSize: Math.round(size * 0.4) }}
      aria-hidden="true"
    >
      {initialsOf(name)}
    </span>
  );
}

/** The colour of a user, the same on every page and device. */
export function colourOf(id: string): number {
  let hash = 2166136261;
  for (const character of id) hash = Math.imul(hash ^ (character.codePointAt(0) ?? 0), 16777619);
  return (hash >>> 0) % COLOURS;
}

const WIDE = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}]/u;

/** One or two letters that stand for a name. */
export function initialsOf(name: string): string {
  const words = name.trim().split(/\s+/).filter(Boolean);
  const first = [...(words[0] ?? "?")];
  // One ideograph or kana says as much as two letters, and two would be too small to read.
  if (WIDE.test(first[0] ?? "")) return first[0] ?? "?";
  const last = words.length > 1 ? [...(words.at(-1) ?? "")] : [];
  const letters = last.length > 0 ? `${first[0]}${last[0]}` : (first[0] ?? "?");
  return letters.toLocaleUpperCase();
}
