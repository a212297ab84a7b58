import { describe, expect, it } from "vitest";
import { systemClock } from "../protocol/index.ts";
import { createSystemGauge } from "./system-gauge.ts";

describe("the gauge of the system", () => {
  it("reads numbers that a machine can have", async () => {
    const gauge = createSystemGauge(systemClock);
    await new Promise((resolve) => setTimeout(resolve, 50));
    const reading = gauge.read();
    gauge.close();
    for (const value of Object.values(reading)) expect(value).toBeGreaterThanOrEqual(0);
    expect(reading.cpu).toBeLessThanOrEqual(100);
    expect(reading.memory).toBeLessThan(100);
    expect(reading.rss_mb).toBeGreaterThan(reading.heap_mb);
  });

  it("notices that the event loop was kept, and that this process was busy", async () => {
    const gauge = createSystemGauge(systemClock);
    await new Promise((resolve) => setTimeout(resolve, 50));
    gauge.read();
    const until = performance.now() + 150;
    while (performance.now() < until) Math.sqrt(until);
    await new Promise((resolve) => setTimeout(resolve, 50));
    const reading = gauge.read();
    gauge.close();
    expect(reading.event_loop_ms).toBeGreaterThan(50);
    expect(reading.process_cpu).toBeGreaterThan(5);
  });
});
