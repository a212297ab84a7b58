import { describe, expect, it } from "vitest";
import type { CloseClass, CloseReason } from "./closing.ts";
import { type ClosingSample, likelyCause } from "./likely-cause.ts";

const REASON: { readonly [kind in CloseClass]?: CloseReason } = {
  network: "aborted",
  heartbeat: "heartbeat_timeout",
  slow: "heartbeat_timeout",
  auth: "unauthenticated",
  limit: "too_many",
  protocol: "policy",
  server: "server_error",
};

function samples(kind: CloseClass, each: (index: number) => Partial<ClosingSample>): ClosingSample[] {
  return Array.from({ length: 20 }, (_, index) => ({
    reason: REASON[kind]!,
    at: index,
    ageMs: 1_000 * index,
    address: `192.0.2.${index}`,
    ...each(index),
  }));
}

const nameOf = (kind: CloseClass, each: (index: number) => Partial<ClosingSample> = () => ({}), heldUpMs = 0) =>
  likelyCause(kind, samples(kind, each), heldUpMs).name;

describe("the likely cause of many ends", () => {
  it("is a proxy's time-out when all are equally old, and end one after the other", () => {
    expect(nameOf("network", (index) => ({ at: 450 * index, ageMs: 60_000 + index }))).toBe("proxy_timeout");
    expect(nameOf("network", (index) => ({ at: 450 * index, ageMs: 47_000 + index }))).toBe("proxy_timeout");
    const [cut] = [samples("network", (index) => ({ at: 450 * index, ageMs: 60_200 + index }))];
    expect(likelyCause("network", cut, 0).what).toContain("about 60 s old");
  });

  it("is a usual time-out also when they came together and end together, and else is not", () => {
    expect(nameOf("network", () => ({ ageMs: 60_300 }))).toBe("proxy_timeout");
    expect(nameOf("network", () => ({ ageMs: 47_000 }))).toBe("cut_at_once");
  });

  it("is something between when they are cut at once, whatever their age", () => {
    expect(nameOf("network")).toBe("cut_at_once");
    expect(nameOf("network", () => ({ address: "192.0.2.1" }))).toBe("cut_at_once");
    // Most of them do.
    expect(nameOf("network", (index) => ({ at: index < 17 ? 9_000 + index : 0 }))).toBe("cut_at_once");
  });

  it("is one address, or the network, when they end one after the other", () => {
    expect(nameOf("network", (index) => ({ at: 450 * index, address: "192.0.2.1" }))).toBe("one_address");
    expect(nameOf("network", (index) => ({ at: 450 * index }))).toBe("network_loss");
  });

  it("is this process when that was held up", () => {
    for (const kind of ["network", "heartbeat", "slow"] as const) {
      expect(nameOf(kind, () => ({}), 5_000)).toBe("process_held_up");
    }
    expect(nameOf("auth", () => ({}), 5_000)).toBe("keys_or_clock");
  });

  it("is told apart by the kind of end", () => {
    expect(nameOf("heartbeat")).toBe("clients_suspended");
    expect(nameOf("slow")).toBe("readers_stopped");
    expect(nameOf("limit")).toBe("message_limits");
    expect(nameOf("protocol")).toBe("clients_changed");
    expect(nameOf("auth")).toBe("keys_or_clock");
    expect(nameOf("auth", () => ({ reason: "forbidden" }))).toBe("sent_away");
    expect(nameOf("auth", () => ({ reason: "try_later" }))).toBe("no_token_in_time");
    const alike = samples("limit", () => ({ address: "192.0.2.1" }));
    expect(likelyCause("limit", alike, 0).what).toContain("all came from one address (192.0.2.1)");
    expect(nameOf("server")).toBe("server_failure");
  });

  it("is also found when no address is known", () => {
    expect(nameOf("network", (index) => ({ at: 450 * index, address: null }))).toBe("network_loss");
    expect(nameOf("limit", () => ({ address: null, reason: "too_big" }))).toBe("message_limits");
  });
});
