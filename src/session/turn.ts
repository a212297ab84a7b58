import type { Allowance } from "./allowance.ts";
import type { Lane } from "./lane.ts";

/**
 * The turn of one message: those of one client about one room are prepared one after the other, in the order they came, and
 * only a few at once over all its rooms.
 */
export class Turn {
  readonly #lane: Lane;
  readonly #allowance: Allowance;
  #isOver = false;

  constructor(lane: Lane, allowance: Allowance) {
    this.#lane = lane;
    this.#allowance = allowance;
  }

  /** Does the work when its turn comes, and resolves when it is done. The work, which must not throw, ends the turn. */
  begin(work: () => Promise<void>): Promise<void> {
    if (!this.#lane.isIdle) return new Promise((resolve) => this.#lane.enter(() => resolve(this.#enter(work))));
    this.#lane.enter(NOTHING);
    return this.#enter(work);
  }

  #enter(work: () => Promise<void>): Promise<void> {
    const place = this.#allowance.enter();
    return place === null ? work() : place.then(work);
  }

  /** Lets the next one go on. Safe to call more than once. */
  end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#allowance.leave();
    this.#lane.leave();
  }
}

const NOTHING = (): void => {};
