// Publishes as a back end of the application. Every event has a messageId, so what is sent again is there only once.
const { YAMABIKO_URL = "http://localhost:8080", YAMABIKO_API_KEY = "" } = process.env;

/** Resolves when all events are in the room, in this order; tries again for as long as the server cannot take them. */
export async function publish(roomId, events) {
  const url = `${YAMABIKO_URL}/api/rooms/${encodeURIComponent(roomId)}/events`;
  const headers = { Authorization: `Bearer ${YAMABIKO_API_KEY}` };
  for (let waitMs = 250; ; waitMs = Math.min(2 * waitMs, 30_000)) {
    const response = await fetch(url, { method: "POST", headers, body: JSON.stringify(events) }).catch(() => null);
    const answer = await response?.json().catch(() => null);
    const acks = Array.isArray(answer) ? answer.map(({ payload }) => payload) : [{ success: false, ...answer }];
    const refused = acks.find(({ success }) => !success);
    if (refused === undefined) return;
    if (refused.error?.retryable === false) throw new Error(`${refused.error.message} ${refused.error.remedy ?? ""}`);
    await new Promise((resolve) => setTimeout(resolve, waitMs));
  }
}
