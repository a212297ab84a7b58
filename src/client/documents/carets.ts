import type { ChangeDesc } from "@codemirror/state";
import type { Clock, Timer } from "../../protocol/clock.ts";
import { newMessageId } from "../message-id.ts";
import type { Room } from "../room.ts";

/** Somebody else's caret, in the text on the screen. */
export interface CaretView {
  /** Names the caret; a user has one per window. */
  readonly caretId: string;
  readonly userId: string;
  readonly userName: string;
  /** As CSS writes it. */
  readonly colour: string;
  /** Where the selection began; `head` when nothing is selected. */
  readonly anchor: number;
  /** Where the caret is. */
  readonly head: number;
}

/** The payload of `remote_cursor`, and a value of the state. */
interface CaretEvent extends CaretView {
  readonly version: number;
  readonly position?: number | null;
}

/** Where this user is, in the server's text at a version. */
export interface OwnCaret {
  readonly anchor: number;
  readonly head: number;
  readonly version: number;
}

/** The least time between two positions that are sent, ms. */
const PACE_MS = 50;
/** A caret that does not move is sent again after so long, ms: others forget one they have not heard of for 30 s. */
const RENEW_MS = 10_000;

/** Everybody's carets: others' as they come and move along with the text, this user's as it is sent. */
export class Carets {
  readonly #room: () => Room | null;
  readonly #changed: () => void;
  readonly #clock: Clock;
  readonly #ownId = newMessageId().slice(0, 8);
  /** By caretId, in the server's text at the version they name. */
  readonly #others = new Map<string, CaretEvent>();
  #own: OwnCaret | null = null;
  #timer: Timer | null = null;
  #sentAt = Number.NEGATIVE_INFINITY;

  constructor(room: () => Room | null, changed: () => void, clock: Clock) {
    this.#room = room;
    this.#changed = changed;
    this.#clock = clock;
  }

  /** @param own what is on the screen and not yet in the server's text. */
  views(own: ChangeDesc | null): CaretView[] {
    return Array.from(this.#others.values(), ({ caretId, userId, userName, colour, anchor, head }) => {
      const at = (position: number): number => own?.mapPos(Math.min(position, own.length), 1) ?? position;
      return { caretId, userId, userName, colour, anchor: at(anchor), head: at(head) };
    });
  }

  /** The server's text changed, and is at a version now. */
  map(changes: ChangeDesc, version: number): void {
    for (const [caretId, caret] of this.#others) {
      if (caret.version >= version) continue;
      const at = (position: number): number => changes.mapPos(Math.min(position, changes.length), 1);
      this.#others.set(caretId, { ...caret, anchor: at(caret.anchor), head: at(caret.head), version });
    }
  }

  heard(caret: CaretEvent): void {
    if (caret.caretId.endsWith(`/${this.#ownId}`)) return;
    if (caret.position === null) this.#others.delete(caret.caretId);
    else this.#others.set(caret.caretId, caret);
    this.#changed();
  }

  /** All there are now, by caretId; and this user's goes out again. */
  reset(carets: Record<string, unknown> | undefined): void {
    this.#others.clear();
    for (const [caretId, caret] of Object.entries(carets ?? {})) this.heard({ ...(caret as CaretEvent), caretId });
    this.#changed();
    if (this.#own) this.move(this.#own);
  }

  /** This user's caret is there; null for nowhere. */
  move(own: OwnCaret | null): void {
    if (own === null && this.#own === null) return;
    this.#own = own;
    const wait = this.#sentAt + PACE_MS - this.#clock.monotonic();
    if (wait > 0) this.#later(wait);
    else this.#send();
  }

  close(): void {
    this.move(null);
    this.#timer?.cancel();
  }

  #send(): void {
    const own = this.#own;
    this.#sentAt = this.#clock.monotonic();
    const caret = own === null ? { position: null } : { position: own.head, ...own };
    this.#room()?.volatile("cursor_move", { caretId: this.#ownId, ...caret });
    if (own) this.#later(RENEW_MS);
  }

  #later(delayMs: number): void {
    this.#timer?.cancel();
    this.#timer = this.#clock.setTimer(() => this.#send(), delayMs);
  }
}
