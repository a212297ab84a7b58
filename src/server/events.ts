import type { AbnormalDisconnects, DisconnectsSettled } from "../observe/disconnect-watch.ts";

/** What a server tells its application, by name. */
export interface ServerEvents {
  /** More connections ended badly than usual. */
  abnormal_disconnects: AbnormalDisconnects;
  /** That is over. */
  disconnects_settled: DisconnectsSettled;
}

/** Who is told what. */
export interface Events {
  /** Calls `listener` each time. Returns the way to take it back. */
  on<Name extends keyof ServerEvents>(name: Name, listener: (event: ServerEvents[Name]) => void): () => void;
  emit<Name extends keyof ServerEvents>(name: Name, event: ServerEvents[Name]): void;
}

/** @param onFailure told what a listener threw; it costs nobody else. */
export function createEvents(onFailure: (error: unknown) => void): Events {
  const listeners = new Map<string, Set<(event: never) => void>>();
  return {
    on(name, listener) {
      const all = listeners.get(name) ?? new Set();
      listeners.set(name, all);
      all.add(listener);
      return () => void all.delete(listener);
    },
    emit(name, event) {
      for (const listener of Array.from(listeners.get(name) ?? [])) {
        try {
          listener(event as never);
        } catch (error) {
          onFailure(error);
        }
      }
    },
  };
}
