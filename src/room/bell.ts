import type { Bus, CarriedEvent, CarriedTrace } from "../bus/bus.ts";

/** The most that one notice carries of events, characters of payload; beyond it the other nodes read the log. */
const CARRIED_SIZE = 16 * 1024;
/** The most traces that one notice carries; what is beyond them ends at this node. */
const CARRIED_TRACES = 32;

export interface BellParts {
  readonly roomId: string;
  readonly bus: Bus;
  readonly nodeId: string;
  /** Whether another node has the room open. */
  readonly isHeard: () => boolean;
  /** Whether anybody can use more than the seq: another node has the room open, and its log lets it take events by the bus. */
  readonly carries: () => boolean;
}

/**
 * Tells the other nodes what is new in a room's log. What one turn of the event loop appended is one notice: the newest seq,
 * and with it the events, where they are few enough and somebody is there for them.
 */
export class Bell {
  readonly #parts: BellParts;
  #epoch = "";
  #seq = 0;
  #events: CarriedEvent[] = [];
  #traces: CarriedTrace[] = [];
  #size = 0;
  #isRinging = false;

  constructor(parts: BellParts) {
    this.#parts = parts;
  }

  /** There is this seq in the log. `event` is what stands there; null when it amends another, and when this node cannot tell, as after a repetition. `trace` when it is traced. */
  ring(epoch: string, seq: number, event: CarriedEvent | null, trace: CarriedTrace | null = null): void {
    if (epoch !== this.#epoch) this.#send();
    this.#epoch = epoch;
    this.#seq = Math.max(this.#seq, seq);
    if (event !== null && this.#size <= CARRIED_SIZE && this.#parts.carries()) {
      this.#size += event.data.length;
      this.#events.push(event);
    }
    if (trace !== null && this.#traces.length < CARRIED_TRACES && this.#parts.isHeard()) this.#traces.push(trace);
    if (this.#isRinging) return;
    this.#isRinging = true;
    // After the answers to all appends of this turn.
    process.nextTick(() => {
      this.#isRinging = false;
      this.#send();
    });
  }

  #send(): void {
    if (this.#seq === 0) return;
    const { roomId, bus, nodeId } = this.#parts;
    const events = this.#size <= CARRIED_SIZE && this.#events.length > 0 ? { events: this.#events } : {};
    const traces = this.#traces.length > 0 ? { traces: this.#traces } : {};
    bus.publish(roomId, { kind: "event", from: nodeId, epoch: this.#epoch, seq: this.#seq, ...events, ...traces });
    this.#seq = 0;
    this.#events = [];
    this.#traces = [];
    this.#size = 0;
  }
}
