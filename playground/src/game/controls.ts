/** What the player wants now. */
export interface Wish {
  dx: number;
  dy: number;
  dash: boolean;
}

const KEYS: Readonly<Record<string, keyof typeof HELD>> = {
  ArrowLeft: "left",
  KeyA: "left",
  ArrowRight: "right",
  KeyD: "right",
  ArrowUp: "up",
  KeyW: "up",
  ArrowDown: "down",
  KeyS: "down",
  Space: "dash",
  ShiftLeft: "dash",
};
const HELD = { left: false, right: false, up: false, down: false, dash: false };

/** How far from where it was put down a finger pushes the stick to its edge, px. */
export const STICK_PX = 56;

/** Keyboard and touch, as one wish. The keyboard counts while the arena has the focus. */
export class Controls {
  readonly #element: HTMLElement;
  #held = { ...HELD };
  #stick: { id: number; x: number; y: number; atX: number; atY: number } | null = null;
  /** Fingers beside the one on the stick. */
  readonly #dashing = new Set<number>();

  constructor(element: HTMLElement) {
    this.#element = element;
    element.addEventListener("keydown", this.#down);
    element.addEventListener("keyup", this.#up);
    element.addEventListener("blur", this.#letGo);
    element.addEventListener("pointerdown", this.#touch);
    element.addEventListener("pointermove", this.#move);
    element.addEventListener("pointerup", this.#lift);
    element.addEventListener("pointercancel", this.#lift);
  }

  /** Where the stick is, for drawing; null while nobody touches. */
  get stick(): { x: number; y: number; atX: number; atY: number } | null {
    return this.#stick;
  }

  get wish(): Wish {
    const { left, right, up, down, dash } = this.#held;
    let dx = Number(right) - Number(left);
    let dy = Number(down) - Number(up);
    if (this.#stick !== null) {
      const { x, y, atX, atY } = this.#stick;
      const reach = Math.max(STICK_PX, Math.hypot(atX - x, atY - y));
      dx = (atX - x) / reach;
      dy = (atY - y) / reach;
    }
    return { dx, dy, dash: dash || this.#dashing.size > 0 };
  }

  close(): void {
    const element = this.#element;
    element.removeEventListener("keydown", this.#down);
    element.removeEventListener("keyup", this.#up);
    element.removeEventListener("blur", this.#letGo);
    element.removeEventListener("pointerdown", this.#touch);
    element.removeEventListener("pointermove", this.#move);
    element.removeEventListener("pointerup", this.#lift);
    element.removeEventListener("pointercancel", this.#lift);
  }

  readonly #down = (event: KeyboardEvent): void => {
    const key = KEYS[event.code];
    if (key === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    this.#held[key] = true;
  };

  readonly #up = (event: KeyboardEvent): void => {
    const key = KEYS[event.code];
    if (key !== undefined) this.#held[key] = false;
  };

  readonly #letGo = (): void => {
    this.#held = { ...HELD };
  };

  readonly #touch = (event: PointerEvent): void => {
    this.#element.focus();
    this.#element.setPointerCapture(event.pointerId);
    const { offsetX: x, offsetY: y, pointerId: id } = event;
    if (this.#stick === null) this.#stick = { id, x, y, atX: x, atY: y };
    else this.#dashing.add(id);
  };

  readonly #move = (event: PointerEvent): void => {
    if (this.#stick?.id !== event.pointerId) return;
    this.#stick.atX = event.offsetX;
    this.#stick.atY = event.offsetY;
  };

  readonly #lift = (event: PointerEvent): void => {
    if (this.#stick?.id === event.pointerId) this.#stick = null;
    this.#dashing.delete(event.pointerId);
  };
}
