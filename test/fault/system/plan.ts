import type { FaultKind } from "./faults.ts";
import type { ParticipantKind, ParticipantPlan } from "./participant.ts";

/** What a run is. */
export interface RunPlan {
  readonly name: string;
  readonly seed: number;
  readonly participants: ParticipantKind;
  readonly nodes: number;
  /** Processes of clients. */
  readonly processes: number;
  readonly clients: number;
  readonly rooms: number;
  /** What clients come by, one after the other; as often as listed. */
  readonly transports: readonly ParticipantPlan["transport"][];
  readonly ratePerSecond: number;
  readonly inFlight: number;
  readonly freshShare: number;
  readonly askEveryMs: number;
  readonly appendfsync: "always" | "everysec";
  /** Acknowledged messages at least. */
  readonly acked: number;
  /** How often each fault is done. */
  readonly faults: Readonly<Partial<Record<FaultKind, number>>>;
  readonly needsFullDisk: boolean;
  /** After so long nothing is sent any more, however much was acknowledged, ms. */
  readonly longestMs: number;
  /** So long without any acknowledgement, and something is stuck, ms. */
  readonly stallMs: number;
  /** With a number, a fault comes only so long after the end of the one before it, ms; else up to three at once. */
  readonly gapMs: number | null;
  /** How long it may take until every message is answered when all faults are over, ms. */
  readonly settleMs: number;
  /** How long everybody may take then to be handed everything, ms. */
  readonly reachMs: number;
}

const ALL_TRANSPORTS: RunPlan["transports"] = [
  "websocket",
  "sse",
  "websocket",
  "long-polling",
  "websocket",
  "polling",
  "websocket",
  "sse",
  "websocket",
  "long-polling",
];

const COMMON = {
  participants: "yamabiko",
  nodes: 3,
  processes: 4,
  clients: 40,
  rooms: 20,
  transports: ALL_TRANSPORTS,
  inFlight: 30,
  freshShare: 0.3,
  askEveryMs: 250,
  appendfsync: "always",
  needsFullDisk: true,
  stallMs: 90_000,
  gapMs: null,
  settleMs: 60_000,
  reachMs: 60_000,
} as const satisfies Partial<RunPlan>;

/** The plans by name. */
export const PLANS = {
  short: {
    ...COMMON,
    name: "short",
    seed: 20_261_126,
    ratePerSecond: 1_500,
    acked: 50_000,
    longestMs: 8 * 60_000,
    faults: {
      "node killed": 6,
      "node killed, replies swallowed": 2,
      "Redis killed": 3,
      "clients killed": 3,
      "nginx killed": 1,
      "node cut off from Redis": 10,
      "node stopped": 1,
      "Redis stopped": 1,
      "clients half-open": 1,
      "clients cut off": 1,
      "replies torn": 1,
      "subscriptions killed": 1,
      "connections to Redis killed": 1,
      "output buffers shrunk": 1,
      "nodes restarted in turn": 1,
      "clock moved": 1,
      "memory full": 1,
      "disk full": 1,
    },
  },
  long: {
    ...COMMON,
    name: "long",
    seed: 20_261_127,
    ratePerSecond: 1_700,
    acked: 1_000_000,
    longestMs: 19 * 60_000,
    faults: {
      "node killed": 80,
      "node killed, replies swallowed": 20,
      "Redis killed": 40,
      "clients killed": 40,
      "nginx killed": 20,
      "node cut off from Redis": 50,
      "node stopped": 14,
      "Redis stopped": 14,
      "clients half-open": 15,
      "clients cut off": 15,
      "replies torn": 8,
      "subscriptions killed": 10,
      "connections to Redis killed": 10,
      "output buffers shrunk": 5,
      "nodes restarted in turn": 5,
      "clock moved": 8,
      "memory full": 4,
      "disk full": 4,
    },
  },
  /** One fault at a time, to see how long each kind is felt. */
  recovery: {
    ...COMMON,
    name: "recovery",
    seed: 20_261_130,
    ratePerSecond: 400,
    acked: 0,
    longestMs: 15 * 60_000,
    freshShare: 0,
    gapMs: 10_000,
    faults: {
      "node killed": 5,
      "node killed, replies swallowed": 3,
      "node stopped": 3,
      "nodes restarted in turn": 2,
      "node cut off from Redis": 6,
      "Redis killed": 5,
      "Redis stopped": 3,
      "subscriptions killed": 3,
      "connections to Redis killed": 3,
      "nginx killed": 3,
      "clients killed": 3,
      "clients cut off": 3,
    },
  },
  /** The data of Redis is lost: epochs must end, and everybody must be told. */
  loss: {
    ...COMMON,
    name: "loss",
    seed: 20_261_128,
    ratePerSecond: 800,
    acked: 15_000,
    longestMs: 5 * 60_000,
    faults: { "log deleted": 2, "log cut": 2, "node killed": 2, "node cut off from Redis": 2 },
  },
  /** The same for Socket.IO with its Redis adapter: a harness that finds nothing here would be believed nothing. */
  control: {
    ...COMMON,
    name: "control",
    participants: "socket.io",
    transports: ["websocket"],
    seed: 20_261_129,
    ratePerSecond: 800,
    acked: 10_000,
    longestMs: 5 * 60_000,
    askEveryMs: 0,
    reachMs: 3_000,
    faults: {
      "node killed": 3,
      "clients killed": 2,
      "node cut off from Redis": 3,
      "nginx killed": 1,
      "clients cut off": 1,
    },
  },
} as const satisfies Readonly<Record<string, RunPlan>>;

/** The name of a plan. */
export type PlanName = keyof typeof PLANS;
