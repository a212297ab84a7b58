import type { Clock, Json, JsonObject } from "../protocol/index.ts";
import type { AppendedEvent, AppendedPlace, Lead, OpenRoom, StateView, TickSource, Ticks } from "./namespace.ts";
import { ViewedRoom, viewState } from "./view.ts";

/** A room, as what a namespace keeps of it sees it. */
export class OpenedRoom extends ViewedRoom implements OpenRoom {
  get nodeId(): string {
    return this.room.nodeId;
  }

  get clock(): Clock {
    return this.room.clock;
  }

  get readers(): number {
    return this.room.readers;
  }

  append(event: AppendedEvent): Promise<AppendedPlace> {
    const { type, payload, sender = null, messageId = null, expect, follows, fence } = event;
    // An amendment by what is there already is how a log compares.
    const amend = follows === undefined ? undefined : [{ seq: expect!, expectData: follows, data: follows }];
    return this.room.publish(sender, messageId, { type, data: JSON.stringify(payload) }, { expect, amend, fence });
  }

  refresh(): Promise<void> {
    return this.room.refresh();
  }

  signal(type: string, payload: JsonObject): void {
    this.room.signal(type, payload);
  }

  state(family: string): StateView {
    return viewState(this.room, family, null);
  }

  tell(name: string, data: Json | Uint8Array, to?: string): void {
    this.room.tell(name, data, to ?? null);
  }

  ticks(source: TickSource): Ticks {
    return this.room.startTicks(source);
  }

  pin(): () => void {
    return this.room.pin();
  }

  failure(what: string, error: unknown): void {
    this.room.observer.failure(what, error);
  }

  lead(run: (lead: Lead) => void): () => void {
    return this.room.lead(run);
  }
}
