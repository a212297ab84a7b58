import type { Timer } from "../../protocol/clock.ts";
import type { Envelope } from "../../protocol/envelope.ts";
import { ABNORMAL, PROTOCOL_ERROR } from "../close-code.ts";
import type { TransportChoice } from "../options.ts";
import { SILENT } from "./http.ts";
import { longPollingTransport, pollingTransport } from "./polling.ts";
import { sseTransport } from "./sse.ts";
import type { ClientTransport, TransportEvents, TransportLink, TransportName, TransportTarget } from "./transport.ts";
import { webSocketTransport } from "./websocket.ts";

const MAKERS: Readonly<Record<TransportName, TransportChoice>> = {
  websocket: webSocketTransport,
  sse: sseTransport,
  "long-polling": longPollingTransport,
  polling: pollingTransport,
};

/** The transports of the option `transports` as one, that comes by the best of them that gets through. */
export const anyTransport: TransportChoice = (options) => {
  const names = options.transports ?? (Object.keys(MAKERS) as TransportName[]);
  const rungs = names.map((name) => MAKERS[name](options));
  return rungs.length === 1 ? rungs[0]! : ladder(rungs, options);
};

/** How long a rung has to open, or an HTTP one until `welcome`, while there is another below, ms. */
const PATIENCE_MS = 3_000;
/** From the opening of a WebSocket to `welcome`, ms: the server takes 5 s for the token. A probe has as much, nobody waits for it. */
const LONG_PATIENCE_MS = 6_000;
/** A better rung that opened and did not work is left alone so long, ms. */
const BARRED_MS = 120_000;
/** What worked is remembered so long, ms. */
const MEMORY_MS = 3_600_000;

/** A link of one transport. */
interface Rung {
  readonly index: number;
  link?: TransportLink;
  /** How long it still has to open, or to be welcomed. */
  patience?: Timer;
  isWelcome?: boolean;
}

/**
 * Transports as one, best first. A way that is barred is left for the next one down; from there the better ones are tried
 * again in the background.
 *
 * An attempt starts with what worked last. It goes down a rung when the way is at fault: a WebSocket that is refused
 * or does not open in time, a stream that is held back. It is over, and the client's backoff runs, when the server answers
 * (a refusal is the same on every way) or when nothing answers at all over HTTP either: then it is down, and asking
 * on every way would only be more load when it comes back.
 *
 * There is one link at a time, so the transport is its own link.
 */
