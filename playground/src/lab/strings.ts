import type { Language } from "../strings.ts";

/** Every visible string of the lab. */
const en = {
  title: "Transport lab",
  intro:
    "One feed of stock prices, followed four times: each card is a client of its own that may come by one transport only. The same events, the same numbers, the same resume.",
  rate: "Rate",
  perSecond: (n: number) => (n === 1 ? "1 event/s" : `${n} events/s`),
  perSecondLong: (n: number) => (n === 1 ? "1 event per second" : `${n} events per second`),
  paused: "paused",
  pause: "Pause",
  resume: "Resume",
  reset: "Reset",
  resetHint: "Counts everything from 0 again.",
  cutAll: "Cut all connections",
  cutAllHint: "Drops all four without a goodbye, like a failing network. Each resumes from its cursor.",
  cutOne: (name: string) => `Cut ${name}`,
  shared: "There is one ticker: the rate is everybody's who has this page open.",
  counting: (time: string) => `Counting for ${time}`,
  cutting: "Cut. Waiting for all four to come back…",
  cutDone: (caughtUp: number, missed: number, seconds: string) =>
    `All four are back after ${seconds} s: ${caughtUp} ${caughtUp === 1 ? "event" : "events"} caught up, ${missed} missed.`,
  noTicker: "There is no ticker here",
  noTickerText: "The feed of this page exists only where the server runs with --dev.",
  refused: (reason: string) => `The server says: ${reason}`,
  names: { websocket: "WebSocket", sse: "SSE", "long-polling": "Long polling", polling: "Short polling" },
  ways: {
    websocket: "one socket, both ways",
    sse: "one endless answer, POST to send",
    "long-polling": "a request that waits for news",
    polling: "a request every 2 seconds",
  },
  status: {
    connecting: "Connecting",
    connected: "Connected",
    waiting: "Reconnecting",
    closed: "Offline",
    refused: "Refused",
  },
  waitingForPrice: "waiting for a price",
  median: "half of the events within",
  p99: "99 of 100 within",
  ms: "ms",
  s: "s",
  distribution: (name: string, p50: string, p99: string) =>
    `${name}: distribution of latencies. Half within ${p50}, 99 of 100 within ${p99}.`,
  lastMinute: (name: string) => `${name}: latency over the last minute, the highest of each half second.`,
  distributionTitle: "Distribution",
  lastMinuteTitle: "Last minute",
  nothingYet: "nothing measured yet",
  facts: {
    received: "Events received",
    missed: "Missed",
    disordered: "Out of order",
    behind: "Behind the newest",
    caughtUp: "Caught up after cuts",
    reconnects: "Reconnects",
    requests: "Requests",
    inBytes: "Received",
    outBytes: "Sent",
    perEvent: "Per event",
  },
  about: "About",
  requestsRate: (total: number, perMinute: string) => `${total} · ${perMinute}/min`,
  perEventBytes: (bytes: string) => `${bytes}/event`,
  how: "How each figure is obtained",
  howLatency: (uncertain: string) =>
    `Latency: from the moment the server publishes a price (before it is written to disk) until it has reached this page. The two clocks are compared every 30 s; they may disagree by ${uncertain}. What was published while a connection was cut counts as caught up, not as latency.`,
  howOrder:
    "Received, missed, out of order: every event of a room has a number. A number that is passed over is missed, one that comes again or late is out of order. A reconnect does not begin a new count.",
  howRequests: "Requests: calls of fetch by that client, and the handshake of a WebSocket. Exact.",
  howBodies:
    "Bytes of bodies: as the browser measures them (PerformanceResourceTiming.encodedBodySize) once an answer is complete. Exact. While a stream runs, counted as it is read: more than was sent, where the server compresses.",
  howHeaders:
    "Bytes of headers (≈): answers are counted from the headers a page may read; for requests, what the browser adds by itself is estimated from what Chromium sends. The browser's own transferSize says 300 for any headers, so it is not used.",
  howFrames:
    "WebSocket: the handshake (≈) and every frame, with its 2 to 14 bytes around the message. The server's pings, 2 bytes every 30 s, are not seen. Where compression was negotiated, a frame may have been smaller.",
  howNot: "Not counted: TCP, IP and TLS.",
  estimate: "An estimate: see below.",
  limits:
    "Over HTTP/1.1 a browser opens six connections to a server and no more, for all tabs. SSE and long polling hold one each, so a third tab with this page would wait. WebSockets are not counted among them, and over HTTP/2 there is no such limit.",
  guide: "Which one?",
  guideRows: [
    ["Server to client only?", "SSE"],
    ["Both ways?", "WebSocket"],
    ["Not real time?", "Polling"],
  ] as readonly (readonly [string, string])[],
  guideText:
    "With this SDK the choice is a fallback, not a fork: it comes by WebSocket where it can and by the next best where it cannot, and the application notices nothing.",
  table: "Compared, and measured here",
  columns: {
    way: "Way",
    direction: "Direction",
    realTime: "Real time",
    complexity: "Complexity",
    useCase: "Use case",
    latency: "Latency p50 / p99",
    requests: "Requests/min",
    bytes: "Bytes/event",
  },
  rows: {
    polling: ["client → server", "low", "simple", "few updates"],
    "long-polling": ["client → server", "medium", "fair", "where nothing else gets through"],
    sse: ["server → client", "high", "simple", "notifications, feeds"],
    websocket: ["both ways", "high", "complex", "chat, games"],
  } as Record<"polling" | "long-polling" | "sse" | "websocket", readonly [string, string, string, string]>,
  tableText: (rate: string) =>
    `The first four columns are what is said of each way in general; the last three are measured on this page, at ${rate} now. Beside polls and SSE the SDK sends with POST, so all four are used the same, both ways.`,
};

