import { use, useEffect, useId, useState } from "react";
import { useStore } from "../chat/use-store.ts";
import { useConnection } from "../connection/client-context.tsx";
import { Icon } from "../shell/icon.tsx";
import { LanguageContext } from "../shell/language.ts";
import { ArenaCanvas } from "./arena-canvas.tsx";
import { NO_TROUBLE } from "./delayed-socket.ts";
import { GameStore, type GameView, type Standing } from "./game-store.ts";
import { GAME_STRINGS, type GameStrings } from "./strings.ts";
import "./game.css";

const BOTS = [0, 10, 50, 100] as const;
/** How many lines the board has. */
const LINES = 10;

/** A small arena: predicted, interpolated, and measured. */
export function GamePage() {
  const connection = useConnection();
  const [store, setStore] = useState<GameStore | null>(null);

  useEffect(() => {
    const opened = new GameStore(connection);
    setStore(opened);
    return () => {
      opened.close();
      setStore(null);
    };
  }, [connection]);

  return store === null ? <main className="game" id="main" tabIndex={-1} /> : <Game store={store} />;
}

function Game({ store }: { store: GameStore }) {
  const { language, strings: shell } = use(LanguageContext);
  const strings = GAME_STRINGS[language];
  const view = useStore(store);
  return (
    <main className="game" id="main" tabIndex={-1}>
      <title>{`${strings.title} · ${shell.appName}`}</title>
      <div className="game-inside">
        <header className="game-head">
          <h1>{strings.title}</h1>
          <p className="muted">{strings.intro}</p>
        </header>
        {view.status === "refused" ? (
          <div className="game-refused" role="alert">
            <Icon name="warning" />
            <div>
              <strong>{strings.refused}</strong>
              <p>{strings.refusedText}</p>
              {view.refusal === "" ? null : <p className="muted">{strings.serverSays(view.refusal)}</p>}
            </div>
          </div>
        ) : (
          <div className="game-columns">
            <div className="game-main">
              <Round view={view} strings={strings} />
              <div className="arena-frame">
                <ArenaCanvas game={store.game} label={strings.arenaLabel} />
                <Cover view={view} strings={strings} />
              </div>
              <p className="muted game-keys">{strings.keys}</p>
            </div>
            <aside className="game-side">
              <Board standings={view.standings} strings={strings} />
              <Bots store={store} view={view} strings={strings} />
              <Meters view={view} strings={strings} />
              <TroublePanel store={store} view={view} strings={strings} />
            </aside>
          </div>
        )}
      </div>
    </main>
  );
}

function Round({ view, strings }: { view: GameView; strings: GameStrings }) {
  return (
    <div className="game-round">
      <span>
        {strings.round} <strong>{view.isReady ? strings.seconds(view.seconds) : strings.unknown}</strong>
      </span>
      <span className="muted" role="status">
        {view.round === null ? "" : strings.lastWinner(view.round.winner, view.round.score)}
      </span>
    </div>
  );
}

/** What lies over the arena while it is not played. */
function Cover({ view, strings }: { view: GameView; strings: GameStrings }) {
  const words =
    view.status === "closed"
      ? strings.offline
      : view.status !== "connected"
        ? view.isReady
          ? strings.reconnecting
          : strings.joining
        : view.isReady
          ? null
          : strings.joining;
  return (
    <>
      <p className="arena-hint" hidden={words !== null}>
        {strings.clickToPlay}
      </p>
      {words === null ? null : (
        <div className="arena-cover" data-status={view.status}>
          <Icon name={view.status === "closed" ? "cut" : "clock"} />
          <span role="status">{words}</span>
        </div>
      )}
    </>
  );
}

function Board({ standings, strings }: { standings: readonly Standing[]; strings: GameStrings }) {
  const titleId = useId();
  const mine = standings.findIndex(({ isMe }) => isMe);
  const shown = standings.slice(0, mine >= LINES ? LINES - 1 : LINES);
  const me = mine >= LINES ? standings[mine] : undefined;
  const rest = standings.length - shown.length - (me === undefined ? 0 : 1);
  return (
    <section className="game-card" aria-labelledby={titleId}>
      <h2 id={titleId}>{strings.board}</h2>
      {standings.length === 0 ? <p className="muted">{strings.empty}</p> : null}
      <ol className="board">
        {shown.map((standing, index) => (
          <Line key={standing.id} standing={standing} place={index + 1} strings={strings} />
        ))}
        {me === undefined ? null : <Line standing={me} place={mine + 1} strings={strings} />}
      </ol>
      {rest > 0 ? <p className="muted">{strings.others(rest)}</p> : null}
    </section>
  );
}

