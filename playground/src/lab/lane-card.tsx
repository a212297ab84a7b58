import { useEffect, useRef } from "react";
import { Icon } from "../shell/icon.tsx";
import { DistributionChart, SparkChart } from "./charts.tsx";
import { formatBytes, formatMs, perMinute } from "./format.ts";
import type { LaneView, Price } from "./lane.ts";
import type { LabStrings } from "./strings.ts";

/** One transport: how it stands, what it measured, and what it cost. */
export function LaneCard(props: {
  lane: LaneView;
  head: number;
  countedMs: number;
  strings: LabStrings;
  onCut: () => void;
}) {
  const { lane, head, countedMs, strings, onCut } = props;
  const { transport, status, feed, traffic } = lane;
  const name = strings.names[transport];
  const p50 = formatMs(lane.p50, strings);
  const p99 = formatMs(lane.p99, strings);
  const bytes = traffic.inBytes + traffic.outBytes;
  const titleId = `lane-${transport}`;
  return (
    <article className="lane" data-transport={transport} data-status={status} aria-labelledby={titleId}>
      <header className="lane-head">
        <h2 id={titleId}>{name}</h2>
        <span className="chip lane-status" data-status={status === "refused" ? "closed" : status}>
          <span className="chip-dot" aria-hidden="true" />
          <span>{strings.status[status]}</span>
        </span>
        <p className="muted lane-way">{strings.ways[transport]}</p>
        <button
          type="button"
          className="icon-button lane-cut"
          aria-label={strings.cutOne(name)}
          title={strings.cutOne(name)}
          disabled={status !== "connected"}
          onClick={onCut}
        >
          <Icon name="cut" size={16} />
        </button>
      </header>
      <PriceLine last={lane.last} waiting={strings.waitingForPrice} />
      <dl className="lane-latency">
        <div data-fact="p50">
          <dd>{p50}</dd>
          <dt>{strings.median}</dt>
        </div>
        <div data-fact="p99">
          <dd>{p99}</dd>
          <dt>{strings.p99}</dt>
        </div>
      </dl>
      <figure className="lane-chart">
        <figcaption>{`${strings.distributionTitle} (${strings.ms})`}</figcaption>
        <DistributionChart label={strings.distribution(name, p50, p99)} bars={lane.bars} />
      </figure>
      <figure className="lane-chart">
        <figcaption>{`${strings.lastMinuteTitle} (${strings.ms})`}</figcaption>
        <SparkChart label={strings.lastMinute(name)} spark={lane.spark} />
      </figure>
      <dl className="facts lane-facts">
        <Fact id="received" name={strings.facts.received} value={String(feed.received)} />
        <Fact id="missed" name={strings.facts.missed} value={String(feed.missed)} good={feed.missed === 0} />
        <Fact
          id="disordered"
          name={strings.facts.disordered}
          value={String(feed.disordered)}
          good={feed.disordered === 0}
        />
        <Fact id="behind" name={strings.facts.behind} value={lane.at === null ? "–" : String(head - lane.at)} />
        <Fact id="reconnects" name={strings.facts.reconnects} value={String(lane.reconnects)} />
        <Fact id="caughtUp" name={strings.facts.caughtUp} value={String(feed.caughtUp)} />
        <Fact
          id="requests"
          name={strings.facts.requests}
          value={strings.requestsRate(traffic.requests, perMinute(traffic.requests, countedMs))}
        />
        <Fact
          id="in"
          name={strings.facts.inBytes}
          value={`≈ ${formatBytes(traffic.inBytes)}`}
          hint={strings.estimate}
        />
        <Fact
          id="out"
          name={strings.facts.outBytes}
          value={`≈ ${formatBytes(traffic.outBytes)}`}
          hint={strings.estimate}
        />
        <Fact
          id="perEvent"
          name={strings.facts.perEvent}
          value={feed.received === 0 ? "–" : `≈ ${formatBytes(bytes / feed.received)}`}
          hint={strings.estimate}
        />
      </dl>
    </article>
  );
}

function Fact(props: { id: string; name: string; value: string; hint?: string; good?: boolean }) {
  const { id, name, value, hint, good } = props;
  return (
    <div className="fact" data-fact={id} data-good={good} title={hint}>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  );
}

/** The newest price as this transport has it. */
function PriceLine({ last, waiting }: { last: Price | null; waiting: string }) {
  const before = useRef(new Map<string, number>());
  const known = last === null ? undefined : before.current.get(last.symbol);
  useEffect(() => {
    if (last !== null) before.current.set(last.symbol, last.price);
  }, [last]);
  if (last === null) return <p className="lane-price muted">{waiting}</p>;
  const move = known === undefined || known === last.price ? "=" : known < last.price ? "▲" : "▼";
  return (
    <p className="lane-price" data-move={move}>
      <span className="lane-symbol">{last.symbol}</span>
      <span className="lane-value">{last.price.toFixed(2)}</span>
      <span className="lane-move" aria-hidden="true">
        {move === "=" ? "" : move}
      </span>
      <span className="lane-seq">#{last.seq}</span>
    </p>
  );
}
