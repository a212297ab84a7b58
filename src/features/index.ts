/** The namespaces that come with the server. */
export * from "./chat/chat.ts";
export * from "./dashboard/dashboards.ts";
export * from "./documents/documents.ts";
export * from "./game/index.ts";
export * from "./notifications/notifications.ts";
