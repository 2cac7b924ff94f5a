// The page: who is signed in, which language, which rooms are open.

import { getJson, post, whenSignedOut } from "/static/api.js";
import { startChat } from "/static/chat.js";
import { load, numDocuments, render, startDocuments } from "/static/documents.js";
import { byId } from "/static/dom.js";
import { startEvidence } from "/static/evidence.js";
import { currentLanguage, setLanguage, t, translatePage } from "/static/strings.js";

function showDoor() {
  byId("rooms").hidden = true;
  byId("sign-out").hidden = true;
  byId("library-toggle").hidden = true;
  byId("door").hidden = false;
}

function showRooms() {
  byId("rooms").hidden = false;
  byId("sign-out").hidden = false;
  byId("question").focus();
}

function welcome() {
  const isEmpty = numDocuments() === 0 && !byId("filter").value;
  const [title, lead] = byId("welcome").querySelectorAll("h1, p");
  title.dataset.t = isEmpty ? "welcomeFirst" : "welcomeTitle";
  lead.dataset.t = isEmpty ? "welcomeFirstLead" : "welcomeLead";
  title.textContent = t(title.dataset.t);
  lead.textContent = t(lead.dataset.t);
  byId("welcome-choose").hidden = !isEmpty;
}

function startLanguage() {
  const select = byId("language");
  select.value = currentLanguage();
  select.addEventListener("change", () => {
    setLanguage(select.value);
    translatePage();
    render();
  });
  translatePage();
}

function startDrawer() {
  const open = (isOpen) => {
    document.body.classList.toggle("with-library", isOpen);
    byId("veil").hidden = !isOpen;
    byId("library-toggle").setAttribute("aria-expanded", String(isOpen));
    (isOpen ? byId("library-close") : byId("library-toggle")).focus();
  };
  byId("library-toggle").addEventListener("click", () => open(true));
  byId("library-close").addEventListener("click", () => open(false));
  byId("veil").addEventListener("click", () => open(false));
  addEventListener("keydown", (event) => {
    if (event.key === "Escape" && document.body.classList.contains("with-library")) open(false);
  });
}

function startSignOut() {
  byId("sign-out").addEventListener("click", async () => {
    await post("/sign-out");
    location.reload();
  });
}

async function start() {
  startLanguage();
  startDrawer();
  startSignOut();
  startEvidence();
  startChat();
  startDocuments({ changed: welcome });
  whenSignedOut(showDoor);
  try {
    await getJson("/v1/version");
  } catch (error) {
    if (error.status === 401) return;
  }
  showRooms();
  await load({ fresh: true });
}

start();
