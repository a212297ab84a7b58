/** What was found about one thing, in plain words. */
export interface Finding {
  /** `wrong`: it will not work, or not keep what it promises. `warning`: it works, with something to know. */
  readonly state: "ok" | "warning" | "wrong";
  /** What is so, and what it means. */
  readonly what: string;
  /** What to do about it; null for what is well. */
  readonly remedy: string | null;
}

export function ok(what: string): Finding {
  return { state: "ok", what, remedy: null };
}

export function warning(what: string, remedy: string): Finding {
  return { state: "warning", what, remedy };
}

export function wrong(what: string, remedy: string): Finding {
  return { state: "wrong", what, remedy };
}

/** How far a clock may be from ours before it matters, ms. */
const CLOCK_WARNING_MS = 1_000;
const CLOCK_WRONG_MS = 30_000;

/** What it means that another clock is so far ahead of ours (or behind, when negative), ms. */
export function clockFinding(name: string, aheadMs: number): Finding {
  const off = Math.abs(Math.round(aheadMs));
  if (off < CLOCK_WARNING_MS) return ok(`The clock of ${name} is ${off} ms from ours.`);
  const what = `The clock of ${name} is ${(off / 1_000).toFixed(1)} s ${aheadMs > 0 ? "ahead of" : "behind"} ours: times in messages, and when tokens expire, differ between nodes.`;
  return (off < CLOCK_WRONG_MS ? warning : wrong)(what, "Let NTP (such as chrony) set both clocks.");
}
