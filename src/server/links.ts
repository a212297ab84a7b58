import type { LinkEvents } from "../link/link.ts";
import type { Logger } from "../observe/logger.ts";
import type { LinkName, Observer } from "../observe/observer.ts";

/** How the connection to what holds the log or carries the bus is. What is inside the process is always `up`. */
export type LinkState = "up" | "down";

/** A link as the server sees it: its state for `/readyz`, its events for the metrics and the log of the process. */
export class Link implements LinkEvents {
  readonly #name: LinkName;
  readonly #logger: Logger;
  readonly #observer: Observer;
  #state: LinkState = "up";

  constructor(name: LinkName, logger: Logger, observer: Observer) {
    this.#name = name;
    this.#logger = logger;
    this.#observer = observer;
  }

  get state(): LinkState {
    return this.#state;
  }

  up(): void {
    if (this.#state === "down") this.#logger.warn({ link: this.#name }, "connected again");
    this.#state = "up";
    this.#observer.linkChanged(this.#name, true);
  }

  down(reason: string): void {
    if (this.#state === "up") this.#logger.error({ link: this.#name, reason }, "connection lost; trying again");
    this.#state = "down";
    this.#observer.linkChanged(this.#name, false);
  }

  answered(durationMs: number): void {
    this.#observer.linkAnswered(this.#name, durationMs);
  }

  dropped(): void {
    this.#observer.noticeDropped();
  }

  warning(message: string, remedy: string): void {
    this.#logger.warn({ link: this.#name, remedy }, message);
  }

  waiting(read: () => number): void {
    this.#observer.gauge("log_queue", read);
  }
}