function ladder(
  rungs: readonly ClientTransport[],
  { clock, url, probeIntervalMs }: Parameters<TransportChoice>[0],
): ClientTransport & TransportLink {
  const key = `yamabiko:transport:${url}`;
  const [name, at] = (stored((storage) => storage.getItem(key)) ?? "").split(" ");
  const isRecent = Number(at) > clock.now() - MEMORY_MS;
  /** What worked last. -1 when nothing is known; an earlier page's word for the first rung is not enough to rely on it. */
  let worked = (isRecent && rungs.findIndex((rung) => rung.name === name)) || -1;
  /** Attempts since something worked. */
  let attempts = 0;
  /** By rung, when it may be tried again. */
  const barredUntil: number[] = [];
  let target: TransportTarget;
  let events: TransportEvents;
  /** Whether this attempt goes down the ladder. */
  let mayFall: boolean;
  let current: Rung = { index: 0 };
  /** A better one that is being tried out. */
  let probe: Rung | null = null;
  /** Where it came from, while an adopted rung has not been welcomed. */
  let back: number | null = null;
  /** Until the next probes. */
  let timer: Timer | null = null;
  let intervalMs: number;
  /** Of the probes of one round. */
  let token: string | null;

  /** Nothing of the current rung is heard any more, and no better one is looked for. */
  const leave = (): TransportLink | undefined => {
    const { index, link, patience } = current;
    timer?.cancel();
    patience?.cancel();
    probe?.patience?.cancel();
    probe?.link?.drop();
    timer = probe = back = null;
    current = { index };
    return link;
  };

  const use = (index: number): void => {
    leave();
    current = { index };
    open(current, index < rungs.length - 1 ? PATIENCE_MS : 0, target);
  };

  const open = (rung: Rung, patienceMs: number, to: TransportTarget): void => {
    const transport = rungs[rung.index]!;
    if (patienceMs > 0) wait(rung, patienceMs);
    rung.link = transport.open(to, {
      opened() {
        // Over HTTP this says nothing yet; `welcome` does.
        if (isWebSocket(transport)) {
          if (rung === probe) return adopt(rung);
          if (rung.patience) wait(rung, LONG_PATIENCE_MS);
        }
        if (rung === current) events.opened();
      },
      received(value) {
        const isWelcome = (value as Envelope | null)?.type === "welcome";
        if (isWelcome && rung === probe) adopt(rung);
        if (rung !== current) return;
        if (isWelcome) welcomed(rung);
        events.received(value);
      },
      alive: () => rung === current && events.alive(),
      closed: (code, reason) => closed(rung, code, reason),
    });
  };

  const wait = (rung: Rung, ms: number): void => {
    rung.patience?.cancel();
    rung.patience = clock.setTimer(() => {
      rung.link?.drop();
      closed(rung, PROTOCOL_ERROR, SILENT);
    }, ms);
  };

  const welcomed = (rung: Rung): void => {
    rung.patience?.cancel();
    rung.isWelcome = true;
    back = null;
    attempts = 0;
    worked = rung.index;
    stored((storage) => storage.setItem(key, `${rungs[worked]!.name} ${clock.now()}`));
    plan();
  };

  const closed = (rung: Rung, code: number, reason: string): void => {
    const { index, isWelcome, patience } = rung;
    patience?.cancel();
    if (rung === probe) {
      probe = null;
      tryOut(index + 1);
    }
    if (rung !== current) return;
    // An HTTP transport tells a way that is barred from a server that is not there; a WebSocket cannot.
    const isBarred = code === PROTOCOL_ERROR || (code === ABNORMAL && !isWelcome && isWebSocket(rungs[index]!));
    if (isBarred && (isWelcome || back !== null)) barredUntil[index] = clock.monotonic() + BARRED_MS;
    const next = back ?? index + 1;
    if (isBarred && mayFall && next < rungs.length) return use(next);
    leave();
    events.closed(code, reason);
  };

  /** Looks after a while whether a better way works. */
  const plan = (): void => {
    timer?.cancel();
    if (current.index === 0) return;
    timer = clock.setTimer(() => {
      timer = null;
      intervalMs = Math.min(intervalMs * 1.5, probeIntervalMs * 2);
      target.askToken((given) => {
        token = given ?? null;
        if (given === undefined) plan();
        else tryOut(0);
      });
    }, intervalMs);
  };

  /** Tries out the best of the better rungs from `index` on; when there is none, another time. */
  const tryOut = (index: number): void => {
    if (!current.isWelcome) return;
    if (index >= current.index) return plan();
    if (barredUntil[index]! > clock.monotonic()) return tryOut(index + 1);
    probe = { index };
    open(probe, LONG_PATIENCE_MS, { ...target, token });
  };

  /** Goes on with the probe: it is as good as a new connection, on which everything is said again. */
  const adopt = (better: Rung): void => {
    const { index, link } = current;
    current = better;
    probe = null;
    back = index;
    link?.drop();
    wait(better, LONG_PATIENCE_MS);
    events.opened();
  };

  const self: ClientTransport & TransportLink = {
    get name() {
      return rungs[current.index]!.name;
    },
    get backlogBytes() {
      return current.link?.backlogBytes ?? 0;
    },
    open(to, told) {
      target = to;
      events = told;
      intervalMs = probeIntervalMs;
      const isFirst = attempts++ === 0;
      // The best way just broke: most likely not because of the way.
      mayFall = !isFirst || worked !== 0;
      use(isFirst && worked > 0 ? worked : 0);
      return self;
    },
    send: (envelopes) => current.link?.send(envelopes),
    close: (code, reason) => leave()?.close(code, reason),
    drop: () => leave()?.drop(),
    woke() {
      intervalMs = probeIntervalMs;
      if (timer) plan();
    },
  };
  return self;
}

function isWebSocket({ name }: ClientTransport): boolean {
  return name === "websocket";
}

/** The Web Storage of the tab, which may be missing, full, or forbidden. */
function stored<T>(use: (storage: Storage) => T): T | undefined {
  try {
    return use(sessionStorage);
  } catch {
    return undefined;
  }
}
