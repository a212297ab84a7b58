/** One event of an event stream, as `EventSource` would dispatch it. */
export interface EventFrame {
  /** Null when the frame names none: `onmessage` gets it. */
  readonly event: string | null;
  /** Null when the frame has none; `EventSource` keeps the one before it. */
  readonly id: string | null;
  readonly data: string;
}

/** Reads an event stream as the HTML standard says, for LF alone: nobody else writes to these streams. */
export class EventFrames {
  /** Every event so far. */
  readonly frames: EventFrame[] = [];
  /** Comment lines so far. */
  comments = 0;
  /** The wait before a reconnect that the stream asked for last, ms. */
  retryMs: number | null = null;
  #rest = "";
  #event: string | null = null;
  #id: string | null = null;
  #data: string[] = [];

  /** Takes what came; gives the events that are complete with it. */
  read(text: string): EventFrame[] {
    const before = this.frames.length;
    const lines = (this.#rest + text).split("\n");
    this.#rest = lines.pop() ?? "";
    for (const line of lines) this.#readLine(line);
    return this.frames.slice(before);
  }

  #readLine(line: string): void {
    if (line === "") return this.#dispatch();
    const colon = line.indexOf(":");
    if (colon === 0) {
      this.comments++;
      return;
    }
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "event") this.#event = value;
    else if (field === "id") this.#id = value;
    else if (field === "data") this.#data.push(value);
    else if (field === "retry") this.retryMs = Number(value);
    else throw new Error(`An event stream has no field ${JSON.stringify(field)}.`);
  }

  #dispatch(): void {
    if (this.#data.length > 0) {
      this.frames.push({ event: this.#event, id: this.#id, data: this.#data.join("\n") });
    }
    this.#event = null;
    this.#id = null;
    this.#data = [];
  }
}
