"use strict";

// Choices stay from page to page. A browser that keeps nothing has its own language and light.
const kept = {
  get(name) { try { return localStorage.getItem(name); } catch { return null; } },
  set(name, value) { try { localStorage.setItem(name, value); } catch { /* kept for this page */ } },
};
if (kept.get("language")) speak(kept.get("language"));
if (kept.get("theme")) root.dataset.theme = kept.get("theme");
document.getElementById("language").addEventListener("click", () => {
  kept.set("language", root.lang === "en" ? "en" : "zh");
});
document.getElementById("theme").addEventListener("click", () => kept.set("theme", root.dataset.theme));

// A form is sent once, however often its button is pressed.
for (const form of document.forms) {
  form.addEventListener("submit", (event) => {
    if (form.dataset.sent) { event.preventDefault(); return; }
    form.dataset.sent = "yes";
    for (const other of document.querySelectorAll(".answers button")) {
      if (other !== event.submitter) other.disabled = true;
    }
  });
}
addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });

// What has just been done is spoken, and the next call is where the keyboard is.
const done = document.querySelector("[role=status], [role=alert]");
if (done) setTimeout(() => { document.getElementById("spoken").textContent = done.textContent; }, 300);
if (document.querySelector(".answers")) document.querySelector(".call h2").focus({ preventScroll: true });

// An empty queue looks for calls by itself.
const empty = document.querySelector("[data-again]");
if (empty) {
  setInterval(() => { if (!document.hidden) location.reload(); }, 1000 * Number(empty.dataset.again));
}

// The player: a line shows where it is, and the picture is a slider for the mouse.
const audio = document.querySelector(".call audio");
const picture = document.querySelector(".call .picture");
if (audio) {
  // What can't be read has no picture: then say so, and leave nothing that plays nothing.
  const image = picture.querySelector("img");
  const missing = () => {
    picture.hidden = audio.hidden = true;
    document.querySelector(".unheard").hidden = false;
  };
  image.addEventListener("error", missing);
  if (image.complete && !image.naturalWidth) missing();
  const head = picture.querySelector(".head");
  const seconds = () => (Number.isFinite(audio.duration) ? audio.duration : Number(audio.dataset.seconds));
  const follow = () => {
    head.hidden = false;
    head.style.left = `${(100 * audio.currentTime) / seconds()}%`;
    if (!audio.paused) requestAnimationFrame(follow);
  };
  audio.addEventListener("play", follow);
  audio.addEventListener("seeked", follow);
  picture.addEventListener("click", (event) => {
    const box = picture.getBoundingClientRect();
    audio.currentTime = (seconds() * (event.clientX - box.left)) / box.width;
    audio.play();
  });
}

// One key each. What is typed into a field is text, and the browser's own shortcuts stay its own.
addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  if (event.target.closest("input, select, textarea")) return;
  const key = event.key.toLowerCase();
  if (audio && key === " " && !event.target.closest("button, a, summary, audio")) {
    event.preventDefault();
    if (audio.paused) audio.play(); else audio.pause();
  } else if (audio && (key === "arrowleft" || key === "arrowright") && event.target !== audio) {
    event.preventDefault();
    audio.currentTime = Math.max(0, audio.currentTime + (key === "arrowleft" ? -2 : 2));
  } else {
    const button = [...document.querySelectorAll("[data-key]")].find((each) => each.dataset.key === key);
    if (button && !button.disabled) { event.preventDefault(); button.click(); }
  }
});
