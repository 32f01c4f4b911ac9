"use strict";
(() => {
  const byId = (id) => document.getElementById(id);
  const audio = byId("audio"), play = byId("play"), position = byId("position"), follow = byId("follow");
  const { starts, sentences } = JSON.parse(byId("times").textContent);
  const words = document.querySelectorAll("#text span > span");
  const numbers = new Map();
  words.forEach((word, number) => numbers.set(word, number));
  const storageKey = `story-tts ${location.pathname} ${starts.length} ${starts[starts.length - 1]}`;
  const calm = matchMedia("(prefers-reduced-motion: reduce)");
  let shown = -1;

  // The last element of the sorted list that is not above the value; -1 if there is none.
  const lastUpTo = (list, value) => {
    let low = 0, high = list.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (list[middle] <= value) low = middle + 1; else high = middle;
    }
    return low - 1;
  };
  // Seeking rounds to samples: a word is current from a millisecond before its start.
  const wordAt = (secs) => lastUpTo(starts, secs * 1000 + 1);

  const clock = (secs) => {
    const whole = Math.floor(secs || 0), hours = Math.floor(whole / 3600);
    const minutes = Math.floor(whole / 60) % 60, seconds = String(whole % 60).padStart(2, "0");
    return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${seconds}` : `${minutes}:${seconds}`;
  };

  const mark = (number) => {
    if (number === shown) return;
    const before = words[shown], now = words[number];
    if (before) {
      before.classList.remove("word");
      before.removeAttribute("aria-current");
      if (!now || before.parentNode !== now.parentNode) before.parentNode.classList.remove("sentence");
    }
    if (now) {
      now.classList.add("word");
      now.setAttribute("aria-current", "true");
      now.parentNode.classList.add("sentence");
    }
    shown = number;
    if (now && follow.checked) reveal(now);
  };

  const reveal = (word) => {
    const box = word.getBoundingClientRect();
    if (box.top > 60 && box.bottom < innerHeight * 0.7) return;
    word.scrollIntoView({ block: "center", behavior: calm.matches || audio.paused ? "auto" : "smooth" });
  };

  const update = () => {
    mark(wordAt(audio.currentTime));
    position.value = audio.currentTime;
    position.setAttribute("aria-valuetext", `${clock(audio.currentTime)} of ${clock(audio.duration)}`);
    byId("elapsed").textContent = clock(audio.currentTime);
  };
  const eachFrame = () => {
    update();
    if (!audio.paused) requestAnimationFrame(eachFrame);
  };

  const goTo = (number) => {
    audio.currentTime = starts[Math.max(0, Math.min(number, starts.length - 1))] / 1000;
    update();
  };
  const toggle = () => (audio.paused ? audio.play().catch(() => {}) : audio.pause());
  const sentence = (step) => {
    const secs = audio.currentTime, current = lastUpTo(sentences, Math.max(0, wordAt(secs)));
    // As in players: back goes to the start of this sentence first, unless it has only just begun.
    const isBegun = secs - starts[sentences[current]] / 1000 > 1;
    goTo(sentences[Math.max(0, Math.min(current + (step < 0 && isBegun ? 0 : step), sentences.length - 1))]);
  };

  const save = () => {
    try { localStorage.setItem(storageKey, audio.ended ? 0 : audio.currentTime); } catch { /* not allowed */ }
  };

  audio.addEventListener("play", () => {
    play.classList.add("playing");
    play.setAttribute("aria-label", "Pause");
    requestAnimationFrame(eachFrame);
  });
  audio.addEventListener("pause", () => {
    play.classList.remove("playing");
    play.setAttribute("aria-label", "Play");
    save();
  });
  addEventListener("pagehide", save);
  for (const event of ["seeking", "seeked", "timeupdate", "ended"]) audio.addEventListener(event, update);
  audio.addEventListener("loadedmetadata", () => {
    position.max = audio.duration;
    byId("length").textContent = clock(audio.duration);
    let saved = 0;
    try { saved = Number(localStorage.getItem(storageKey)); } catch { /* not allowed */ }
    if (saved > 0 && saved < audio.duration) audio.currentTime = saved;
    update();
  });
  const sources = audio.querySelectorAll("source");
  const explain = () => {
    const names = [...sources].map((source) => decodeURIComponent(source.getAttribute("src"))).join(" or ");
    byId("problem").textContent = `The audio cannot be played: put ${names} into the folder of this page.`;
    byId("problem").hidden = false;
  };
  sources[sources.length - 1].addEventListener("error", explain);
  addEventListener("load", () => {
    if (audio.networkState === HTMLMediaElement.NETWORK_NO_SOURCE) explain();
  });

  play.addEventListener("click", toggle);
  byId("previous").addEventListener("click", () => sentence(-1));
  byId("next").addEventListener("click", () => sentence(1));
  byId("speed").addEventListener("change", (event) => { audio.playbackRate = Number(event.target.value); });
  position.addEventListener("input", () => { audio.currentTime = Number(position.value); update(); });
  follow.addEventListener("change", () => { if (follow.checked && words[shown]) reveal(words[shown]); });
  for (const event of ["wheel", "touchmove"]) {
    addEventListener(event, () => { if (!audio.paused) follow.checked = false; }, { passive: true });
  }
  byId("text").addEventListener("click", (event) => {
    const number = numbers.get(event.target);
    if (number === undefined || !getSelection().isCollapsed) return;
    follow.checked = true;
    goTo(number);
  });
  for (const chapter of document.querySelectorAll("nav button")) {
    chapter.addEventListener("click", () => {
      follow.checked = true;
      // The chapter begins in the pause before its first word.
      goTo(wordAt(Number(chapter.dataset.start)) + (Number(chapter.dataset.start) > 0 ? 1 : 0));
    });
  }
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
    if (event.target.closest("input, select, button, a, audio")) return;
    const action = { " ": toggle, ArrowLeft: () => sentence(-1), ArrowRight: () => sentence(1) }[event.key];
    if (!action) return;
    event.preventDefault();
    action();
  });

  // The browser's own controls remain for readers without scripts.
  audio.classList.add("replaced");
  byId("controls").hidden = false;
  if ("mediaSession" in navigator) {
    navigator.mediaSession.metadata = new MediaMetadata({ title: document.title });
    navigator.mediaSession.setActionHandler("previoustrack", () => sentence(-1));
    navigator.mediaSession.setActionHandler("nexttrack", () => sentence(1));
  }
  if (audio.readyState > 0) audio.dispatchEvent(new Event("loadedmetadata"));
})();
