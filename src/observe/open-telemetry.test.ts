import { describe, expect, it } from "vitest";
import { createTracing } from "./open-telemetry.ts";

const parts = { version: "0", onFailure: () => {} };

describe("OpenTelemetry", () => {
  it("is left alone where its package is not installed", async () => {
    for (const code of ["ERR_MODULE_NOT_FOUND", "MODULE_NOT_FOUND"]) {
      const missing = Object.assign(new Error("Cannot find package"), { code });
      expect(await createTracing(parts, () => Promise.reject(missing))).toBeNull();
    }
    const broken = new Error("broken");
    await expect(createTracing(parts, () => Promise.reject(broken))).rejects.toBe(broken);
  });

  it("collects nothing, and lets everything happen, while the application has set up no SDK", async () => {
    const tracing = (await createTracing(parts))!;
    const message = tracing.received("send_message", "websocket", null);
    message.about("chat", "chat:room");
    expect(message.run(() => 7)).toBe(7);
    const append = tracing.appending("chat:room", "new_message", message);
    expect(append.traceparent).toBeNull();
    append.appended(false);
    append.delivered(1);
    message.refused("internal");
    message.end();
    expect(tracing.heard("chat:room", "new_message", "no traceparent")).toBeNull();
    await tracing.flush();
  });

  it("tells of a provider that cannot send its spans, and ends all the same", async () => {
    const failures: unknown[] = [];
    const failure = new Error("no collector");
    const api = {
      trace: { getTracer: () => ({}), getTracerProvider: () => ({ forceFlush: () => Promise.reject(failure) }) },
    };
    const onFailure = (error: unknown): void => void failures.push(error);
    const tracing = (await createTracing({ version: "0", onFailure }, () => Promise.resolve(api)))!;
    await tracing.flush();
    expect(failures).toEqual([failure]);
  });
});
