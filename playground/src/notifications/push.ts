import { readPushKey } from "./inbox-api.ts";

/** Whether this browser can be reached when no page is open. */
export type PushState = "unsupported" | "off" | "on" | "denied";

/** How the server is told about a subscription; the room of the inbox does it. */
export type TellPush = (
  type: "subscribe_push" | "unsubscribe_push",
  payload: Record<string, unknown>,
) => Promise<unknown>;

/** Where Web Push stands here: the browser, what its user allows, and whether the server has a key. */
export async function readPushState(): Promise<{ state: PushState; key: string | null }> {
  const isSupported = "serviceWorker" in navigator && "PushManager" in window && "Notification" in window;
  if (!isSupported) return { state: "unsupported", key: null };
  const key = await readPushKey();
  if (key === null) return { state: "unsupported", key };
  if (Notification.permission === "denied") return { state: "denied", key };
  const registration = await navigator.serviceWorker.getRegistration();
  const subscription = await registration?.pushManager.getSubscription();
  return { state: subscription == null ? "off" : "on", key };
}

/** Asks for permission and subscribes. Rejects when the browser or the server refuses. */
export async function turnPushOn(key: string, tell: TellPush): Promise<PushState> {
  if ((await Notification.requestPermission()) !== "granted") return "denied";
  await navigator.serviceWorker.register("./push-worker.js");
  const registration = await navigator.serviceWorker.ready;
  const subscription = await registration.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: key });
  await tell("subscribe_push", { subscription: subscription.toJSON() });
  return "on";
}

/** Ends the subscription, here and at the server. */
export async function turnPushOff(tell: TellPush): Promise<PushState> {
  const registration = await navigator.serviceWorker.getRegistration();
  const subscription = await registration?.pushManager.getSubscription();
  if (subscription != null) {
    await tell("unsubscribe_push", { endpoint: subscription.endpoint });
    await subscription.unsubscribe();
  }
  return "off";
}
