import { createDisconnectWatch, type DisconnectWatch } from "../observe/disconnect-watch.ts";
import type { Logger } from "../observe/logger.ts";
import type { Observer } from "../observe/observer.ts";
import type { Clock, JsonObject } from "../protocol/index.ts";
import { type AlertWebhook, createAlertWebhook } from "./alert-webhook.ts";
import type { Events } from "./events.ts";

/** When and where an operator is told that connections end badly. */
export interface AlertOptions {
  /** How many connections must have ended so within 10 s, at least. Default: 5. */
  readonly minimum?: number | undefined;
  /** Where alerts are posted as JSON, besides the log and the event. Default: nowhere. */
  readonly webhook?: string | undefined;
}

export interface DisconnectAlertParts {
  readonly alerts: AlertOptions;
  readonly node: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly observer: Observer;
  readonly events: Events;
}

/** Watches how connections end, and tells whoever wants to know. */
export interface DisconnectAlerts {
  /** The observer it stands on, which now also watches. */
  readonly observer: Observer;
  /** Begins to watch. */
  start(): void;
  /** The server is about to end connections itself. */
  stop(): void;
  /** Lets go of what waits to be posted. */
  close(): void;
}

/**
 * Watches all connections of this node: a log line, an event of the server, a metric, and a POST when many end badly.
 * @throws {TypeError} when `webhook` is no web address.
 */
export function createDisconnectAlerts(parts: DisconnectAlertParts): DisconnectAlerts {
  const { alerts, node, clock, logger, observer, events } = parts;
  const webhook = alerts.webhook === undefined ? null : webhookTo(alerts.webhook, parts);
  const watch: DisconnectWatch = createDisconnectWatch({
    clock,
    node,
    minimum: alerts.minimum,
    raised(alert) {
      const { message, ...facts } = alert;
      logger.warn({ event: "abnormal_disconnects", ...facts }, message);
      observer.alerted(alert.class);
      events.emit("abnormal_disconnects", alert);
      // Chats that take JSON show its member `text`.
      webhook?.send({ event: "abnormal_disconnects", text: message, ...alert } as unknown as JsonObject);
    },
    settled(over) {
      const { message, ...facts } = over;
      logger.info({ event: "disconnects_settled", ...facts }, message);
      events.emit("disconnects_settled", over);
      webhook?.send({ event: "disconnects_settled", text: message, ...over } as unknown as JsonObject);
    },
  });
  observer.gauge("disconnect_alerts", () => watch.raised);
  if (webhook !== null) observer.gauge("alerts_waiting", () => webhook.waiting);
  return {
    observer: watch.observe(observer),
    start: () => watch.start(),
    stop: () => watch.stop(),
    close() {
      watch.stop();
      webhook?.close();
    },
  };
}

function webhookTo(url: string, { clock, logger, observer }: DisconnectAlertParts): AlertWebhook {
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol)) {
    throw new TypeError("The address of alerts must begin with http:// or https:// (option `alerts.webhook`).");
  }
  return createAlertWebhook({
    url,
    clock,
    onLost(reason) {
      observer.failure("telling the alert webhook", new Error(reason));
      logger.error({ reason }, "an alert could not be posted");
    },
  });
}
