/**
 * What tests of your own parts need: a contract suite for every seam, a clock and a network that only move when told, a log and
 * a bus that fail on demand, and the checker of delivery. Needs vitest and fast-check installed.
 */
export * from "./bus-contract.ts";
export * from "./checker.ts";
export * from "./fake-clock.ts";
export * from "./fake-socket.ts";
export * from "./faulty-log.ts";
export * from "./history.ts";
export * from "./log-contract.ts";
export * from "./lossy-bus.ts";
