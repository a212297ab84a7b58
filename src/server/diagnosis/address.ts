import { lookup } from "node:dns/promises";
import { request as requestHttp } from "node:http";
import { request as requestHttps } from "node:https";
import { isIP } from "node:net";
import { connect } from "node:tls";
import { type Finding, ok, warning, wrong } from "./finding.ts";

/** How long an answer may take, ms. */
const ANSWER_MS = 10_000;
/** Within what time a stream must have said something, ms. */
const FIRST_BYTE_MS = 3_000;
/** How long before a certificate ends one should know, days. */
const SOON_DAYS = 14;
/** The room that streams and polls of the check read. Nothing is said in it. */
const ROOM = "feed:doctor";

export interface AddressPlan {
  /** The web address of the server, without a slash at its end. */
  readonly url: string;
  /** Who reads; null for a guest. */
  readonly token: string | null;
  /** How long the long poll waits, ms; at most 60,000. */
  readonly pollMs: number;
  /** Proxies the server trusts; null when its settings are not known. */
  readonly trustedProxies: readonly string[] | null;
}

/** Whether clients get through to a server, and everything it sends to them, at once. Never rejects. */
export async function diagnoseAddress(plan: AddressPlan): Promise<Finding[]> {
  const { hostname, protocol, port } = new URL(plan.url);
  const host = hostname.replace(/^\[|\]$/g, "");
  const found = [await checkName(host), await checkTls(protocol, host, Number(port) || 443)];
  if (found.some(({ state }) => state === "wrong")) return found;
  const ready = await checkReady(plan);
  found.push(...ready);
  if (ready.some(({ state }) => state === "wrong")) return found;
  found.push(await checkWebSocket(plan), await checkStream(plan), await checkCompression(plan), await checkPoll(plan));
  return found;
}

async function checkName(host: string): Promise<Finding> {
  if (isIP(host) !== 0) return ok(`${host} is an address; no name has to be looked up.`);
  try {
    const found = await lookup(host, { all: true });
    return ok(`${host} is ${found.map(({ address }) => address).join(", ")}.`);
  } catch (error) {
    return wrong(`There is no address for ${host} (${reasonOf(error)}).`, "Check the name, and its A or AAAA record.");
  }
}

function checkTls(protocol: string, host: string, port: number): Promise<Finding> | Finding {
  if (protocol !== "https:") {
    return /^(localhost|127\.|::1$)/.test(host)
      ? ok("There is no TLS, on this machine.")
      : warning(
          "There is no TLS: tokens and messages can be read on the way, and pages on https cannot connect.",
          "Let the load balancer speak TLS (yamabiko nginx --tls), and name it with https.",
        );
  }
  return new Promise((resolve) => {
    const name = isIP(host) === 0 ? { servername: host } : {};
    const socket = connect({ host, port, timeout: ANSWER_MS, ...name });
    const end = (finding: Finding): void => {
      socket.destroy();
      resolve(finding);
    };
    socket.once("secureConnect", () => {
      const days = Math.floor((Date.parse(socket.getPeerCertificate().valid_to) - Date.now()) / 86_400_000);
      end(
        days < SOON_DAYS
          ? warning(`The certificate ends in ${days} days.`, "Renew it, and see why that was not done by itself.")
          : ok(`TLS works (${socket.getProtocol()}); the certificate is good for ${days} days.`),
      );
    });
    socket.once("timeout", () => end(wrong("TLS: nothing answers.", "Check the port and the firewall.")));
    socket.once("error", (error) =>
      end(wrong(`TLS does not work: ${reasonOf(error)}`, "Check the certificate, its chain, and the name in it.")),
    );
  });
}

async function checkReady({ url, trustedProxies }: AddressPlan): Promise<Finding[]> {
  try {
    const answer = await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(ANSWER_MS) });
    const body = (await answer.json().catch(() => null)) as { status?: string; log?: string; bus?: string } | null;
    if (body?.status === "ready") {
      const behind = answer.headers.get("via") ?? answer.headers.get("server");
      return [ok("/readyz says that it is ready."), checkProxy(behind, trustedProxies)];
    }
    if (body?.status === "not ready") {
      return [
        wrong(`/readyz says that it is not ready: log ${body.log}, bus ${body.bus}.`, "Look at what the server logs."),
      ];
    }
    return [
      wrong(
        `/readyz is answered by something else, with ${answer.status}.`,
        "Check the path of --url, and where the load balancer leads it to.",
      ),
    ];
  } catch (error) {
    return [
      wrong(`/readyz is not answered: ${reasonOf(error)}`, "Check that the server runs, the port, the firewall."),
    ];
  }
}

/** Nobody outside can see which address the server takes a client for; but what it trusts can be known. */
function checkProxy(behind: string | null, trusted: readonly string[] | null): Finding {
  if (behind === null) return ok("No proxy says that it is between.");
  if (trusted === null) {
    return warning(
      `${behind} is between; whether its X-Forwarded-For is believed is not known here.`,
      "Check that YAMABIKO_TRUSTED_PROXIES of the server names it; or run this with the server's settings.",
    );
  }
  if (trusted.length > 0) return ok(`${behind} is between, and X-Forwarded-For of ${trusted.join(", ")} is believed.`);
  return wrong(
    `${behind} is between, and no proxy is trusted: the limits per address take all clients for one.`,
    "Set YAMABIKO_TRUSTED_PROXIES to the address of the proxy.",
  );
}

