import { formatBytes, formatMs, perMinute } from "./format.ts";
import type { LaneView } from "./lane.ts";
import type { LabStrings } from "./strings.ts";

/** The ways in the order people compare them in. */
const ROWS = ["polling", "long-polling", "sse", "websocket"] as const;
/** How good each is at real time, and how simple, 1 to 3. */
const MARKS: Record<(typeof ROWS)[number], readonly [number, number]> = {
  polling: [1, 3],
  "long-polling": [2, 2],
  sse: [3, 3],
  websocket: [3, 1],
};

/** Three questions that choose a transport. */
export function Guide({ strings }: { strings: LabStrings }) {
  return (
    <section className="lab-section guide" aria-labelledby="guide-title">
      <h2 id="guide-title">{strings.guide}</h2>
      <ol className="guide-rows">
        {strings.guideRows.map(([question, answer]) => (
          <li key={answer}>
            <span>{question}</span>
            <span className="guide-arrow" aria-hidden="true">
              →
            </span>
            <strong>{answer}</strong>
          </li>
        ))}
      </ol>
      <p className="muted">{strings.guideText}</p>
    </section>
  );
}

/** What is said of each way, and what was measured of it. */
export function Comparison(props: {
  lanes: readonly LaneView[];
  countedMs: number;
  rate: string;
  strings: LabStrings;
}) {
  const { lanes, countedMs, rate, strings } = props;
  const { columns } = strings;
  return (
    <div className="lab-section">
      <h2 id="table-title">{strings.table}</h2>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls sideways where it is narrow, and must do so by keyboard. */}
      <section className="table-scroll" aria-labelledby="table-title" tabIndex={0}>
        <table className="comparison">
          <thead>
            <tr>
              <th scope="col">{columns.way}</th>
              <th scope="col">{columns.direction}</th>
              <th scope="col">{columns.realTime}</th>
              <th scope="col">{columns.complexity}</th>
              <th scope="col">{columns.useCase}</th>
              <th scope="col" className="measured">
                {columns.latency}
              </th>
              <th scope="col" className="measured">
                {columns.requests}
              </th>
              <th scope="col" className="measured">
                {columns.bytes}
              </th>
            </tr>
          </thead>
          <tbody>
            {ROWS.map((way) => {
              const lane = lanes.find(({ transport }) => transport === way);
              const [direction, realTime, complexity, useCase] = strings.rows[way];
              const [realTimeMark, simpleMark] = MARKS[way];
              return (
                <tr key={way} data-way={way}>
                  <th scope="row">{strings.names[way]}</th>
                  <td>{direction}</td>
                  <td>
                    <Mark value={realTimeMark} /> {realTime}
                  </td>
                  <td>
                    <Mark value={simpleMark} /> {complexity}
                  </td>
                  <td>{useCase}</td>
                  <td className="measured">
                    {lane === undefined ? "–" : `${formatMs(lane.p50, strings)} / ${formatMs(lane.p99, strings)}`}
                  </td>
                  <td className="measured">{lane === undefined ? "–" : perMinute(lane.traffic.requests, countedMs)}</td>
                  <td className="measured">{lane === undefined ? "–" : bytesPerEvent(lane)}</td>
                </tr>
              );
            })}
          </tbody>
        </table>
      </section>
      <p className="muted">{strings.tableText(rate)}</p>
    </div>
  );
}

/** Three dots, as many of them filled: the word beside it says the same. */
function Mark({ value }: { value: number }) {
  return (
    <span className="mark" data-value={value} aria-hidden="true">
      {[1, 2, 3].map((dot) => (
        <span key={dot} className="mark-dot" data-on={dot <= value} />
      ))}
    </span>
  );
}

function bytesPerEvent({ traffic, feed }: LaneView): string {
  return feed.received === 0 ? "–" : `≈ ${formatBytes((traffic.inBytes + traffic.outBytes) / feed.received)}`;
}
