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
  }

  let search = 0;
  function narrow(form) {
    const fields = new URLSearchParams(new FormData(form));
    for (const name of [...fields.keys()]) if (!fields.get(name)) fields.delete(name);
    history.replaceState(null, "", fields.size ? `/?${fields}` : "/");
    clearTimeout(search);
    search = setTimeout(() => renew(["#table"]), 200);
  }

  async function renew(parts = ["body>header", "main", "footer"]) {
    const whole = parts.length > 1;
    if (whole && busy()) return;
    const note = document.getElementById("connection");
    try {
      const here = new URL(location.href);
      here.username = here.password = ""; // A request names none in its address.
      const answer = await fetch(here, {cache: "no-store"});
      if (!answer.ok) throw new Error(`the page answers ${answer.status}`);
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      if ((whole && busy()) || here.search !== location.search) return;
      if (!fresh.querySelector("main")) return;
      const open = kept();
      const focus = document.activeElement && document.activeElement.id;
      const refusal = whole && document.querySelector("[role=alert]");
      document.title = fresh.title;
      document.querySelector("link[rel=icon]").href = fresh.querySelector("link[rel=icon]").href;
      for (const part of parts) {
        const one = document.querySelector(part), other = fresh.querySelector(part);
        if (one && other) one.replaceWith(document.adoptNode(other));
      }
      // What was not done stays to be read.
      if (refusal) document.querySelector(".headline").after(refusal);
      for (const id of open) {
        const found = document.getElementById(id);
        if (found) found.open = true;
      }
      dress(document);
      if (whole && focus && document.getElementById(focus)) document.getElementById(focus).focus();
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
      const form = event.target.closest("form.filters");
      if (form) narrow(form);
    });
  }
  document.addEventListener("submit", (event) => {
    if (sent) event.preventDefault(); // A second press while the first is on its way.
    sent = true;
    sessionStorage.setItem("at", `${scrollY} ${location.href}`);
  });
  addEventListener("pageshow", () => {
    sent = false;
    // Who pressed a button far down reads on there.
    const [at, ...where] = (sessionStorage.getItem("at") || "").split(" ");
    sessionStorage.removeItem("at");
    if (at && where.join(" ") === location.href && !document.querySelector("[role=alert]")) {
      scrollTo({top: Number(at), behavior: "instant"});
    }
  });
  dress(document);
  setInterval(renew, every);
  window.renew = renew;
})();
