import { useCallback, useEffect, useState } from "react";
import { type ListedDashboard, listDashboards } from "./dashboards-api.ts";

const EVERY_MS = 5_000;

/** The dashboards there are, asked for now and then, and the way to ask at once. */
export function useDashboards(token: () => Promise<string>): [readonly ListedDashboard[], () => void] {
  const [listed, setListed] = useState<readonly ListedDashboard[]>([]);
  const ask = useCallback(async (): Promise<void> => {
    if (document.visibilityState === "hidden") return;
    try {
      const next = await listDashboards(await token());
      setListed((before) => (JSON.stringify(before) === JSON.stringify(next) ? before : next));
    } catch {
      // Offline, or not allowed: what was known stays.
    }
  }, [token]);
  useEffect(() => {
    void ask();
    const timer = setInterval(() => void ask(), EVERY_MS);
    return () => clearInterval(timer);
  }, [ask]);
  return [listed, ask];
}
