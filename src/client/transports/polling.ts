import type { Envelope } from "../../protocol/envelope.ts";
import { ABNORMAL, PROTOCOL_ERROR } from "../close-code.ts";
import { type HttpLink, type HttpOptions, httpTransport, type Reader, SILENT } from "./http.ts";
import type { ClientTransport } from "./transport.ts";

/** What short polling needs of the client's options. */
export interface PollOptions extends HttpOptions {
  readonly pollIntervalMs: number;
}

/** How long a long poll waits for something to happen, ms. */
const WAIT_MS = 18_000;
/** How long an answer may take beyond that, ms. */
const GRACE_MS = 10_000;
const MAX_FAILURES = 3;
const RETRY_MS = 250;
/** An answer that comes sooner than this did not wait, ms. */
const QUICK_MS = 1000;
/**
 * Quick answers without an event are asked for with a pause, ms, that grows while they go on: to less than a second, so that what
 * changes every second is told every second.
 */
const PAUSE_MS = 100;
const MAX_PAUSE_MS = 500;

/** Long polling: a request that waits until there is something to say. */
export function longPollingTransport(options: HttpOptions): ClientTransport {
  return httpTransport("long-polling", options, (link) => pollReader(link, options, WAIT_MS, 0));
}

/** Short polling: a request every `pollIntervalMs`, and after each send. */
export function pollingTransport(options: PollOptions): ClientTransport {
  return httpTransport("polling", options, (link) => pollReader(link, options, 0, options.pollIntervalMs));
}

function pollReader(link: HttpLink, { clock }: HttpOptions, longestMs: number, intervalMs: number): Reader {
  /** The request that waits; it can be cut short when there is something else to ask for. */
  let waiting: AbortController | null = null;
  let isRunning = false;
  /** Whether to ask again without a pause. */
  let again = false;
  let wake = (): void => {};

  const sleep = (ms: number): Promise<void> =>
    new Promise((resolve) => {
      if (again || link.ended || ms === 0) return resolve();
      wake = resolve;
      link.after(ms, resolve);
    });

  const run = async (): Promise<void> => {
    isRunning = true;
    let failures = 0;
    let hasFailed = false;
    /** After a quick answer that brought no event. */
    let pauseMs = 0;
    while (!link.ended) {
      again = false;
      const question = link.question();
      // Where requests that wait are cut, one that does not may be answered.
      const waitMs = question.isUrgent || hasFailed ? 0 : longestMs;
      const stop = new AbortController();
      waiting = waitMs > 0 ? stop : null;
      const startedAt = clock.monotonic();
      const path = `messages/wait?timeoutMs=${waitMs}`;
      const [status, answer] = await link.call(path, question, waitMs + GRACE_MS, stop);
      const isCut = again && waitMs > 0;
      const isQuick = clock.monotonic() - startedAt < QUICK_MS;
      waiting = null;
      if (link.ended) return;
      const { messages, cursor } = (answer ?? {}) as { messages?: Envelope[]; cursor?: string };
      if (status === 200 && messages) {
        hasFailed = false;
        if (waitMs === longestMs) failures = 0;
        link.alive();
        for (const envelope of messages) link.hear(envelope, question);
        link.moveTo(cursor);
        const isIdle = isQuick && !messages.some(({ seq }) => seq);
        pauseMs = isIdle ? Math.min(pauseMs * 1.5 || PAUSE_MS, MAX_PAUSE_MS) : 0;
        await sleep(intervalMs || pauseMs);
      } else if (status > 0 && (!link.welcome || (status > 200 && status < 500)))
        link.refused(status, answer, question);
      else if (!isCut) {
        hasFailed = true;
        if (link.welcome && ++failures < MAX_FAILURES) await sleep(RETRY_MS * (failures - 1));
        else link.end(waitMs > 0 && !isQuick ? PROTOCOL_ERROR : ABNORMAL, SILENT);
      }
    }
  };

  const posted = (): void => {
    again = true;
    wake();
  };

  return {
    posted,
    restart() {
      posted();
      waiting?.abort();
      if (!isRunning) void run();
    },
  };
}
