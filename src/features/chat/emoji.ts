/** The longest emoji a reaction may be, in UTF-8 bytes: two people kissing, with a skin tone each. */
export const MAX_EMOJI_BYTES = 35;

// UTS #51, ED-17a: narrower than "one grapheme", which would let any pile of combining marks follow the picture.
const PART = String.raw`\p{Extended_Pictographic}(?:\p{Emoji_Modifier}|\uFE0F)?(?:[\u{E0020}-\u{E007E}]+\u{E007F})?`;
const FLAG = String.raw`\p{Regional_Indicator}{2}`;
const KEYCAP = String.raw`[0-9#*]\uFE0F?\u20E3`;
const EMOJI = new RegExp(`^(?:${FLAG}|${KEYCAP}|${PART}(?:\\u200D${PART})*)$`, "u");

const encoder = new TextEncoder();

/** Whether `text` is exactly one emoji: a pictograph (with its modifiers, or joined ones), a flag or a keycap. */
export function isEmoji(text: string): boolean {
  return text.length <= MAX_EMOJI_BYTES && EMOJI.test(text) && encoder.encode(text).length <= MAX_EMOJI_BYTES;
}
