import type { Clock, JsonObject, Timer } from "../protocol/index.ts";

/** How many alerts wait at most; beyond that the oldest is given up. */
const MAX_WAITING = 100;
/** How long an answer may take, ms. */
const ANSWER_MS = 5_000;
/** How often one alert is tried. */
const TRIES = 6;
/** How long after the first failure it is tried again, ms; twice as long after each further one. */
const FIRST_PAUSE_MS = 1_000;

export interface AlertWebhookOptions {
  /** Where alerts go: the operator's own choice, so any web address will do, also one with a name and a password. */
  readonly url: string;
  readonly clock: Clock;
  /** An alert was given up: nobody took it, or too many waited. */
  onLost(reason: string): void;
}

/** Posts alerts as JSON to an address, one after the other, in their order. */
export interface AlertWebhook {
  /** Takes an alert. Never throws, never waits. */
  send(alert: JsonObject): void;
  /** How many are not delivered yet. */
  readonly waiting: number;
  /** Gives up what waits. */
  close(): void;
}

/** Makes a webhook: at most 100 alerts wait, each is tried six times within about half a minute. */
export function createAlertWebhook(options: AlertWebhookOptions): AlertWebhook {
  return new Webhook(options);
}

class Webhook implements AlertWebhook {
  readonly #options: AlertWebhookOptions;
  readonly #address: URL;
  readonly #headers: Record<string, string> = { "Content-Type": "application/json" };
  readonly #queue: string[] = [];
  readonly #closing = new AbortController();
  #isBusy = false;
  #timer: Timer | null = null;

  constructor(options: AlertWebhookOptions) {
    this.#options = options;
    this.#address = new URL(options.url);
    const { username, password } = this.#address;
    if (username === "" && password === "") return;
    // `fetch` takes no address that holds them.
    const shown = Buffer.from(`${decode(username)}:${decode(password)}`).toString("base64");
    this.#headers.Authorization = `Basic ${shown}`;
    this.#address.username = this.#address.password = "";
  }

  get waiting(): number {
    return this.#queue.length;
  }

  send(alert: JsonObject): void {
    if (this.#closing.signal.aborted) return;
    this.#queue.push(JSON.stringify(alert));
    if (this.#queue.length > MAX_WAITING) {
      // Not the first one, which is on its way.
      this.#queue.splice(1, 1);
      this.#options.onLost("too many alerts wait");
    }
    if (!this.#isBusy) void this.#work();
  }

  close(): void {
    this.#closing.abort();
    this.#timer?.cancel();
    this.#queue.length = 0;
  }

  async #work(): Promise<void> {
    this.#isBusy = true;
    while (this.#queue.length > 0) {
      const reason = await this.#deliver(this.#queue[0]!);
      if (this.#closing.signal.aborted) return;
      this.#queue.shift();
      if (reason !== null) this.#options.onLost(reason);
    }
    this.#isBusy = false;
  }

  /** Resolves to null, or to why nobody took it. */
  async #deliver(body: string): Promise<string | null> {
    let reason: string | null = null;
    for (let attempt = 0; attempt < TRIES; attempt++) {
      if (attempt > 0) await this.#pause(FIRST_PAUSE_MS * 2 ** (attempt - 1));
      if (this.#closing.signal.aborted) return reason;
      reason = await this.#post(body);
      if (reason === null) return null;
    }
    return reason;
  }

  async #post(body: string): Promise<string | null> {
    try {
      const response = await fetch(this.#address, {
        method: "POST",
        headers: this.#headers,
        body,
        // A redirect would take the alert to an address that nobody chose.
        redirect: "manual",
        signal: AbortSignal.any([this.#closing.signal, AbortSignal.timeout(ANSWER_MS)]),
      });
      await response.body?.cancel();
      return response.ok ? null : `it answered ${response.status}`;
    } catch (error) {
      // The message may name the address, which may be a secret.
      return error instanceof Error && error.name === "TimeoutError"
        ? "it did not answer in time"
        : "it cannot be reached";
    }
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.#timer = this.#options.clock.setTimer(resolve, ms);
    });
  }
}

/** What stands in an address; as it is where its percent signs mean nothing. */
function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
