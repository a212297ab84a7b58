/** The namespaces that come with the server. */
export * from "./chat/chat.ts";
export * from "./notifications/notifications.ts";
