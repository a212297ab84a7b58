import { lazy, Suspense, use, useEffect, useRef, useState } from "react";
import { DASHBOARD_STRINGS } from "../../src/dashboard/strings.ts";
import { ask, type Counts, type Nodes, type NodeView } from "./api.ts";
import { AskDialog, type Asked } from "./dialog.tsx";
import { formatBytes, formatNumber, formatSpan } from "./format.ts";
import { LanguageContext, useLocale, useStrings } from "./language.tsx";
import { Notes, Placeholder } from "./notes.tsx";
import { usePolled } from "./polled.ts";
import { useAct } from "./use-act.ts";

/** Charts are half of the console, and nobody waits for them. */
const LiveCharts = lazy(async () => ({ default: (await import("./live-charts.tsx")).LiveCharts }));

const EVERY_MS = 2_000;
const MINUTE_MS = 60_000;

/** How the whole of it is. */
export function OverviewPage() {
  const strings = useStrings();
  const locale = useLocale();
  const { language } = use(LanguageContext);
  const nodes = usePolled(() => ask<Nodes>("/api/nodes"), EVERY_MS, "nodes");
  const known = nodes.value?.nodes ?? [];
  const sum = (of: (node: NodeView) => number): string =>
    nodes.value === null
      ? "–"
      : formatNumber(
          known.reduce((total, node) => total + of(node), 0),
          locale,
        );
  const slow = known.reduce((total, node) => total + node.slow, 0);
  return (
    <div className="console-inside">
      <Notes polled={nodes} />
      <h1 className="hidden">{strings.overview}</h1>
      <ul className="tiles" aria-label={strings.tiles}>
        <Tile label={strings.tileConnections} value={sum((node) => node.connections)} href="#/connections" />
        <Tile
          label={strings.tileSlow}
          value={sum((node) => node.slow)}
          href="#/connections/slow"
          hint={slow > 0 ? strings.showSlow : strings.allWell}
          isBad={slow > 0}
        />
        <Tile label={strings.tileRooms} value={sum((node) => node.rooms)} href="#/rooms" />
        <Tile label={strings.tileBehind} value={sum((node) => node.readersBehind)} />
        <Tile label={strings.tileNodes} value={nodes.value === null ? "–" : formatNumber(known.length, locale)} />
      </ul>
      <h2 className="console-title">{strings.charts}</h2>
      <Suspense fallback={<div className="panels console-charts" aria-busy="true" />}>
        <LiveCharts strings={DASHBOARD_STRINGS[language]} locale={locale} />
      </Suspense>
      <h2 className="console-title">{strings.nodes}</h2>
      {known.length === 0 ? <Placeholder isLoading={nodes.error === null} text={strings.offline} /> : null}
      {known.length > 0 ? <NodeTable nodes={known} locale={locale} again={nodes.again} /> : null}
      <CountLists nodes={known} locale={locale} />
    </div>
  );
}

function Tile(props: { label: string; value: string; href?: string; hint?: string; isBad?: boolean }) {
  const { label, value, href, hint, isBad = false } = props;
  const inside = (
    <>
      <span className="tile-label">{label}</span>
      <strong className="tile-value">{value}</strong>
      <span className="console-hint">{hint}</span>
    </>
  );
  return (
    <li className="tile" data-above={isBad}>
      {href === undefined ? (
        <span className="console-tile">{inside}</span>
      ) : (
        <a className="console-tile" href={href}>
          {inside}
        </a>
      )}
    </li>
  );
}

