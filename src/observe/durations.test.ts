import { Histogram, Registry } from "prom-client";
import { describe, expect, it } from "vitest";
import { Durations } from "./durations.ts";

describe("durations", () => {
  it("are exported as prom-client exports a histogram of the same values", async () => {
    const bounds = [0.001, 0.005, 0.25];
    const [ours, theirs] = [new Registry(), new Registry()];
    const durations = new Durations("d_seconds", "what took so long", bounds, ours);
    const histogram = new Histogram({
      name: "d_seconds",
      help: "what took so long",
      buckets: bounds,
      registers: [theirs],
    });
    expect(await ours.metrics()).toBe(await theirs.metrics());
    for (const ms of [0, 0.5, 1, 1.5, 5, 250, 251, 10_000]) {
      durations.observe(ms);
      histogram.observe(ms / 1000);
    }
    expect(await ours.metrics()).toBe(await theirs.metrics());
  });
});