/** The strings of the lab in one language. */
export type LabStrings = typeof en;

const ja: LabStrings = {
  title: "トランスポート比較",
  intro:
    "ひとつの株価フィードを四通りで受信します。各カードは、一つのトランスポートだけを使う独立したクライアントです。イベントも番号も再開の仕組みも同じです。",
  rate: "配信レート",
  perSecond: (n) => `${n} 件/秒`,
  perSecondLong: (n) => `毎秒 ${n} 件`,
  paused: "一時停止中",
  pause: "一時停止",
  resume: "再開",
  reset: "リセット",
  resetHint: "すべて 0 から数え直します。",
  cutAll: "すべての接続を切る",
  cutAllHint: "ネットワーク障害のように、四つとも予告なく切断します。それぞれカーソルから再開します。",
  cutOne: (name) => `${name} を切る`,
  shared: "フィードは一つです。レートはこのページを開いている全員に共通です。",
  counting: (time) => `計測時間 ${time}`,
  cutting: "切断しました。四つの復帰を待っています…",
  cutDone: (caughtUp, missed, seconds) =>
    `${seconds} 秒で四つとも復帰しました。${caughtUp} 件を取り戻し、欠落は ${missed} 件です。`,
  noTicker: "フィードがありません",
  noTickerText: "このページのフィードは、サーバーを --dev で起動したときだけ使えます。",
  refused: (reason) => `サーバーの応答: ${reason}`,
  names: {
    websocket: "WebSocket",
    sse: "SSE",
    "long-polling": "ロングポーリング",
    polling: "ショートポーリング",
  },
  ways: {
    websocket: "一本のソケットで双方向",
    sse: "終わらない応答、送信は POST",
    "long-polling": "更新まで待つリクエスト",
    polling: "2 秒ごとのリクエスト",
  },
  status: {
    connecting: "接続中",
    connected: "接続済み",
    waiting: "再接続待ち",
    closed: "オフライン",
    refused: "拒否",
  },
  waitingForPrice: "価格を待っています",
  median: "半数がこれ以内",
  p99: "99% がこれ以内",
  ms: "ms",
  s: "秒",
  distribution: (name, p50, p99) => `${name}: 遅延の分布。半数が ${p50} 以内、99% が ${p99} 以内。`,
  lastMinute: (name) => `${name}: 直近 1 分の遅延(0.5 秒ごとの最大値)。`,
  distributionTitle: "分布",
  lastMinuteTitle: "直近 1 分",
  nothingYet: "まだ計測値がありません",
  facts: {
    received: "受信イベント",
    missed: "欠落",
    disordered: "順序の乱れ",
    behind: "最新との差",
    caughtUp: "切断後に取り戻した数",
    reconnects: "再接続",
    requests: "リクエスト",
    inBytes: "受信量",
    outBytes: "送信量",
    perEvent: "1 件あたり",
  },
  about: "約",
  requestsRate: (total, perMinute) => `${total} ・ ${perMinute}/分`,
  perEventBytes: (bytes) => `${bytes}/件`,
  how: "各数値の求め方",
  howLatency: (uncertain) =>
    `遅延: サーバーが価格を配信した時点(ディスクへの書き込み前)から、このページに届くまで。両方の時計は 30 秒ごとに比べており、誤差は ${uncertain} 以内です。切断中に配信されたものは「取り戻した数」に入り、遅延には入りません。`,
  howOrder:
    "受信・欠落・順序: ルームのイベントにはすべて番号があります。飛ばされた番号は欠落、二度目や遅れて来た番号は順序の乱れです。再接続しても数え直しません。",
  howRequests: "リクエスト: そのクライアントの fetch の回数と、WebSocket のハンドシェイク。正確な値です。",
  howBodies:
    "本文のバイト数: 応答が終わったものはブラウザーの計測値(PerformanceResourceTiming.encodedBodySize)で、正確な値です。ストリームの途中は読んだ量を数えるため、サーバーが圧縮している場合は実際より多くなります。",
  howHeaders:
    "ヘッダーのバイト数(約): 応答は、ページから読めるヘッダーを数えています。リクエストは、ブラウザーが自動で付ける分を Chromium の送信内容から見積もっています。ブラウザーの transferSize はヘッダーを一律 300 バイトとするため使いません。",
  howFrames:
    "WebSocket: ハンドシェイク(約)と、メッセージに 2〜14 バイトを加えた各フレーム。30 秒ごとのサーバーの ping(2 バイト)は見えません。圧縮が有効なら、実際のフレームはこれより小さいことがあります。",
  howNot: "TCP、IP、TLS の分は含みません。",
  estimate: "見積もりです。下の説明を参照。",
  limits:
    "HTTP/1.1 では、ブラウザーは一つのサーバーに対し全タブ合わせて 6 本までしか接続しません。SSE とロングポーリングは 1 本ずつ占有するため、このページを三つ目のタブで開くと待たされます。WebSocket はこの数に含まれず、HTTP/2 にこの制限はありません。",
  guide: "使い分けの指針",
  guideRows: [
    ["サーバー → クライアントだけ?", "SSE"],
    ["双方向が必要?", "WebSocket"],
    ["リアルタイム不要?", "ポーリング"],
  ],
  guideText:
    "この SDK では、選択は分かれ道ではなく予備です。使えるなら WebSocket、使えなければ次に良いものに切り替わり、アプリケーションは何も気にしません。",
  table: "比較表と、ここでの実測値",
  columns: {
    way: "方式",
    direction: "方向",
    realTime: "リアルタイム",
    complexity: "複雑さ",
    useCase: "ユースケース",
    latency: "遅延 p50 / p99",
    requests: "リクエスト/分",
    bytes: "バイト/件",
  },
  rows: {
    polling: ["クライアント → サーバー", "低い", "簡単", "更新頻度が低い"],
    "long-polling": ["クライアント → サーバー", "中程度", "普通", "レガシー対応"],
    sse: ["サーバー → クライアント", "高い", "簡単", "通知、フィード"],
    websocket: ["双方向", "高い", "複雑", "チャット、ゲーム"],
  },
  tableText: (rate) =>
    `左の四列は各方式の一般的な性質、右の三列はこのページでの実測値です(現在 ${rate})。ポーリングと SSE でも SDK は POST で送信するので、四つとも同じように双方向で使えます。`,
};

/** The lab in every language. */
export const LAB_STRINGS: Record<Language, LabStrings> = { en, ja };