function NodeTable({ nodes, locale, again }: { nodes: readonly NodeView[]; locale: string; again: () => void }) {
  const strings = useStrings();
  const act = useAct();
  const [asked, setAsked] = useState<Asked | null>(null);
  const drain = async ({ nodeId }: NodeView, isDraining: boolean): Promise<void> => {
    await act("/api/drain", { nodeId, isDraining }, isDraining ? strings.drained(nodeId) : strings.undrained(nodeId));
    again();
  };
  return (
    <div className="console-scroll">
      <table className="console-table">
        <thead>
          <tr>
            <th scope="col">{strings.node}</th>
            <th scope="col">{strings.state}</th>
            <th scope="col" className="number">
              {strings.connections}
            </th>
            <th scope="col" className="number">
              {strings.rooms}
            </th>
            <th scope="col" className="number">
              {strings.memory}
            </th>
            <th scope="col">{strings.up}</th>
            <th scope="col">{strings.version}</th>
            <th scope="col">
              <span className="hidden">{strings.actions}</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {nodes.map((node) => (
            <tr key={node.nodeId}>
              <td>
                <code>{node.nodeId}</code>
              </td>
              <td>
                <span className="console-badge" data-kind={node.isDraining ? "warning" : "good"}>
                  {node.isDraining ? strings.draining : strings.serving}
                </span>
              </td>
              <td className="number">{formatNumber(node.connections, locale)}</td>
              <td className="number">{formatNumber(node.rooms, locale)}</td>
              <td className="number">{formatBytes(node.memoryBytes, locale)}</td>
              <td>{formatSpan(node.upMs, locale)}</td>
              <td>{node.version}</td>
              <td className="end">
                {node.isDraining ? (
                  <button type="button" className="button small" onClick={() => void drain(node, false)}>
                    {strings.undrain}
                  </button>
                ) : (
                  <button
                    type="button"
                    className="button small"
                    onClick={() =>
                      setAsked({
                        title: strings.drain,
                        text: strings.drainText(node.nodeId),
                        run: () => drain(node, true),
                      })
                    }
                  >
                    {strings.drain}
                  </button>
                )}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      {asked === null ? null : <AskDialog asked={asked} onClose={() => setAsked(null)} />}
    </div>
  );
}

type Totals = Readonly<Record<string, number>>;

/** What is counted, over all nodes, and how much of it came in the last minute that this page has seen. */
function CountLists({ nodes, locale }: { nodes: readonly NodeView[]; locale: string }) {
  const strings = useStrings();
  const totals = (name: keyof Counts): Totals => {
    const all: Record<string, number> = {};
    for (const { counts } of nodes) {
      for (const [by, count] of Object.entries(counts[name])) all[by] = (all[by] ?? 0) + count;
    }
    return all;
  };
  const now = {
    disconnections: totals("disconnections"),
    limits: totals("limits"),
    refusals: totals("refusals"),
  };
  const before = useMinuteAgo(now, nodes.length > 0);
  const lists = [
    [strings.disconnections, "disconnections"],
    [strings.limits, "limits"],
    [strings.refusals, "refusals"],
  ] as const;
  return (
    <div className="console-lists">
      {lists.map(([title, name]) => (
        <section key={name} className="panel" aria-label={title}>
          <div className="panel-head">
            <h3>{title}</h3>
            <span className="muted console-small">{strings.sinceStart}</span>
          </div>
          <CountList counts={now[name]} before={before?.[name] ?? null} locale={locale} />
        </section>
      ))}
    </div>
  );
}

function CountList({ counts, before, locale }: { counts: Totals; before: Totals | null; locale: string }) {
  const strings = useStrings();
  const entries = Object.entries(counts)
    .filter(([, count]) => count > 0)
    .sort(([, a], [, b]) => b - a);
  if (entries.length === 0) return <p className="muted">{strings.nothingYet}</p>;
  const most = entries[0]?.[1] ?? 1;
  return (
    <ul className="console-counts">
      {entries.slice(0, 12).map(([by, count]) => {
        const recent = before === null ? 0 : count - (before[by] ?? 0);
        return (
          <li key={by}>
            <code>{by}</code>
            <span className="console-bar" aria-hidden="true">
              <span style={{ inlineSize: `${Math.max(2, (count / most) * 100)}%` }} />
            </span>
            <strong>{formatNumber(count, locale)}</strong>
            <span className="muted console-small">
              {recent > 0 ? strings.perMinute(formatNumber(recent, locale)) : ""}
            </span>
          </li>
        );
      })}
    </ul>
  );
}

/** What something was a minute ago, or when the page was opened. */
function useMinuteAgo<T>(value: T, isKnown: boolean): T | null {
  const seen = useRef<{ at: number; value: T }[]>([]);
  useEffect(() => {
    if (!isKnown) return;
    const now = Date.now();
    const text = JSON.stringify(value);
    if (JSON.stringify(seen.current.at(-1)?.value) !== text) seen.current.push({ at: now, value });
    while (seen.current.length > 1 && now - (seen.current[1]?.at ?? now) > MINUTE_MS) seen.current.shift();
  });
  return seen.current[0]?.value ?? null;
}