function checkWebSocket({ url }: AddressPlan): Promise<Finding> {
  const remedy = "Let the proxy pass on Upgrade and Connection, with HTTP/1.1; see: yamabiko nginx";
  const { protocol } = new URL(url);
  return new Promise((resolve) => {
    const request = (protocol === "https:" ? requestHttps : requestHttp)(`${url}/ws`, {
      agent: false,
      timeout: ANSWER_MS,
      headers: {
        Connection: "Upgrade",
        Upgrade: "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "eWFtYWJpa28gZG9jdG9yIQ==",
      },
    });
    const end = (finding: Finding): void => {
      resolve(finding);
      request.destroy();
    };
    request.on("upgrade", (_answer, socket) => {
      socket.on("error", () => {});
      socket.destroy();
      end(ok("WebSocket gets through."));
    });
    request.on("response", ({ statusCode }) =>
      end(wrong(`WebSocket does not get through: the answer to the upgrade is ${statusCode}.`, remedy)),
    );
    request.on("timeout", () => end(wrong("WebSocket does not get through: the upgrade is not answered.", remedy)));
    request.on("error", (error) => end(wrong(`WebSocket does not get through: ${reasonOf(error)}`, remedy)));
    request.end();
  });
}

async function checkStream(plan: AddressPlan): Promise<Finding> {
  const buffered = () =>
    wrong(
      `A stream (SSE) says nothing within ${FIRST_BYTE_MS / 1_000} s: something keeps it back.`,
      "Turn off buffering in the proxy: `proxy_buffering off` in nginx.",
    );
  try {
    const signal = AbortSignal.timeout(FIRST_BYTE_MS);
    const answer = await fetch(`${plan.url}/api/events?roomId=${ROOM}`, { headers: headersOf(plan), signal });
    if (!answer.ok) return refused("streams (SSE)", answer.status);
    const reader = answer.body!.getReader();
    const { value } = await reader.read();
    await reader.cancel().catch(() => {});
    return value === undefined ? buffered() : ok("Streams (SSE) arrive at once.");
  } catch (error) {
    if ((error as Error).name === "TimeoutError") return buffered();
    return wrong(`Streams (SSE) do not get through: ${reasonOf(error)}`, "Look at what the proxy logs.");
  }
}

async function checkPoll(plan: AddressPlan): Promise<Finding> {
  const { url, pollMs } = plan;
  const remedy =
    "Let the proxy wait longer than the longest poll and the heartbeat: `proxy_read_timeout 90s` in nginx.";
  const startedAt = performance.now();
  const after = () => `after ${((performance.now() - startedAt) / 1_000).toFixed(1)} s`;
  try {
    const signal = AbortSignal.timeout(pollMs + ANSWER_MS);
    const answer = await fetch(`${url}/api/messages/wait?roomId=${ROOM}&timeoutMs=${pollMs}`, {
      headers: headersOf(plan),
      signal,
    });
    await answer.arrayBuffer();
    if (answer.ok) return ok(`A long poll of ${pollMs / 1_000} s is answered.`);
    if (answer.status < 500) return refused("long polls", answer.status);
    return wrong(`A long poll of ${pollMs / 1_000} s is cut off ${after()} with ${answer.status}.`, remedy);
  } catch (error) {
    return wrong(`A long poll of ${pollMs / 1_000} s is cut off ${after()}: ${reasonOf(error)}`, remedy);
  }
}

async function checkCompression({ url }: AddressPlan): Promise<Finding> {
  try {
    const answer = await fetch(`${url}/openapi.json`, {
      headers: { "Accept-Encoding": "gzip" },
      signal: AbortSignal.timeout(ANSWER_MS),
    });
    await answer.arrayBuffer();
    if (answer.headers.has("content-encoding")) return ok("Long answers arrive compressed.");
    return warning(
      "Long answers do not arrive compressed.",
      "Let the proxy pass on Accept-Encoding and Content-Encoding, or compress by itself.",
    );
  } catch (error) {
    return warning(`Whether answers are compressed is not known: ${reasonOf(error)}`, "Look at what the proxy logs.");
  }
}

function refused(what: string, status: number): Finding {
  if (status === 401 || status === 403) {
    return warning(
      `The server lets nobody read ${ROOM} with what was shown (${status}), so ${what} were not checked.`,
      "Give a token that may: --token, or YAMABIKO_TOKEN.",
    );
  }
  return wrong(`The answer to ${what} is ${status}.`, "Check where the load balancer leads /api/ to.");
}

function headersOf({ token }: AddressPlan): Record<string, string> {
  return token === null ? {} : { Authorization: `Bearer ${token}` };
}

/** What happened, without the wrapping that `fetch` puts around it. */
function reasonOf(error: unknown): string {
  const { cause, message } = error as { cause?: { code?: string; message?: string }; message?: string };
  return cause?.code ?? cause?.message ?? message ?? String(error);
}
