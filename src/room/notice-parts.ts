/** What a part takes at most as JSON, bytes: some buses carry notices of 8,000, and more than this is in one. */
const PART_BYTES = 6_000;

/** Entries in lists, in their order, of which each fits into a notice on every bus. An entry that is too long is in a list of its own. */
export function inNoticeParts<Entry>(entries: readonly Entry[]): Entry[][] {
  const parts: Entry[][] = [];
  let left = 0;
  for (const entry of entries) {
    const bytes = Buffer.byteLength(JSON.stringify(entry)) + 1;
    let part = parts.at(-1);
    if (part === undefined || bytes > left) {
      part = [];
      parts.push(part);
      left = PART_BYTES;
    }
    part.push(entry);
    left -= bytes;
  }
  return parts;
}
