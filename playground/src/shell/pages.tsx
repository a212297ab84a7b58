import { type ComponentType, lazy } from "react";
import { ChatPage } from "../chat/chat-page.tsx";
import type { Strings } from "../strings.ts";
import type { IconName } from "./icon.tsx";

// Pages that not everybody looks at are loaded when somebody does.
const NotificationsPage = lazy(async () => ({
  default: (await import("../notifications/notifications-page.tsx")).NotificationsPage,
}));
const DashboardPage = lazy(async () => ({
  default: (await import("../dashboard/dashboard-page.tsx")).DashboardPage,
}));
const GamePage = lazy(async () => ({ default: (await import("../game/game-page.tsx")).GamePage }));
const DocumentsPage = lazy(async () => ({
  default: (await import("../documents/documents-page.tsx")).DocumentsPage,
}));
const LabPage = lazy(async () => ({ default: (await import("../lab/lab-page.tsx")).LabPage }));

/** What every page is given. */
export interface PageProps {
  /** What follows the page's name in the address, e.g. the room. */
  readonly rest: string;
}

/** One page of the playground. */
export interface Page {
  /** Its name in the address: `#/<id>`. */
  readonly id: string;
  readonly icon: IconName;
  /** What the navigation calls it. The window's `<title>` is the view's own. */
  readonly title: (strings: Strings) => string;
  readonly View: ComponentType<PageProps>;
}

/** Every page there is, in the order of the navigation. The first is the one a visitor sees. */
export const PAGES: readonly Page[] = [
  { id: "chat", icon: "chat", title: (strings) => strings.chat, View: ChatPage },
  { id: "notifications", icon: "inbox", title: (strings) => strings.notifications, View: NotificationsPage },
  { id: "dashboard", icon: "gauge", title: (strings) => strings.dashboard, View: DashboardPage },
  { id: "game", icon: "game", title: (strings) => strings.game, View: GamePage },
  { id: "documents", icon: "document", title: (strings) => strings.documents, View: DocumentsPage },
  { id: "lab", icon: "lab", title: (strings) => strings.lab, View: LabPage },
];
