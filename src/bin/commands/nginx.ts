import { parseArgs } from "node:util";
import { nginxConfig } from "../nginx-config.ts";
import { type Command, UsageError } from "../terminal.ts";

/** A host name, an IPv4 address, or an IPv6 one in brackets, and a port. */
const NODE = /^([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):(\d{1,5})$/;
const PATH = /^(\/[A-Za-z0-9._~-]+)+$/;
const DEFAULT_NODE = "127.0.0.1:8080";

/** What `yamabiko nginx --help` says. */
export const nginxHelp = `Usage: yamabiko nginx [--node HOST:PORT …] [--sticky] [--path /PREFIX] [--tls]

Prints a configuration for nginx: yamabiko nginx --node a:8080 --node b:8080 > /etc/nginx/conf.d/yamabiko.conf

  --node HOST:PORT  a server; may be given more than once; default: ${DEFAULT_NODE}
  --sticky          an address always comes to the same node; Yamabiko does not need it
  --path /PREFIX    serve below this path; clients then use wss://host/PREFIX/ws; default: /
  --tls             nginx speaks TLS on 443, and port 80 leads there`;

/** `yamabiko nginx`: prints a configuration. */
export const nginx: Command = async (args, terminal) => {
  const { values } = parseArgs({
    args: [...args],
    options: {
      node: { type: "string", multiple: true },
      sticky: { type: "boolean", default: false },
      path: { type: "string", default: "/" },
      tls: { type: "boolean", default: false },
    },
  });
  const nodes = values.node ?? [DEFAULT_NODE];
  for (const node of nodes) checkNode(node);
  const path = values.path.replace(/\/+$/, "") || "/";
  if (path !== "/" && !PATH.test(path)) {
    throw new UsageError(`--path ${values.path} cannot be used.`, "Use a path such as /chat");
  }
  terminal.print(nginxConfig({ nodes, sticky: values.sticky, path, tls: values.tls }).trimEnd());
  return 0;
};

/** @throws {UsageError} for what would not be one server in a configuration. */
function checkNode(node: string): void {
  const port = Number(NODE.exec(node)?.[2]);
  if (port >= 1 && port <= 65_535) return;
  throw new UsageError(`--node ${node} is not the address of a server.`, "Use HOST:PORT, such as 10.0.0.5:8080");
}
