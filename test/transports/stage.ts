import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { signToken } from "../../src/auth/jwt.ts";
import { type Clock, systemClock } from "../../src/protocol/index.ts";
import type { ServerOptions } from "../../src/server/options.ts";
import { startServer } from "../harness.ts";
import { type Driver, type DriverName, openDriver } from "./drivers.ts";
import { ask, type HttpAnswer, type HttpRequestOptions } from "./http-request.ts";

/** A key of our own, so that tokens can say what tests want. */
const SECRET = "thirty-two bytes of a test's key";

export interface Claims {
  readonly expiresInMs?: number;
  readonly rooms?: Readonly<Record<string, readonly ("read" | "write" | "admin")[]>>;
}

/** A server, and the clients a test opens on it. */
export class Stage {
  readonly server: Awaited<ReturnType<typeof startServer>>;
  readonly #clock: Clock;
  readonly #drivers: Driver[] = [];

  private constructor(server: Awaited<ReturnType<typeof startServer>>, clock: Clock) {
    this.server = server;
    this.#clock = clock;
  }

  static async start(options: ServerOptions = {}): Promise<Stage> {
    const { clock = systemClock } = options;
    return new Stage(await startServer({ auth: { secret: SECRET }, ...options, clock: promptly(clock) }), clock);
  }

  get url(): string {
    return this.server.url;
  }

  token(user: string, { expiresInMs = 3_600_000, rooms }: Claims = {}): Promise<string> {
    const contents = { user, expiresInMs, ...(rooms === undefined ? {} : { rooms }) };
    return signToken(SECRET, contents as Parameters<typeof signToken>[1], this.#clock);
  }

  /** Opens a driver as a user; as a guest when none is named. */
  async open(name: DriverName, user?: string, claims?: Claims): Promise<Driver> {
    const token = user === undefined ? undefined : await this.token(user, claims);
    const driver = await openDriver(name, { url: this.url, token });
    this.#drivers.push(driver);
    return driver;
  }

  /** Asks as a user; without any credential when none is named. */
  async ask(path: string, options: HttpRequestOptions & { user?: string } = {}): Promise<HttpAnswer> {
    const token = options.user === undefined ? options.token : await this.token(options.user);
    return ask(this.url, path, { ...options, token });
  }

  /** Publishes `count` events `{index}` with as many bytes of padding. */
  async fill(count: number, padding = 0, roomId = "room"): Promise<void> {
    const room = this.server.room(roomId);
    const text = "x".repeat(padding);
    for (let index = 1; index <= count; index++) await room.publish("noted", { index, text });
  }

  async cursor(seq: number, roomId = "room"): Promise<string> {
    const { epoch } = await this.server.room(roomId).view();
    return `${epoch}:${seq}`;
  }

  /** What a counter or a gauge of the server stands at; 0 when it is not there. */
  async metric(name: string): Promise<number> {
    const line = (await this.server.metrics()).split("\n").find((text) => text.startsWith(`yamabiko_${name} `));
    return Number(line?.split(" ")[1] ?? 0);
  }

  async end(): Promise<void> {
    for (const driver of this.#drivers) driver.close();
    await this.server.close();
  }
}

/** What is due now runs now, also while the time of a test stands still: a poll with `timeoutMs=0` is answered at once. */
function promptly(clock: Clock): Clock {
  return {
    now: () => clock.now(),
    monotonic: () => clock.monotonic(),
    setTimer(run, delayMs) {
      if (delayMs > 0) return clock.setTimer(run, delayMs);
      const turn = setImmediate(run);
      return { cancel: () => clearImmediate(turn) };
    },
  };
}

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

/** Bytes in buffers that something still holds. */
export function bufferBytes(): number {
  collectGarbage();
  return process.memoryUsage().arrayBuffers;
}

/** `from`, `from + 1`, … `to`. */
export function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, index) => from + index);
}
