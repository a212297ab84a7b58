import type { LogEvent } from "../log/log.ts";
import type { Json } from "../protocol/index.ts";
import type { Companion } from "../room/companion.ts";
import { type Change, MEMBERS } from "../room/state.ts";
import type { RoomFeature } from "./namespace.ts";
import { viewEvent } from "./view.ts";

/** What a namespace keeps of a room, as the room sees it. */
export class FeatureCompanion implements Companion {
  readonly feature: RoomFeature;

  constructor(feature: RoomFeature) {
    this.feature = feature;
  }

  get speaksForState(): boolean {
    return this.feature.state !== undefined;
  }

  get isBusy(): boolean {
    return this.feature.isBusy === true;
  }

  get bytes(): number {
    return this.feature.bytes ?? 0;
  }

  get trimmable(): number | undefined {
    return this.feature.trimmable;
  }

  stateChanged({ family, key, value, last }: Change): void {
    if (family !== MEMBERS) this.feature.stateChanged?.({ family, key, value, last });
  }

  advanced(event: LogEvent): void {
    this.feature.advanced?.(viewEvent(event));
  }

  jumped(): void {
    this.feature.jumped?.();
  }

  heard(name: string, data: Json | Uint8Array, from: string): void {
    this.feature.heard?.(name, data, from);
  }

  close(): void {
    this.feature.close?.();
  }
}
