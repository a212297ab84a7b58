import { Agent, type ClientRequest, type IncomingMessage } from "node:http";
import { type Envelope, formatCursor, SUBPROTOCOLS } from "../../src/protocol/index.ts";
import { type AckPayload, RawClient, until } from "../harness.ts";
import { EventFrames } from "./event-frames.ts";
import { ask, type HttpAnswer, responseTo, startRequest } from "./http-request.ts";

/** The ways to the server, each as its bytes go over the wire and without the SDK. */
export const DRIVERS = ["websocket", "msgpack", "sse", "long-polling", "polling"] as const;
export type DriverName = (typeof DRIVERS)[number];

/** Those that speak HTTP only. */
export const HTTP_DRIVERS = ["sse", "long-polling", "polling"] as const;

/** The payload of `joined_room`, as far as tests look at it. */
export interface Joined {
  readonly roomId: string;
  readonly epoch: string;
  readonly head: number;
  readonly cursor: string;
  readonly recovered: boolean;
  readonly state: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

/** What became of a join. */
export interface JoinAnswer {
  readonly ack: AckPayload;
  /** Null when it was refused. */
  readonly joined: Joined | null;
}

export interface JoinOptions {
  readonly after?: string | number | undefined;
  readonly limit?: number | undefined;
}

/** Where to, and as whom. Without a token: a guest, where they are allowed. */
export interface Target {
  readonly url: string;
  readonly token?: string | undefined;
}

/** How a driver was ended by the server: a close code, or what the HTTP request was refused with. */
export interface Ending {
  readonly code: number;
  readonly reason: string;
  /** The status of the answer that ended it; null when it was no refusal. */
  readonly status: number | null;
}

/** An HTTP request that was refused as a whole. */
export class Refused extends Error {
  readonly answer: HttpAnswer;

  constructor(answer: HttpAnswer) {
    super(`${answer.status} ${answer.text}`);
    this.answer = answer;
  }

  get code(): string {
    return (this.answer.body as { error?: { code?: string } } | undefined)?.error?.code ?? "";
  }
}

/** One client over one transport, as simple as the protocol allows. */
export abstract class Driver {
  abstract readonly name: DriverName;
  /** Everything the server said, in the order in which it came. */
  readonly received: Envelope[] = [];
  ended: Ending | null = null;
  /** What it has everything up to, by room: `E:N`. */
  readonly cursors = new Map<string, string>();
  readonly #epochs = new Map<string, string>();
  #taken = 0;
  #ids = 0;

  abstract join(roomId: string, options?: JoinOptions): Promise<JoinAnswer>;
  abstract leave(roomId: string): Promise<void>;
  /** Sends a message with a messageId; resolves to its ack, also when it says no. Rejects when the transport refuses. */
  abstract send(type: string, payload: unknown, messageId?: string): Promise<AckPayload>;
  /** Sends several, one right behind the other. */
  abstract sendAll(messages: readonly { type: string; payload: unknown; messageId: string }[]): Promise<AckPayload[]>;
  /** Takes nothing more from the network until `resume`. */
  abstract pause(): void;
  abstract resume(): void;
  /** Ends it, as a page does that is closed. */
  abstract close(): void;

