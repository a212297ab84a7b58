/** Beyond this much time taken by the host's other guests a window is measured again, percent. */
export const STEAL_LIMIT = 5;
/** Beyond this much time in which other processes had a core that the server or the load generator wanted it is, too, percent. */
export const TAKEN_LIMIT = 5;

/**
 * What the report says of one server, in one window or as medians of several. Each benchmark has some of these.
 *
 * @typedef {object} Figures
 * @property {number} [cpuUsPerDelivery] of the server's whole process
 * @property {number} [deliveriesPerSecond]
 * @property {number} [cpuUsPerAck]
 * @property {number} [acksPerSecond]
 * @property {number} [p50Ms]
 * @property {number} [p99Ms]
 * @property {number} [complete] deliveries made of those owed
 * @property {number} [serverCpuPct] of one core
 * @property {number} [generatorCpuPct] of one core
 * @property {number} [othersCpuPct] of one core: everything else on the machine
 * @property {number} [stealPct]
 * @property {number} [takenPct] time in which others had a core that the server or the load generator wanted
 * @property {number} [bytesPerDelivery]
 * @property {number} [readsPerDelivery] below 1 when messages reach a reader joined
 * @property {number} [rssMb]
 * @property {number} [rssKbPerConnection] what the process grew by while the readers connected
 * @property {number} [handshakeUs] CPU of the server for connecting and letting in one reader
 * @property {number} [loopP99Ms] delay of the server's event loop
 * @property {number} [loopMaxMs]
 * @property {number} [messagesPerSecond] of several nodes together, as all below but for what is of a node
 * @property {number} [messagesPerNodeCore] what nodes would take that had a core each
 * @property {number} [nodesUsPerMessage] CPU of all nodes
 * @property {number} [redisUsPerMessage]
 * @property {number} [bothUsPerMessage]
 * @property {number} [nodesUsPerDelivery]
 * @property {number} [redisUsPerDelivery]
 * @property {number} [redisInPerMessage] bytes
 * @property {number} [redisOutPerMessage] bytes
 * @property {number} [servingInPerMessage] bytes from Redis to a node that serves the rooms, the mean of those
 * @property {number} [idleInPerMessage] bytes from Redis to a node that serves none of them
 * @property {number} [nodesCpuPct] of one core
 * @property {number} [redisCpuPct] of one core
 */

/**
 * @param {import("./load-generator.mjs").Window} window
 * @returns {Figures}
 */
export function figuresOf(window) {
  const { seconds, deliveriesInWindow, acksInWindow = 0 } = window;
  const perSecondPct = 100 / seconds;
  return {
    cpuUsPerDelivery: (window.serverCpuS * 1e6) / deliveriesInWindow,
    deliveriesPerSecond: deliveriesInWindow / seconds,
    ...(acksInWindow > 0
      ? { cpuUsPerAck: (window.serverCpuS * 1e6) / acksInWindow, acksPerSecond: acksInWindow / seconds }
      : {}),
    p50Ms: window.p50Ms,
    p99Ms: window.p99Ms,
    complete: window.expected === 0 ? 0 : window.delivered / window.expected,
    serverCpuPct: window.serverCpuS * perSecondPct,
    generatorCpuPct: window.generatorCpuS * perSecondPct,
    othersCpuPct: Math.max(0, window.busyS - window.serverCpuS - window.generatorCpuS) * perSecondPct,
    stealPct: window.allS === 0 ? 0 : (100 * window.stealS) / window.allS,
    takenPct: (window.takenS ?? 0) * perSecondPct,
    bytesPerDelivery: window.bytes / deliveriesInWindow,
    readsPerDelivery: window.reads / deliveriesInWindow,
    rssMb: window.rssKb / 1024,
  };
}

/**
 * What is wrong with what a server delivered; empty when nothing is.
 *
 * @param {import("./load-generator.mjs").Window} window
 * @param {boolean} isAcked whether each message must have been acknowledged
 * @param {boolean} [isDeflated] whether each delivery must have come compressed
 * @returns {string[]}
 */
export function faultsOf(window, isAcked, isDeflated = false) {
  const faults = countedFaults(window);
  if (window.published === 0) faults.push("nothing published");
  if (isAcked && window.acksSinceStart !== window.publishedSinceStart) {
    faults.push(`${window.acksSinceStart} acks for ${window.publishedSinceStart} messages`);
  }
  if (!window.isDrained) faults.push("not everything arrived in time");
  else if (window.delivered !== window.expected) faults.push(`${window.delivered} of ${window.expected} delivered`);
  if (isDeflated && window.deflated < window.deliveriesInWindow) {
    faults.push(`${window.deflated} of ${window.deliveriesInWindow} compressed`);
  }
  return faults;
}

/**
 * The faults every answer of the load generator counts.
 *
 * @param {{ missing: number, repeated: number, corrupt: number }} counts
 */
export function countedFaults({ missing, repeated, corrupt }) {
  const faults = [];
  if (missing > 0) faults.push(`${missing} missing or out of order`);
  if (repeated > 0) faults.push(`${repeated} repeated or too late`);
  if (corrupt > 0) faults.push(`${corrupt} altered or astray`);
  return faults;
}

/**
 * The medians of several windows, and the least complete.
 *
 * @param {readonly Figures[]} all at least one
 * @returns {Figures}
 */
export function medians(all) {
  const result = /** @type {Figures} */ ({});
  for (const name of Object.keys(all[0])) {
    const values = all.map((figures) => figures[name]).filter((value) => typeof value === "number");
    if (values.length > 0) result[name] = name === "complete" ? Math.min(...values) : median(values);
  }
  return result;
}

function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}
