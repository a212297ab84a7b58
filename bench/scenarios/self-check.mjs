import { findPrograms } from "../lib/programs.mjs";
import { say } from "../lib/table.mjs";
import { tryPeer } from "../lib/trial.mjs";
import { brokenPeer } from "../peers/peers.mjs";

const open = { name: "check", title: "", mode: /** @type {const} */ ("open"), amount: 200 };
const one = { rooms: 1, members: 50, senders: 1, bodyBytes: 128 };
const many = { rooms: 5, members: 10, senders: 10, bodyBytes: 128 };

/** What each kind of wrong server is asked to do. */
const CHECKS = [
  { faults: ["drop", "repeat", "swap", "alter", "cut"], group: { shape: one, scenarios: [open] } },
  {
    faults: ["drop", "swap", "stray", "unacked", "twice-acked", "wrong-ack"],
    group: { shape: many, scenarios: [{ ...open, amount: 400 }] },
  },
  {
    faults: ["alter", "plain"],
    group: { shape: { ...one, bodyBytes: 4_096, deflate: true }, scenarios: [{ ...open, amount: 50 }] },
  },
];

/**
 * Shows that the benchmark refuses servers that are fast and wrong, in each kind of scenario.
 *
 * @param {import("../lib/options.mjs").Options} options
 * @returns {Promise<boolean>}
 */
export async function runSelfCheck(options) {
  const kinds = options.load === "auto" ? /** @type {const} */ (["c", "node"]) : [options.load];
  let areAllRefused = true;
  for (const kind of kinds) {
    const programs = findPrograms([], kind, say);
    const how = { seconds: 0.5, dist: "", isUrgent: options.isUrgent, programs, drainMs: 500, say };
    for (const { faults, group } of kind === "c" ? CHECKS : CHECKS.slice(0, 1)) {
      for (const fault of [...faults, "nothing"]) {
        const [trial] = await tryPeer(brokenPeer(fault), group, how);
        const isRefused = trial.faults.length > 0;
        const isAsItShould = isRefused === (fault !== "nothing");
        areAllRefused &&= isAsItShould;
        const outcome = isRefused ? `refused: ${trial.faults.join(", ")}` : "accepted";
        say(`${kind.padEnd(5)}${fault.padEnd(14)}${isAsItShould ? "" : "WRONGLY "}${outcome}`);
      }
    }
  }
  return areAllRefused;
}