  /** The next envelope after those already taken that fits; what came before it is passed over. */
  async next(
    wanted: string | ((envelope: Envelope) => boolean),
    timeoutMs = 10_000,
  ): Promise<Envelope & { payload: never }> {
    const fits = typeof wanted === "string" ? ({ type }: Envelope) => type === wanted : wanted;
    let found: Envelope | undefined;
    const isFound = (): boolean => {
      while (found === undefined && this.#taken < this.received.length) {
        const envelope = this.received[this.#taken++]!;
        if (fits(envelope)) found = envelope;
      }
      return found !== undefined;
    };
    await until(() => isFound() || this.ended !== null, timeoutMs).catch(() => {});
    if (found === undefined) {
      const got = JSON.stringify(this.received.slice(-5));
      throw new Error(`${this.name}: ${String(wanted)} did not come; ended ${JSON.stringify(this.ended)}; got ${got}`);
    }
    return found as Envelope & { payload: never };
  }

  /** Forgets what was received, so that a test may receive much. */
  rewind(): void {
    this.received.length = 0;
    this.#taken = 0;
  }

  /** The seqs of a room's events, as they came. */
  seqs(roomId?: string): (number | undefined)[] {
    return this.events(roomId).map(({ seq }) => seq);
  }

  /** The events of a room, as they came. */
  events(roomId?: string): Envelope[] {
    return this.received.filter((it) => it.seq !== undefined && (roomId === undefined || it.roomId === roomId));
  }

  /** The types of what came, events aside. */
  told(roomId?: string): string[] {
    return this.received
      .filter(({ seq }) => seq === undefined)
      .filter(({ roomId: of }) => roomId === undefined || of === roomId)
      .map(({ type }) => type);
  }

  /** Waits until the server has ended it. */
  async end(timeoutMs = 10_000): Promise<Ending> {
    await until(() => this.ended !== null, timeoutMs);
    return this.ended!;
  }

  protected newId(prefix = "d"): string {
    return `${prefix}${++this.#ids}-${Math.random().toString(36).slice(2)}`;
  }

  /** Notes what came, and how far it leads. */
  protected hear(envelope: Envelope): void {
    this.received.push(envelope);
    const { type, roomId, seq } = envelope;
    const payload = envelope.payload as { roomId?: string; epoch?: string; cursor?: string } | null;
    if (seq !== undefined && roomId !== undefined) {
      this.cursors.set(roomId, formatCursor(this.#epochs.get(roomId) ?? "", seq));
    } else if ((type === "joined_room" || type === "history_lost") && payload?.roomId && payload.cursor) {
      this.cursors.set(payload.roomId, payload.cursor);
      this.#epochs.set(payload.roomId, payload.cursor.slice(0, payload.cursor.lastIndexOf(":")));
    }
  }

  /** Waits for what answers a join that carried this messageId. */
  protected async answerTo(messageId: string, since: number): Promise<JoinAnswer> {
    const find = () => this.received.slice(since).find((it) => it.type === "ack" && it.messageId === messageId);
    await until(() => find() !== undefined || this.ended !== null);
    const ack = find();
    if (ack === undefined)
      throw new Error(`${this.name}: the join was not answered; ended ${JSON.stringify(this.ended)}`);
    const before = this.received.slice(since, this.received.indexOf(ack));
    const joined = before.findLast(({ type }) => type === "joined_room");
    const payload = ack.payload as AckPayload;
    return { ack: payload, joined: payload.success ? ((joined?.payload ?? null) as Joined | null) : null };
  }
}

/** The full form of a room's name (ENV-4). */
export function fullRoomId(name: string): string {
  return name.includes(":") ? name : `chat:${name}`;
}

/** Opens a driver and waits for its `welcome`. */
export async function openDriver(name: DriverName, target: Target): Promise<Driver> {
  const driver = createDriver(name, target);
  await driver.begin();
  return driver;
}

interface Beginning {
  begin(): Promise<void>;
}

function createDriver(name: DriverName, target: Target): Driver & Beginning {
  switch (name) {
    case "websocket":
    case "msgpack":
      return new WebSocketDriver(name, target);
    case "sse":
      return new EventStreamDriver(target);
    case "long-polling":
    case "polling":
      return new PollingDriver(name, target);
  }
}

class WebSocketDriver extends Driver implements Beginning {
  readonly name: "websocket" | "msgpack";
  readonly #client: RawClient;
  readonly #isGuest: boolean;
  #read = 0;

  constructor(name: "websocket" | "msgpack", { url, token }: Target) {
    super();
    this.name = name;
    this.#isGuest = token === undefined;
    const protocols = [name === "msgpack" ? SUBPROTOCOLS.msgpack : SUBPROTOCOLS.json];
    const headers = token === undefined ? {} : { Authorization: `Bearer ${token}` };
    this.#client = new RawClient(`${url.replace("http", "ws")}/ws`, protocols, { headers });
    this.#client.socket.on("message", () => {
      const { received } = this.#client;
      while (this.#read < received.length) this.hear(received[this.#read++]!);
    });
    this.#client.closed.then(({ code, reason }) => {
      this.ended = { code, reason, status: null };
    });
  }

  async begin(): Promise<void> {
    await this.#client.opened();
    // What tells the server that no `authenticate` comes.
    if (this.#isGuest) this.#client.send("ping", {});
    await this.next("welcome");
  }

  async join(roomId: string, options: JoinOptions = {}): Promise<JoinAnswer> {
    const [messageId, since] = [this.newId("join"), this.received.length];
    this.#client.send("join_room", { roomId, ...options }, messageId);
    return this.answerTo(messageId, since);
  }

  async leave(roomId: string): Promise<void> {
    const since = this.received.length;
    this.#client.send("leave_room", { roomId });
    await until(() => this.received.slice(since).some(({ type }) => type === "left_room"));
  }

  async send(type: string, payload: unknown, messageId = this.newId()): Promise<AckPayload> {
    return (await this.sendAll([{ type, payload, messageId }]))[0]!;
  }

  async sendAll(messages: readonly { type: string; payload: unknown; messageId: string }[]): Promise<AckPayload[]> {
    const since = this.received.length;
    for (const { type, payload, messageId } of messages) this.#client.send(type, payload, messageId);
    const find = (id: string) => this.received.slice(since).find((it) => it.type === "ack" && it.messageId === id);
    await until(() => this.ended !== null || messages.every(({ messageId }) => find(messageId) !== undefined));
    return messages.map(({ messageId }) => {
      const ack = find(messageId);
      if (ack === undefined) throw new Error(`closed with ${this.ended?.code}`);
      return ack.payload as AckPayload;
    });
  }

  pause(): void {
    this.#client.socket.pause();
  }

  resume(): void {
    this.#client.socket.resume();
  }

  close(): void {
    this.#client.socket.terminate();
  }
}

/** What both ways over HTTP share: messages are POSTed, one request after the other. */
abstract class HttpDriver extends Driver {
  protected readonly url: string;
  protected token: string | undefined;
  protected readonly agent = new Agent({ keepAlive: true });

