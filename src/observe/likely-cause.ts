import type { CloseClass, CloseReason } from "./closing.ts";

/** One of the ends that are looked at together. */
export interface ClosingSample {
  readonly reason: CloseReason;
  /** When, by the monotonic clock, ms. */
  readonly at: number;
  readonly ageMs: number;
  readonly address: string | null;
}

/** What most likely made many connections end. */
export interface LikelyCause {
  /** Stable, for programs. */
  readonly name: LikelyCauseName;
  /** For people: what it looks like, and what to look at. */
  readonly what: string;
}

export type LikelyCauseName =
  | "process_held_up"
  | "proxy_timeout"
  | "cut_at_once"
  | "one_address"
  | "network_loss"
  | "clients_suspended"
  | "readers_stopped"
  | "message_limits"
  | "clients_changed"
  | "keys_or_clock"
  | "sent_away"
  | "no_token_in_time"
  | "server_failure";

/** Ends this close together came at once, ms. */
const AT_ONCE_MS = 2_000;
/** Ages this close together are the same, ms; or this part of the age. */
const SAME_AGE_MS = 2_000;
const SAME_AGE_SHARE = 0.05;
/** Younger than this nothing is called a time-out, ms. */
const LEAST_TIMEOUT_MS = 5_000;
/** Usual time-outs of proxies and load balancers, s. */
const USUAL_TIMEOUTS = [30, 60, 100, 120, 300, 350, 600, 900, 3_600];
const NEAR_MS = 1_500;
/** The part of all that must agree. */
const MOST = 0.8;

/**
 * Names the likely cause of many ends of one class.
 * @param samples some of them, at least one, oldest first.
 * @param heldUpMs how long this process was held up lately, ms.
 */
export function likelyCause(kind: CloseClass, samples: readonly ClosingSample[], heldUpMs: number): LikelyCause {
  if ((kind === "heartbeat" || kind === "slow" || kind === "network") && heldUpMs >= AT_ONCE_MS) {
    const seconds = (heldUpMs / 1_000).toFixed(1);
    return {
      name: "process_held_up",
      what: `this process did nothing for ${seconds} s, so that nobody was heard: look for what kept the event loop, a machine that was suspended, or one without processor time`,
    };
  }
  if (kind === "network") return causeOfCuts(samples);
  const { name, what } = CAUSES[kind]?.(samples) ?? UNKNOWN;
  return { name, what: isOneAddress(samples) ? `${what}; all came from one address (${samples[0]!.address})` : what };
}

function causeOfCuts(samples: readonly ClosingSample[]): LikelyCause {
  const ages = samples.map(({ ageMs }) => ageMs).sort((a, b) => a - b);
  const age = middle(ages);
  const ageSpread = ages[Math.floor((ages.length - 1) * 0.9)]! - ages[Math.floor((ages.length - 1) * 0.1)]!;
  const closeSpread = samples.at(-1)!.at - samples[0]!.at;
  const isOneAge = age >= LEAST_TIMEOUT_MS && ageSpread <= Math.max(SAME_AGE_MS, age * SAME_AGE_SHARE);
  const isUsual = USUAL_TIMEOUTS.some((seconds) => Math.abs(age - seconds * 1_000) <= NEAR_MS);
  // What was opened together and is cut together has one age as well.
  if (isOneAge && (isUsual || closeSpread > 2 * Math.max(ageSpread, AT_ONCE_MS))) {
    return {
      name: "proxy_timeout",
      what: `all were about ${Math.round(age / 1_000)} s old: a proxy or load balancer ends connections after that time (nginx: proxy_read_timeout); make it longer than the heartbeat`,
    };
  }
  if (mostAtOnce(samples)) {
    return {
      name: "cut_at_once",
      what: `they were cut at once, whatever their age: a proxy, load balancer, firewall or network between here and the clients was restarted, reloaded or failed${isOneAddress(samples) ? "; all came through one address" : ""}`,
    };
  }
  if (isOneAddress(samples)) {
    return {
      name: "one_address",
      what: `all came from one address (${samples[0]!.address}), one after the other: a client that leaves without a goodbye, one network, or a proxy that is not in trustedProxies`,
    };
  }
  return {
    name: "network_loss",
    what: "one after the other, from many addresses and of different ages: a network that loses connections, or clients that leave without a goodbye",
  };
}

const UNKNOWN: LikelyCause = {
  name: "server_failure",
  what: "the server gave them up; the log of the process says why",
};

const CAUSES: { readonly [kind in CloseClass]?: (samples: readonly ClosingSample[]) => LikelyCause } = {
  heartbeat: () => ({
    name: "clients_suspended",
    what: "they fell silent without a word: machines that were suspended, a network that is gone, or a firewall that forgot the connections and drops their packets",
  }),
  slow: () => ({
    name: "readers_stopped",
    what: "they took none of the bytes that waited for them: pages that were suspended, links too slow for what they read, or a network that is gone",
  }),
  limit: (samples) => ({
    name: "message_limits",
    what: mostAre(samples, "too_big")
      ? "their messages were too large (limit messageBytes): a client that sends more than before"
      : "they sent too much or were too many (limits messagesPerSecond, bytesPerSecond, connectionsPerUser): a client in a loop, or a limit too low for its users",
  }),
  protocol: () => ({
    name: "clients_changed",
    what: "what came was not the protocol: a client that was changed, something else that connects, or a proxy that changes frames",
  }),
  auth: (samples) => {
    if (mostAre(samples, "try_later")) {
      return {
        name: "no_token_in_time",
        what: "no token came in time (limit authenticateMs): clients that wait for one, or a page that lost its way of getting one",
      };
    }
    if (mostAre(samples, "forbidden")) {
      return {
        name: "sent_away",
        what: "users were sent away: by the application, an access rule, a ban or a revocation",
      };
    }
    return {
      name: "keys_or_clock",
      what: "their tokens were refused or had expired: a key that was changed, a clock that is wrong, or tokens that clients do not renew",
    };
  },
};

function mostAre(samples: readonly ClosingSample[], reason: CloseReason): boolean {
  return samples.filter((sample) => sample.reason === reason).length >= samples.length * MOST;
}

function isOneAddress(samples: readonly ClosingSample[]): boolean {
  const address = samples[0]!.address;
  return address !== null && samples.every((sample) => sample.address === address);
}

/** Whether most ended within a moment of each other. */
function mostAtOnce(samples: readonly ClosingSample[]): boolean {
  const wanted = Math.ceil(samples.length * MOST);
  for (let last = wanted - 1; last < samples.length; last++) {
    if (samples[last]!.at - samples[last - wanted + 1]!.at <= AT_ONCE_MS) return true;
  }
  return false;
}

function middle(sorted: readonly number[]): number {
  return sorted[Math.floor(sorted.length / 2)]!;
}