function Line({ standing, place, strings }: { standing: Standing; place: number; strings: GameStrings }) {
  const { name, score, hue, isMe, isBot } = standing;
  return (
    <li className="board-line" data-me={isMe} data-player={standing.id}>
      <span className="board-place">{place}</span>
      <span className="board-dot" style={{ "--hue": hue } as React.CSSProperties} />
      <span className="board-name">{name}</span>
      {isMe || isBot ? <span className="board-kind muted">{isMe ? strings.you : strings.bot}</span> : null}
      <span className="board-score">{score}</span>
    </li>
  );
}

function Bots({ store, view, strings }: { store: GameStore; view: GameView; strings: GameStrings }) {
  return (
    <fieldset className="game-card game-bots" title={strings.botsHint} disabled={!view.isReady}>
      <legend>{strings.bots}</legend>
      {BOTS.map((count) => (
        <button
          key={count}
          type="button"
          className="button small"
          aria-pressed={view.bots === count}
          onClick={() => store.setBots(count)}
        >
          {count}
        </button>
      ))}
    </fieldset>
  );
}

function Meters({ view, strings }: { view: GameView; strings: GameStrings }) {
  const titleId = useId();
  const { stats } = view;
  const meters: [name: string, label: string, value: string][] = [
    ["rtt", strings.roundTrip, stats.rttMs === null ? strings.unknown : strings.ms(stats.rttMs)],
    ["jitter", strings.jitter, strings.ms(stats.jitterMs)],
    ["delay", strings.delay, strings.ms(stats.delayMs)],
    ["bytes", strings.received, strings.kilobytes(stats.bytesPerSecond)],
    ["ticks", strings.ticks, strings.perSecond(stats.ticksPerSecond)],
    ["error", strings.error, strings.units(stats.predictionError)],
    ["pending", strings.pending, String(stats.pendingInputs)],
  ];
  return (
    <section className="game-card" aria-labelledby={titleId}>
      <h2 id={titleId}>{strings.network}</h2>
      <dl className="meters">
        {meters.map(([name, label, value]) => (
          <div key={name} data-meter={name}>
            <dt>{label}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
    </section>
  );
}

function TroublePanel({ store, view, strings }: { store: GameStore; view: GameView; strings: GameStrings }) {
  const titleId = useId();
  const { trouble } = view;
  return (
    <section className="game-card" aria-labelledby={titleId}>
      <h2 id={titleId}>{strings.trouble}</h2>
      <p className="muted">{strings.troubleHint}</p>
      <Slider
        label={strings.addedDelay}
        max={400}
        step={20}
        value={trouble.delayMs}
        words={strings.ms(trouble.delayMs)}
        onChange={(delayMs) => store.setTrouble({ ...trouble, delayMs })}
      />
      <Slider
        label={strings.addedJitter}
        max={100}
        step={5}
        value={trouble.jitterMs}
        words={strings.ms(trouble.jitterMs)}
        onChange={(jitterMs) => store.setTrouble({ ...trouble, jitterMs })}
      />
      <Slider
        label={strings.loss}
        max={10}
        step={1}
        value={trouble.loss * 100}
        words={strings.percent(trouble.loss)}
        onChange={(percent) => store.setTrouble({ ...trouble, loss: percent / 100 })}
      />
      <div className="game-buttons">
        <button type="button" className="button small" onClick={() => store.setTrouble(NO_TROUBLE)}>
          <Icon name="reset" size={14} />
          {strings.good}
        </button>
        <button type="button" className="button small" onClick={() => store.cut()}>
          <Icon name="cut" size={14} />
          {strings.cut}
        </button>
      </div>
    </section>
  );
}

interface SliderProps {
  readonly label: string;
  readonly max: number;
  readonly step: number;
  readonly value: number;
  readonly words: string;
  onChange(value: number): void;
}

function Slider({ label, max, step, value, words, onChange }: SliderProps) {
  const id = useId();
  return (
    <div className="slider">
      <label htmlFor={id}>{label}</label>
      <output htmlFor={id}>{words}</output>
      <input
        id={id}
        type="range"
        min={0}
        max={max}
        step={step}
        value={value}
        aria-valuetext={words}
        onChange={(event) => onChange(Number(event.target.value))}
      />
    </div>
  );
}