  constructor({ url, token }: Target) {
    super();
    this.url = url;
    this.token = token;
  }

  async send(type: string, payload: unknown, messageId = this.newId()): Promise<AckPayload> {
    const answer = await this.post("/api/messages", { type, payload, messageId });
    const ack = answer.body as Envelope | undefined;
    if (ack?.type !== "ack") throw new Refused(answer);
    if (ack.messageId !== messageId) throw new Error(`an ack of ${ack.messageId} instead of ${messageId}`);
    return ack.payload as AckPayload;
  }

  async sendAll(messages: readonly { type: string; payload: unknown; messageId: string }[]): Promise<AckPayload[]> {
    const answer = await this.post("/api/messages", messages);
    if (answer.status !== 200) throw new Refused(answer);
    const said = answer.body as Envelope[];
    return messages.map(({ messageId }, index) => {
      const ack = said[index];
      if (ack?.type !== "ack" || ack.messageId !== messageId)
        throw new Error(`not the ack of ${messageId}: ${answer.text}`);
      return ack.payload as AckPayload;
    });
  }

  protected post(path: string, body: unknown, signal?: AbortSignal): Promise<HttpAnswer> {
    return ask(this.url, path, { body, token: this.token, agent: this.agent, signal });
  }

  /** A guest who wants to stay the same one says so from now on. */
  protected override hear(envelope: Envelope): void {
    super.hear(envelope);
    if (envelope.type !== "welcome") return;
    const { guestToken } = envelope.payload as { guestToken?: string };
    if (guestToken !== undefined) this.token = guestToken;
  }

  protected refuse(answer: HttpAnswer): void {
    const { error } = (answer.body ?? {}) as { error?: { code: string } };
    this.ended = { code: 0, reason: error?.code ?? answer.text, status: answer.status };
  }

  /** Takes `closed` for the end. Gives whether it was that. */
  protected isEnd(envelope: Envelope): boolean {
    if (envelope.type !== "closed") return false;
    const { code, reason } = envelope.payload as { code: number; reason: string };
    this.ended = { code, reason, status: null };
    return true;
  }
}

/** `POST /api/events`: joining another room is another stream, which resumes the rooms there were. */
class EventStreamDriver extends HttpDriver implements Beginning {
  readonly name = "sse";
  #request: ClientRequest | null = null;
  #response: IncomingMessage | null = null;
  #isPaused = false;

  begin(): Promise<void> {
    return this.#open([]);
  }

  async join(roomId: string, options: JoinOptions = {}): Promise<JoinAnswer> {
    const messageId = this.newId("join");
    const since = this.received.length;
    this.cursors.delete(fullRoomId(roomId));
    await this.#open([{ type: "join_room", payload: { roomId, ...options }, messageId }]);
    return this.answerTo(messageId, since);
  }

  async leave(roomId: string): Promise<void> {
    this.cursors.delete(fullRoomId(roomId));
    await this.#open([]);
    await this.send("leave_room", { roomId });
  }

  pause(): void {
    this.#isPaused = true;
    this.#response?.pause();
  }

  resume(): void {
    this.#isPaused = false;
    this.#response?.resume();
  }

  close(): void {
    this.#drop();
    this.agent.destroy();
  }

