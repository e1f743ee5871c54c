// What the page does better with a script; without one it works all the same.
"use strict";
(() => {
  const every = 15000;
  const kept = () => new Set([...document.querySelectorAll("details[open][id]")].map((d) => d.id));
  const busy = () => {
    const at = document.activeElement;
    const typing = at && at.matches("input,select,textarea");
    return typing || sent || document.hidden || String(getSelection()) !== "";
  };
  let sent = false;

  function dress(root) {
    for (const button of root.querySelectorAll("button.copy")) button.hidden = false;
    for (const search of root.querySelectorAll(".filters")) search.hidden = false;
    filter();
  }

  function filter() {
    const find = document.getElementById("find");
    const state = document.getElementById("state");
    if (!find || !state) return;
    const words = find.value.trim().toLowerCase();
    let shown = 0;
    for (const row of document.querySelectorAll("tr[data-name]")) {
      const fits = row.dataset.name.includes(words) &&
        (!state.value || row.dataset.tone === state.value ||
          (state.value === "held" && row.dataset.held !== "0"));
      row.hidden = !fits;
      shown += fits;
    }
    document.getElementById("found").textContent = `${shown} shown`;
  }

  async function renew() {
    if (busy()) return;
    const note = document.getElementById("connection");
    try {
      const here = new URL(location.href);
      here.username = here.password = ""; // A request names none in its address.
      const answer = await fetch(here, {cache: "no-store"});
      if (!answer.ok) throw new Error(`the page answers ${answer.status}`);
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      if (busy() || !fresh.querySelector("main")) return;
      const open = kept();
      const focus = document.activeElement && document.activeElement.id;
      const find = document.getElementById("find"), state = document.getElementById("state");
      const typed = find && [find.value, state.value];
      document.title = fresh.title;
      document.querySelector("link[rel=icon]").href = fresh.querySelector("link[rel=icon]").href;
      for (const part of ["header", "main", "footer"]) {
        const one = document.querySelector(`body>${part}`), other = fresh.querySelector(`body>${part}`);
        one.replaceWith(document.adoptNode(other));
      }
      for (const id of open) {
        const found = document.getElementById(id);
        if (found) found.open = true;
      }
      if (typed && document.getElementById("find")) {
        document.getElementById("find").value = typed[0];
        document.getElementById("state").value = typed[1];
      }
      dress(document);
      if (focus && document.getElementById(focus)) document.getElementById(focus).focus();
    } catch (error) {
      if (note) {
        note.hidden = false;
        note.textContent = `Not up to date: ${error.message}`;
      }
    }
  }

  async function copy(button) {
    const text = button.previousElementSibling.textContent;
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      const range = document.createRange();
      range.selectNodeContents(button.previousElementSibling);
      getSelection().removeAllRanges();
      getSelection().addRange(range);
      document.execCommand("copy");
      getSelection().removeAllRanges();
    }
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy"; }, 2000);
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest("button.copy");
    if (button) copy(button);
  });
  for (const kind of ["input", "change"]) {
    document.addEventListener(kind, (event) => {
      if (event.target.closest(".filters")) filter();
    });
  }
  document.addEventListener("submit", (event) => {
    if (sent) event.preventDefault(); // A second press while the first is on its way.
    sent = true;
  });
  addEventListener("pageshow", () => { sent = false; });
  dress(document);
  setInterval(renew, every);
  window.renew = renew;
})();
