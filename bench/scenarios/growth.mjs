import { lineChart } from "../lib/chart.mjs";
import { runTable } from "../lib/table.mjs";

/** What every size delivers in a second, so that only the size differs. */
const DELIVERIES = 40_000;
const READERS = [100, 400, 1_000, 4_000, 10_000];
const ROOMS = [1, 10, 100, 500, 2_000];
const ROOM_MEMBERS = 5;
const ROOM_DELIVERIES = 10_000;
const BODY_BYTES = 128;

/**
 * How the cost of a delivery grows with the readers of a room, and with the rooms.
 *
 * @param {import("../lib/options.mjs").Options} options
 * @returns {Promise<boolean>} whether every server delivered what it had to
 */
export function runGrowth(options) {
  const some = (sizes) => (options.isQuick ? sizes.filter((_size, index) => index % 2 === 0) : sizes);
  const shape = (rooms, members) => ({ rooms, members, senders: 1, bodyBytes: BODY_BYTES, sources: 4 });
  const groups = [
    ...some(READERS).map((size) => ({
      shape: shape(1, size),
      scenarios: [
        {
          name: `G-readers-${size}`,
          title: `one room of ${size.toLocaleString("en")}, ${DELIVERIES / size} messages a second`,
          mode: "open",
          amount: DELIVERIES / size,
          grows: "readers",
          size,
        },
      ],
    })),
    ...some(ROOMS).map((size) => ({
      shape: shape(size, ROOM_MEMBERS),
      scenarios: [
        {
          name: `G-rooms-${size}`,
          title: `${size === 1 ? "one room" : `${size.toLocaleString("en")} rooms`} of ${ROOM_MEMBERS}, ${ROOM_DELIVERIES / ROOM_MEMBERS} messages a second in all`,
          mode: "open",
          amount: ROOM_DELIVERIES / ROOM_MEMBERS,
          grows: "rooms",
          size,
        },
      ],
    })),
  ];
  const benchmark = {
    name: "growth",
    title: "Growth",
    intro: "The same number of deliveries a second over more and more readers, and over more and more rooms.",
    peers: ["limit", "yamabiko", ...(options.isQuick ? [] : ["yamabiko-sqlite", "ws-tuned", "bun"])],
    groups,
    columns: [
      "cpu",
      "cpuToLimit",
      "rate",
      "p50",
      "p99",
      "complete",
      "serverCpu",
      "loadCpu",
      "reads",
      "rssPerConnection",
    ],
    draw: (scenarios) => [
      chart(scenarios, "readers", "readers of one room"),
      chart(scenarios, "rooms", `rooms of ${ROOM_MEMBERS}`),
    ],
  };
  return runTable(benchmark, options);
}

function chart(scenarios, grows, axis) {
  const own = scenarios.filter((scenario) => scenario.grows === grows);
  const lines = (own[0]?.peers ?? []).map(({ name, title }) => ({
    title: title.replaceAll("`", ""),
    points: own.flatMap(({ size, peers }) => {
      const figures = peers.find((peer) => peer.name === name)?.figures ?? null;
      return figures === null ? [] : [{ x: size, y: figures.cpuUsPerDelivery }];
    }),
  }));
  return { file: `growth-${grows}.svg`, svg: lineChart(`Server CPU per delivery over ${grows}, µs`, axis, lines) };
}
