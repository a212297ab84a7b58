import { jsonClientCodec } from "../../../src/client/codec.ts";
import { msgpack } from "../../../src/client/msgpack.ts";
import { type HistorySink, RecordedClient } from "../recorded-client.ts";
import type { Participant, ParticipantPlan } from "./participant.ts";

/** A client of the SDK that comes by one transport. */
export class YamabikoParticipant extends RecordedClient implements Participant {
  constructor(history: HistorySink, { name, token, wsUrl, transport, codec }: ParticipantPlan) {
    super(history, name, wsUrl, {
      token,
      transports: [transport],
      codec: codec === "json" ? jsonClientCodec : msgpack(),
      reconnectInterval: 250,
      maxReconnectInterval: 2_000,
      ackTimeoutMs: 3_000,
      pollIntervalMs: 500,
    });
  }

  seqOf(roomId: string): number {
    const room = this.rooms.get(roomId);
    return room?.status === "joined" ? room.seq : -1;
  }
}
