import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { App } from "./shell/app.tsx";
import { applyTheme, storedTheme } from "./shell/theme.ts";
import "./shell/base.css";
import "./shell/shell.css";
import "./session/session.css";
import "./connection/connection.css";
import "./chat/chat.css";
import "./chat/message.css";
import "./chat/composer.css";

applyTheme(storedTheme());

const root = document.getElementById("root");
if (root !== null) {
  createRoot(root).render(
    <StrictMode>
      <App />
    </StrictMode>,
  );
}
