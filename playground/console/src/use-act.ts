import { useCallback } from "react";
import { ApiError, act } from "./api.ts";
import { useStrings } from "./language.tsx";
import { useOperator } from "./operator.tsx";

/** Does something, and says that it is done or why it is not. Resolves to whether it is. */
export function useAct(): (path: string, body: object, done: string) => Promise<boolean> {
  const strings = useStrings();
  const { toast, expired } = useOperator();
  return useCallback(
    async (path, body, done) => {
      try {
        await act(path, body);
        toast(done);
        return true;
      } catch (error) {
        if (!(error instanceof ApiError)) throw error;
        if (error.status === 401) expired();
        else toast(strings.failed(error.remedy === null ? error.message : `${error.message} ${error.remedy}`), true);
        return false;
      }
    },
    [strings, toast, expired],
  );
}
