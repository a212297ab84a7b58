import type { EncodableEvent } from "../../codec/codec.ts";
import type { Envelope } from "../../protocol/index.ts";
import type { Room } from "../../room/room.ts";
import type { Format, Sink } from "../../room/sink.ts";
import type { Subscription } from "../../room/subscription.ts";

/** Told of one message of the room; `payload` gives it, for whoever wants it. */
export type OnRoomMessage = (
  message: { readonly type: string; readonly bytes: number; readonly seq: number | null },
  payload: () => unknown,
) => void;

/** How many there were: formats of the same id share what was made. */
let taps = 0;

/** Looks at what a room's live readers are given: one more reader, whose bytes nobody gets. */
export class RoomTap implements Sink {
  readonly room: Room;
  readonly writable = true;
  readonly format: Format;
  readonly #subscription: Subscription;

  constructor(room: Room, told: OnRoomMessage) {
    this.room = room;
    this.format = {
      id: `tap-${++taps}`,
      event: ({ type, seq, data }: EncodableEvent) => {
        told({ type, seq, bytes: Buffer.byteLength(data) }, () => data);
        return NOTHING;
      },
      envelope: (envelope: Envelope) => {
        const { type, payload, seq = null } = envelope;
        told({ type, seq, bytes: Buffer.byteLength(JSON.stringify(payload) ?? "") }, () => JSON.stringify(payload));
        return NOTHING;
      },
    };
    this.#subscription = room.subscribe(this, { epoch: room.epoch, start: room.head, lost: null, recovered: true });
    this.#subscription.pump();
  }

  deliver(): void {}

  close(): void {
    this.#subscription.close();
  }
}

const NOTHING = Buffer.alloc(0);