  async #open(messages: readonly unknown[]): Promise<void> {
    this.#drop();
    const body = { cursor: new URLSearchParams([...this.cursors]).toString(), messages };
    // A socket of its own: it does not come back.
    const request = startRequest(this.url, "/api/events", { body, token: this.token });
    this.#request = request;
    const response = await responseTo(request);
    this.#response = response;
    if (response.statusCode !== 200) {
      let text = "";
      for await (const chunk of response) text += String(chunk);
      const answer = { status: response.statusCode ?? 0, headers: response.headers, text, body: JSON.parse(text) };
      this.refuse(answer);
      throw new Refused(answer);
    }
    const since = this.received.length;
    const stream = new EventFrames();
    response.setEncoding("utf8");
    response.on("data", (text: string) => {
      if (this.#request !== request) return;
      for (const { event, id, data } of stream.read(text)) {
        const envelope = JSON.parse(data) as Envelope;
        const isEvent = envelope.seq !== undefined;
        const name = envelope.type === "error" ? "refusal" : envelope.type;
        if (isEvent ? event !== null || id === null : event !== name || id !== null) {
          throw new Error(`${envelope.type} came as event ${event} with id ${id}`);
        }
        if (!this.isEnd(envelope)) this.hear(envelope);
      }
    });
    const ended = (): void => {
      if (this.#request === request) this.ended ??= { code: 1006, reason: "", status: null };
    };
    response.on("end", ended);
    response.on("error", ended);
    response.on("close", ended);
    if (this.#isPaused) response.pause();
    else await until(() => this.received.length > since || this.ended !== null);
    const [first] = this.received.slice(since);
    if (first !== undefined && first.type !== "welcome") throw new Error(`A stream began with ${first.type}.`);
  }

  #drop(): void {
    const request = this.#request;
    this.#request = this.#response = null;
    request?.destroy();
  }
}

/** `POST /api/messages/wait`, again and again; with `timeoutMs=0` and a pause between when it is short polling. */
class PollingDriver extends HttpDriver implements Beginning {
  readonly name: "long-polling" | "polling";
  #cursor = "";
  #joins: { type: string; payload: { roomId: string }; messageId: string }[] = [];
  #poll: AbortController | null = null;
  #isPaused = false;
  #isClosed = false;
  #isWelcome = false;

  constructor(name: "long-polling" | "polling", target: Target) {
    super(target);
    this.name = name;
  }

  async begin(): Promise<void> {
    void this.#run();
    await until(() => this.#isWelcome || this.ended !== null);
    if (this.ended !== null) throw new Error(`${this.ended.status} ${this.ended.reason}`);
  }

  join(roomId: string, options: JoinOptions = {}): Promise<JoinAnswer> {
    const messageId = this.newId("join");
    const since = this.received.length;
    this.#forget(roomId);
    this.#joins.push({ type: "join_room", payload: { roomId, ...options }, messageId });
    this.#poll?.abort();
    return this.answerTo(messageId, since);
  }

  async leave(roomId: string): Promise<void> {
    this.#forget(roomId);
    this.cursors.delete(fullRoomId(roomId));
    this.#poll?.abort();
    await this.send("leave_room", { roomId });
  }

  pause(): void {
    this.#isPaused = true;
    this.#poll?.abort();
  }

  resume(): void {
    this.#isPaused = false;
  }

  close(): void {
    this.#isClosed = true;
    this.#poll?.abort();
    this.agent.destroy();
  }

  #forget(roomId: string): void {
    const rooms = new URLSearchParams(this.#cursor);
    rooms.delete(fullRoomId(roomId));
    this.#cursor = rooms.toString();
  }

  async #run(): Promise<void> {
    const path = `/api/messages/wait?timeoutMs=${this.name === "polling" ? 0 : 20_000}`;
    while (!this.#isClosed && this.ended === null) {
      if (this.#isPaused || this.name === "polling") await new Promise((resolve) => setTimeout(resolve, 5));
      if (this.#isPaused || this.#isClosed) continue;
      const poll = new AbortController();
      this.#poll = poll;
      const joins = [...this.#joins];
      const body = { cursor: this.#cursor, messages: joins, ...(this.#isWelcome ? {} : { welcome: true }) };
      let answer: HttpAnswer | null = null;
      try {
        answer = await this.post(path, body, poll.signal);
      } catch (error) {
        if (!poll.signal.aborted) this.ended = { code: 1006, reason: String(error), status: null };
      }
      // An answer that came while it was given up is no answer: what it says comes again.
      if (answer === null || poll.signal.aborted) continue;
      if (answer.status !== 200) this.refuse(answer);
      else this.#take(answer, joins.length);
    }
  }

  #take(answer: HttpAnswer, joined: number): void {
    const { messages, cursor } = answer.body as { messages: Envelope[]; cursor: string };
    this.#joins = this.#joins.slice(joined);
    this.#cursor = cursor;
    for (const [index, envelope] of messages.entries()) {
      if (this.isEnd(envelope)) continue;
      if (envelope.type === "welcome") {
        if (index > 0 || this.#isWelcome) throw new Error("A welcome came that was not asked for, or not first.");
        this.#isWelcome = true;
      }
      this.hear(envelope);
    }
  }
}
