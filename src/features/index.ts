/** The namespaces that come with the server. */
export * from "./chat/chat.ts";
