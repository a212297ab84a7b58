import { expect, it } from "vitest";
import type { Notice } from "./bus.ts";
import { noticeFromText, noticeToText, noticeToTextWithin } from "./notice-text.ts";

const bare: Notice = { kind: "event", from: "a", epoch: "e", seq: 2 };
const event = { seq: 2, type: "said", sender: "ann", messageId: null, timestamp: 1, data: "{}" };
const whole: Notice = { ...bare, events: [event], traces: [[2, "said", "00-1-2-01"]] };
const sizeOf = (notice: Notice) => Buffer.byteLength(noticeToText(notice));

it("a notice that is too large leaves without its traces, then without its events, then not at all", () => {
  const within = (bytes: number) => {
    const text = noticeToTextWithin(whole, bytes);
    return text === null ? null : noticeFromText(text);
  };
  expect(within(sizeOf(whole))).toEqual(whole);
  expect(within(sizeOf(whole) - 1)).toEqual({ ...bare, events: [event] });
  expect(within(sizeOf({ ...bare, events: [event] }) - 1)).toEqual(bare);
  expect(within(sizeOf(bare) - 1)).toBeNull();
});
