import { seededRandom } from "../random.ts";

const FILLER = "山彦 answers. ".repeat(800);
/** How long contents are, characters: most are short, some are long, few are very long, and some of these are refused. */
const LENGTHS = [
  { share: 0.9, from: 32, to: 250 },
  { share: 0.09, from: 250, to: 1_500 },
  { share: 0.01, from: 1_500, to: 4_020 },
];

/** What the message of this id says: always the same, so that whoever has only the id can send it again. */
export function contentOf(messageId: string): string {
  let hash = 0x811c9dc5;
  for (let index = 0; index < messageId.length; index++) {
    hash = Math.imul(hash ^ messageId.charCodeAt(index), 0x01000193);
  }
  const random = seededRandom(hash);
  let chance = random();
  const range =
    LENGTHS.find(({ share }) => {
      chance -= share;
      return chance < 0;
    }) ?? LENGTHS[0]!;
  return `${messageId} ${FILLER.slice(0, Math.floor(range.from + random() * (range.to - range.from)))}`;
}
