import { createECDH } from "node:crypto";
import { type LookupAddress, type LookupOptions, lookup } from "node:dns";
import { type IncomingMessage, request as requestHttp } from "node:http";
import { Agent, request as requestHttps } from "node:https";
import webPush from "web-push";
import {
  isPublicAddress,
  type PushMessage,
  type PushOutcome,
  type PushSender,
  type PushSubscription,
} from "../features/index.ts";

/** The keys that name this application to push services (RFC 8292), in base64url. */
export interface VapidKeys {
  /** Given to browsers when they subscribe; 65 bytes. */
  readonly publicKey: string;
  /** 32 bytes. */
  readonly privateKey: string;
  /** Where the operator can be reached: `mailto:` or `https:`. */
  readonly subject: string;
}

/** How long a push service may take to answer, ms. */
const ANSWER_MS = 10_000;
/** Connections to one push service at once. */
const SOCKETS_PER_HOST = 16;

/**
 * Sends by the Web Push protocol (RFC 8030), encrypted for the browser (RFC 8291). Follows no redirect, reads no answer's body,
 * and connects to no address of the own network, whatever a name resolves to.
 *
 * @param allowPrivate connects to any address, and without TLS where the endpoint says so: for tests.
 * @throws {TypeError} when the keys are no keys or not each other's, or `subject` is no address.
 */
export function createWebPushSender(vapid: VapidKeys, allowPrivate = false): PushSender {
  checkKeys(vapid);
  const agent = new Agent({ keepAlive: true, maxSockets: SOCKETS_PER_HOST, timeout: ANSWER_MS });
  return {
    publicKey: vapid.publicKey,

    async send(subscription: PushSubscription, message: PushMessage): Promise<PushOutcome> {
      let details: webPush.RequestDetails;
      try {
        details = webPush.generateRequestDetails(subscription, message.payload, {
          vapidDetails: { ...vapid },
          TTL: message.ttlSeconds,
          ...(message.topic === null ? {} : { topic: message.topic }),
        });
      } catch {
        // Its keys are of the right size and still no keys: nothing can ever be encrypted for it.
        return { kind: "gone" };
      }
      const { statusCode = 0, headers } = await post(details, agent, allowPrivate);
      return outcomeOf(statusCode, headers["retry-after"]);
    },
  };
}

/** Resolves to the head of the answer; rejects when there is none in time. */
function post(details: webPush.RequestDetails, agent: Agent, allowPrivate: boolean): Promise<IncomingMessage> {
  const { endpoint, method, headers, body } = details;
  const options = {
    method,
    headers: headers as Record<string, string | number>,
    // The whole of it: who answers drop by drop is not waited for either.
    signal: AbortSignal.timeout(ANSWER_MS),
    ...(allowPrivate ? {} : { lookup: lookupPublic }),
  };
  return new Promise((resolve, reject) => {
    const onResponse = (response: IncomingMessage): void => {
      response.on("error", () => {});
      response.resume();
      resolve(response);
    };
    const request = endpoint.startsWith("http:")
      ? requestHttp(endpoint, options, onResponse)
      : requestHttps(endpoint, { ...options, agent }, onResponse);
    request.on("error", reject);
    request.end(body ?? undefined);
  });
}

/** What a status means (RFC 8030 sections 5 to 7). */
export function outcomeOf(status: number, retryAfter: string | undefined): PushOutcome {
  if (status >= 200 && status < 300) return { kind: "sent" };
  if (status === 404 || status === 410) return { kind: "gone" };
  if (status === 429 || status >= 500) return { kind: "retry", afterMs: readRetryAfter(retryAfter) };
  return { kind: "refused", reason: `the push service answered ${status}` };
}

function readRetryAfter(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const ms = /^\d+$/.test(text) ? Number(text) * 1_000 : Date.parse(text) - Date.now();
  return Number.isFinite(ms) ? Math.max(0, ms) : undefined;
}

type LookupCallback = (error: NodeJS.ErrnoException | null, address: string | LookupAddress[], family?: number) => void;

/** As `dns.lookup`, but an address of the own network is none: whoever owns a name may let it lead anywhere. */
export function lookupPublic(hostname: string, options: LookupOptions, callback: LookupCallback): void {
  lookup(hostname, { ...options, all: true }, (error, found) => {
    if (error !== null) {
      callback(error, []);
      return;
    }
    const addresses = found.filter(({ address }) => isPublicAddress(address));
    const [first] = addresses;
    if (first === undefined) callback(new Error("The push service's name leads into the own network."), []);
    else if (options.all === true) callback(null, addresses);
    else callback(null, first.address, first.family);
  });
}

function checkKeys({ publicKey, privateKey, subject }: VapidKeys): void {
  const ecdh = createECDH("prime256v1");
  const secret = Buffer.from(privateKey, "base64url");
  try {
    if (secret.length !== 32) throw new Error("not a private key");
    ecdh.setPrivateKey(secret);
  } catch {
    throw new TypeError(`The VAPID private key is not one. ${MAKE_KEYS}`);
  }
  if (!ecdh.getPublicKey().equals(Buffer.from(publicKey, "base64url"))) {
    throw new TypeError(`The VAPID public key does not belong to the private key. ${MAKE_KEYS}`);
  }
  if (!/^(mailto:.+@.+|https:\/\/.+)$/.test(subject)) {
    throw new TypeError("The VAPID subject must be an address push services can write to: `mailto:…` or `https://…`.");
  }
}

const MAKE_KEYS = "Make both with: npx web-push generate-vapid-keys";
