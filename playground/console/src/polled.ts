import { useCallback, useEffect, useRef, useState } from "react";
import { ApiError } from "./api.ts";
import { useOperator } from "./operator.tsx";

/** What was last answered, and why there is nothing newer. */
export interface Polled<T> {
  readonly value: T | null;
  readonly error: ApiError | null;
  /** Asks at once. */
  readonly again: () => void;
}

/** Asks now and then while the page is looked at. What was known stays when an answer fails. `key` says what is asked. */
export function usePolled<T>(ask: () => Promise<T>, everyMs: number, key: string): Polled<T> {
  const { expired } = useOperator();
  const [state, setState] = useState<{ key: string; value: T | null; error: ApiError | null }>({
    key,
    value: null,
    error: null,
  });
  const asking = useRef(ask);
  asking.current = ask;
  const current = useRef(key);
  current.current = key;
  const again = useCallback(async (): Promise<void> => {
    const asked = current.current;
    try {
      const value = await asking.current();
      if (asked === current.current) setState({ key: asked, value, error: null });
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (error.status === 401) expired();
      else if (asked === current.current) {
        setState((before) => ({ key: asked, value: before.key === asked ? before.value : null, error }));
      }
    }
  }, [expired]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: another key is another question.
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout>;
    let isOver = false;
    const go = async (): Promise<void> => {
      if (document.visibilityState === "visible") await again();
      if (!isOver) timer = setTimeout(() => void go(), everyMs);
    };
    void go();
    return () => {
      isOver = true;
      clearTimeout(timer);
    };
  }, [again, everyMs, key]);
  return {
    value: state.key === key ? state.value : null,
    error: state.key === key ? state.error : null,
    again: () => void again(),
  };
}
