// Shows what comes by Web Push when no page of this site is open, and opens what a click asks for.

self.addEventListener("push", (event) => {
  let message = {};
  try {
    message = event.data.json();
  } catch {
    // A push must be shown, whatever was in it.
  }
  const { title = "Yamabiko", body = "", tag, url = null } = message;
  event.waitUntil(self.registration.showNotification(title, { body, tag, icon: "./logo.svg", data: { url } }));
});

self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  event.waitUntil(open(event.notification.data?.url ?? null));
});

/** Only pages of this site and other sites over HTTP: never a script. */
function destinationOf(url) {
  const home = self.registration.scope;
  if (typeof url !== "string") return home;
  // The playground has one path; what follows it is a page within it.
  if (/^\/(?![/\\])/.test(url)) return `${home}#${url.replace(/^\/#/, "")}`;
  return /^https?:\/\/[^/\\]/i.test(url) ? url : home;
}

async function open(url) {
  const destination = destinationOf(url);
  const windows = await self.clients.matchAll({ type: "window", includeUncontrolled: true });
  const own = windows.find((one) => one.url.startsWith(self.registration.scope));
  if (own === undefined || !destination.startsWith(self.registration.scope)) {
    await self.clients.openWindow(destination);
    return;
  }
  await own.focus();
  // A page this worker does not control yet cannot be sent anywhere by it.
  await own.navigate(destination).catch(() => self.clients.openWindow(destination));
}
