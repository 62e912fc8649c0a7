"use strict";

const root = document.documentElement;

// Languages: the page is written in English, its Chinese lies beside each text.
const contents = [...document.querySelectorAll("[data-zh]")]
  .map((node) => ({ node, en: node.textContent, zh: node.dataset.zh }));
const labels = [...document.querySelectorAll("[data-zh-label]")]
  .map((node) => ({ node, en: node.getAttribute("aria-label"), zh: node.dataset.zhLabel }));

function speak(language) {
  root.lang = language === "zh" ? "zh-CN" : "en";
  for (const text of contents) text.node.textContent = text[language];
  for (const text of labels) text.node.setAttribute("aria-label", text[language]);
}

const languageSwitch = document.getElementById("language");
languageSwitch.addEventListener("click", () => speak(root.lang === "en" ? "zh" : "en"));
speak(navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en");

// Light and dark: as the system has it, until someone chooses.
const systemIsDark = matchMedia("(prefers-color-scheme: dark)");
document.getElementById("theme").addEventListener("click", () => {
  const isDark = root.dataset.theme ? root.dataset.theme === "dark" : systemIsDark.matches;
  root.dataset.theme = isDark ? "light" : "dark";
});
document.querySelector(".switches").hidden = false;

// Sound: one at a time, with a line in its picture that shows where it is.
for (const card of document.querySelectorAll(".card")) {
  const audio = card.querySelector("audio");
  const picture = card.querySelector(".picture");
  if (!audio) continue;
  const line = picture.querySelector(".playhead");
  const follow = () => {
    const at = `${(100 * audio.currentTime) / audio.duration}%`;
    line.setAttribute("x1", at);
    line.setAttribute("x2", at);
    if (!audio.paused) requestAnimationFrame(follow);
  };
  audio.addEventListener("play", () => {
    line.removeAttribute("visibility");
    for (const other of document.querySelectorAll("audio")) if (other !== audio) other.pause();
    follow();
  });
  audio.addEventListener("seeked", () => {
    line.removeAttribute("visibility");
    follow();
  });
  picture.addEventListener("click", (event) => {
    const box = picture.getBoundingClientRect();
    audio.currentTime = (audio.duration * (event.clientX - box.left)) / box.width;
  });
}

// On paper all tables are open.
const closed = () => document.querySelectorAll("details:not([open])");
let opened = [];
addEventListener("beforeprint", () => {
  opened = [...closed()];
  for (const details of opened) details.open = true;
});
addEventListener("afterprint", () => {
  for (const details of opened) details.open = false;
});
