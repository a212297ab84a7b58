/** What a configuration of nginx is made for. */
export interface NginxPlan {
  /** The servers, as `host:port`; at least one. */
  readonly nodes: readonly string[];
  /** Whether an address always comes to the same node (`ip_hash`). Nothing of Yamabiko needs it. */
  readonly sticky: boolean;
  /** Where it is served, as `/chat`; `/` for a host of its own. What reaches the nodes begins behind it. */
  readonly path: string;
  /** Whether nginx speaks TLS. */
  readonly tls: boolean;
}

/** How long nginx waits for more of an answer: well over the heartbeat (20 s and 10 s more) and the longest poll (60 s). */
const SILENCE = "90s";

/** The text of a configuration for nginx's `http` context, such as a file of `/etc/nginx/conf.d/`. */
export function nginxConfig(plan: NginxPlan): string {
  return `${[...head(plan), ...upstream(plan), "", ...servers(plan)].join("\n")}\n`;
}

function head({ sticky }: NginxPlan): string[] {
  return [
    `# Yamabiko behind nginx, ${sticky ? "each address at the same node" : "each request at any node"}. A file for /etc/nginx/conf.d/.`,
    "# On the nodes: YAMABIKO_TRUSTED_PROXIES=<address of this nginx>, so that they know clients apart.",
    "",
    "# Upgrade for WebSocket; anything else keeps its connection to the node.",
    "map $http_upgrade $yamabiko_connection {",
    "    default upgrade;",
    '    ""      "";',
    "}",
    "",
  ];
}

function upstream({ nodes, sticky }: NginxPlan): string[] {
  const choice = sticky
    ? ["    ip_hash;"]
    : ["    # The emptier one of two taken by chance.", "    random two least_conn;"];
  return [
    "upstream yamabiko {",
    "    zone yamabiko 64k;",
    ...choice,
    "    # max_fails=0: a node that was away a moment ago is asked again at once. Otherwise, when one is restarted after the",
    "    # other, nginx believes for a while that none is there.",
    ...nodes.map((node) => `    server ${node} max_fails=0;`),
    "    keepalive 64;",
    "}",
  ];
}

function servers({ path, tls }: NginxPlan): string[] {
  if (!tls) return ["server {", "    listen 80;", "    listen [::]:80;", "", ...location(path), "}"];
  return [
    "server {",
    "    listen 80;",
    "    listen [::]:80;",
    "    return 308 https://$host$request_uri;",
    "}",
    "",
    "server {",
    "    listen 443 ssl http2;",
    "    listen [::]:443 ssl http2;",
    "    # Put the paths of your certificate here.",
    "    ssl_certificate     /etc/nginx/tls/fullchain.pem;",
    "    ssl_certificate_key /etc/nginx/tls/privkey.pem;",
    "    ssl_protocols       TLSv1.2 TLSv1.3;",
    "",
    ...location(path),
    "}",
  ];
}

function location(path: string): string[] {
  const isRoot = path === "/";
  return [
    `    location ${isRoot ? "/" : `${path}/`} {`,
    // With a slash at its end, nginx takes the prefix off.
    `        proxy_pass http://yamabiko${isRoot ? "" : "/"};`,
    "        proxy_http_version 1.1;",
    "        proxy_set_header Upgrade $http_upgrade;",
    "        proxy_set_header Connection $yamabiko_connection;",
    "        proxy_set_header Host $http_host;",
    "        proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;",
    "        proxy_set_header X-Forwarded-Proto $scheme;",
    "",
    "        # Events leave at once.",
    "        proxy_buffering off;",
    "        proxy_cache off;",
    "        # Longer than the heartbeat (20 s, and 10 s for the answer) and the longest poll.",
    `        proxy_read_timeout ${SILENCE};`,
    `        proxy_send_timeout ${SILENCE};`,
    "        # The limit `requestBytes` of the nodes.",
    "        client_max_body_size 1m;",
    "",
    "        # A node that is away or leaving: ask another.",
    "        proxy_connect_timeout 1s;",
    "        proxy_next_upstream error timeout http_502 http_503;",
    "        proxy_next_upstream_tries 3;",
    "    }",
  ];
}
