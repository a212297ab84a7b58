import { describe } from "vitest";
import { appendContract } from "./log-contract-append.ts";
import { endContract } from "./log-contract-end.ts";
import { eraseContract } from "./log-contract-erase.ts";
import { keepContract } from "./log-contract-keep.ts";
import { leaseContract } from "./log-contract-lease.ts";
import { modelContract } from "./log-model.ts";
import { type LogHarness, type LogTraits, useLog } from "./log-subject.ts";

export type { LogHarness, LogTraits };

/**
 * The contract of `Log` as tests of vitest (which, with fast-check, must be installed): call it at the top of a test file.
 * Every test has a harness of its own; rooms and users have random names, so that a storage may be shared.
 */
export function logContract(name: string, create: () => Promise<LogHarness>, traits: LogTraits = {}): void {
  describe(`log: ${name}`, () => {
    const subject = useLog(create, traits);
    appendContract(subject);
    keepContract(subject);
    leaseContract(subject);
    eraseContract(subject);
    endContract(subject);
    modelContract(subject);
  });
}
