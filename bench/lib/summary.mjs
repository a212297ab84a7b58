/** Beyond this much time taken by the host's other guests a window is measured again, percent. */
export const STEAL_LIMIT = 5;

/**
 * One window, in the terms of the report.
 *
 * @typedef {object} Figures
 * @property {number} cpuUsPerDelivery of the server's whole process
 * @property {number} deliveriesPerSecond
 * @property {number} p50Ms
 * @property {number} p99Ms
 * @property {number} complete deliveries made of those owed
 * @property {number} serverCpuPct of one core
 * @property {number} generatorCpuPct of one core
 * @property {number} othersCpuPct of one core: everything else on the machine
 * @property {number} stealPct
 * @property {number} bytesPerDelivery
 * @property {number} readsPerDelivery below 1 when messages reach a reader joined
 * @property {number} rssMb
 */

/**
 * @param {import("./load-generator.mjs").Window} window
 * @returns {Figures}
 */
export function figuresOf(window) {
  const { seconds, deliveriesInWindow } = window;
  const perSecondPct = 100 / seconds;
  return {
    cpuUsPerDelivery: (window.serverCpuS * 1e6) / deliveriesInWindow,
    deliveriesPerSecond: deliveriesInWindow / seconds,
    p50Ms: window.p50Ms,
    p99Ms: window.p99Ms,
    complete: window.expected === 0 ? 0 : window.delivered / window.expected,
    serverCpuPct: window.serverCpuS * perSecondPct,
    generatorCpuPct: window.generatorCpuS * perSecondPct,
    othersCpuPct: Math.max(0, window.busyS - window.serverCpuS - window.generatorCpuS) * perSecondPct,
    stealPct: window.allS === 0 ? 0 : (100 * window.stealS) / window.allS,
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
 * @returns {string[]}
 */
export function faultsOf(window, isAcked) {
  const faults = [];
  if (window.missing > 0) faults.push(`${window.missing} missing or out of order`);
  if (window.repeated > 0) faults.push(`${window.repeated} repeated or too late`);
  if (window.corrupt > 0) faults.push(`${window.corrupt} altered`);
  if (window.published === 0) faults.push("nothing published");
  if (!window.isDrained) faults.push("not everything arrived in time");
  else if (window.delivered !== window.expected) faults.push(`${window.delivered} of ${window.expected} delivered`);
  if (isAcked && window.isDrained && window.acksSinceStart !== window.publishedSinceStart) {
    faults.push(`${window.acksSinceStart} acks for ${window.publishedSinceStart} messages`);
  }
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
  for (const name of Object.keys(all[0])) result[name] = median(all.map((figures) => figures[name]));
  result.complete = Math.min(...all.map((figures) => figures.complete));
  return result;
}

function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}
