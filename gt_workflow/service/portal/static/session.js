// Signing in and out. The session is a cookie that no script can read; this page only knows
// whether the service still takes it.

import { Refusal, send } from "./api.js";

const INVITE = "invite";

/** What is pasted may be the whole link or the invitation alone. */
export function inviteIn(text) {
  const trimmed = text.trim();
  const behind = trimmed.slice(trimmed.indexOf("#") + 1);
  const named = new URLSearchParams(behind);
  return named.get(INVITE) ?? named.get("token") ?? trimmed;
}

// The invitation comes behind the '#', which browsers never send to a server, and leaves the
// address bar at once, so that it is neither in the history nor on a screenshot.
function inviteInAddress() {
  const named = new URLSearchParams(location.hash.slice(1));
  const invite = named.get(INVITE) ?? named.get("token");
  if (invite !== null) history.replaceState(null, "", location.pathname);
  return invite;
}

/** Exchange an invitation for a session; rejects with the service's own sentence. */
export const signIn = (invite) => send("POST", "session", { invite });

/** Sign out on this browser. What was drawn and not sent is forgotten, too. */
export async function signOut() {
  sessionStorage.clear();
  try {
    await send("POST", "session/end", {});
  } catch (error) {
    if (!(error instanceof Refusal && error.status === 401)) throw error;
  }
}

/** Sign in with the invitation in the address, if there is one; tells whether there was. */
export async function arrive() {
  const invite = inviteInAddress();
  if (invite === null) return false;
  await signIn(invite);
  return true;
}
