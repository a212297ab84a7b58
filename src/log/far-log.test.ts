import { describe, expect, it } from "vitest";
import { FarLog } from "./far-log.ts";

class Far extends FarLog {
  constructor() {
    super({ isUp: true, close() {} }, "nobody", null);
  }

  laneOf = (): string => "";
  carry = async (): Promise<never[]> => [];
  answered = (epoch: string, seq: number, at = 0) => this.answerOf("room", 0, epoch, seq, at);
  get stands() {
    return this.known.get("room");
  }
}

describe("how far a log that is elsewhere was seen", () => {
  it("moves on with what others told of its epoch, and never back to an older epoch", () => {
    const log = new Far();
    log.seen("room", "e1", 3);
    expect(log.stands).toMatchObject({ epoch: "e1", head: 3 });
    log.answered("e2", 4);
    log.seen("room", "e1", 9);
    expect(log.stands).toMatchObject({ epoch: "e2", head: 4 });
    log.seen("room", "e2", 5);
    expect(log.stands).toMatchObject({ epoch: "e2", head: 5 });
  });

  it("is marked by the newest event of which it is known when it was appended, whoever told it", () => {
    const log = new Far();
    log.answered("e1", 2, 200);
    log.seen("room", "e1", 4, 400);
    expect(log.stands).toEqual({ epoch: "e1", head: 4, mark: { seq: 4, at: 400 } });
    log.seen("room", "e1", 6);
    log.seen("room", "e1", 3, 300);
    expect(log.stands).toEqual({ epoch: "e1", head: 6, mark: { seq: 4, at: 400 } });
    log.seen("room", "e2", 9, 900);
    expect(log.stands).toMatchObject({ epoch: "e1", mark: { seq: 4 } });
  });
});
