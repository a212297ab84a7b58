import { useSyncExternalStore } from "react";

/** Something with a state that changes and tells. */
export interface Store<State> {
  readonly subscribe: (changed: () => void) => () => void;
  readonly getSnapshot: () => State;
}

/** The state of `store`, followed live. */
export function useStore<State>(store: Store<State>): State {
  return useSyncExternalStore(store.subscribe, store.getSnapshot);
}
