"use strict";
(() => {
  const $ = (id) => document.getElementById(id);
  const names = {ghl: "HighLevel", hubspot: "HubSpot"};
  const sides = Object.keys(names);
  const seen = {ghl: new Map(), hubspot: new Map()}; // What each record showed last.
  const lit = new Map(); // Until when a record is lit.
  const mine = new Set(); // Records that this page has just edited.
  let board = null, writes = -1, editing = null, zone = "UTC", drawn = "";

  const part = (at, options) =>
    new Intl.DateTimeFormat("en-GB", {timeZone: zone, ...options}).format(new Date(at));
  const day = (at) => part(at, {weekday: "short", day: "numeric", month: "short", year: "numeric"});
  const hour = (at) => part(at, {hour: "2-digit", minute: "2-digit"});
  const order = (at) => new Intl.DateTimeFormat("sv", {timeZone: zone}).format(new Date(at));
  const local = (at) => `${order(at)}T${hour(at)}`;

  function instant(text) { // What a clock in the zone shows, as an instant.
    const wanted = Date.parse(`${text}:00Z`);
    let at = wanted;
    for (let turn = 0; turn < 2; turn += 1) at += wanted - Date.parse(`${local(at)}:00Z`);
    return new Date(at).toISOString();
  }

  async function ask(method, path, body) {
    const answer = await fetch(`/control${path}`, {
      method, body: body && JSON.stringify(body), headers: {"Content-Type": "application/json"},
    });
    const found = await answer.json();
    if (!answer.ok) throw new Error(found.message || answer.status);
    return found;
  }

  function make(tag, given, ...inside) {
    const made = Object.assign(document.createElement(tag), given);
    made.append(...inside);
    return made;
  }

  function notice(fresh) {
    const wrote = writes >= 0 && fresh.writes > writes;
    for (const side of sides) {
      const now = new Map(fresh[side].appointments.map((row) => [row.id, JSON.stringify(row)]));
      for (const [id, shown] of now) {
        const key = `${side} ${id}`;
        if (seen[side].get(id) === shown) continue;
        if (wrote && !mine.has(key)) lit.set(key, Date.now() + 8000);
      }
      seen[side] = now;
    }
    mine.clear();
    writes = fresh.writes;
  }

  function card(side, row) {
    const key = `${side} ${row.id}`;
    const glows = (lit.get(key) || 0) > Date.now();
    const state = row.gone ? (side === "ghl" ? "deleted" : "archived") : row.status;
    const told = [row.person, state, row.gone ? "press to restore" : "", glows ? "syncd wrote this" : ""].filter(Boolean).join(", ");
    const when = row.start ? hour(row.start) : "no time";
    const made = make("button", {
      type: "button", id: `card-${side}-${row.id}`,
      className: `card${row.off ? " off" : ""}${row.gone ? " gone" : ""}${glows ? " lit" : ""}`,
    }, `${when} ${row.title || "(no title)"}`, make("small", {}, told));
    made.addEventListener("click", () => row.gone ? restore(side, row) : open(side, row));
    return made;
  }

  function draw() {
    const groups = new Map();
    const today = order(board.now);
    for (let next = 0; next < 7; next += 1) {
      const at = new Date(Date.parse(board.now) + next * 86400000).toISOString();
      groups.set(order(at), {at, ghl: [], hubspot: []});
    }
    for (const side of sides) {
      for (const row of board[side].appointments) {
        const at = row.start || board.now;
        if (!groups.has(order(at))) groups.set(order(at), {at, ghl: [], hubspot: []});
        groups.get(order(at))[side].push(row);
      }
    }
    const days = [...groups].sort(([one], [other]) => one.localeCompare(other));
    const shown = days.map(([key, group]) => {
      const columns = sides.map((side) => {
        const rows = group[side].sort((a, b) =>
          `${a.start} ${a.person}`.localeCompare(`${b.start} ${b.person}`));
        const add = make("button", {type: "button", className: "add", id: `add-${side}-${key}`},
          side === "ghl" ? "Book" : "Add");
        add.setAttribute("aria-label", `${add.textContent} in ${names[side]} on ${day(group.at)}`);
        add.addEventListener("click", () => open(side, null, `${key}T10:00`));
        return make("div", {className: `cards ${side}`}, ...rows.map((row) => card(side, row)), add);
      });
      const heading = make("h3", {}, day(group.at) + (key === today ? ", today" : ""));
      const made = make("section", {className: "day"}, heading,
        make("div", {className: "sides"}, ...columns));
      return [key, made];
    });
    const past = shown.filter(([key]) => key < today).map(([, made]) => made);
    const old = $("earlier");
    const earlier = make("details", {id: "earlier", open: Boolean(old && old.open)},
      make("summary", {}, `Earlier: ${past.length} days`), ...past);
    const focus = document.activeElement && document.activeElement.id;
    $("days").replaceChildren(
      make("div", {className: "sides"}, ...sides.map((side) => make("h2", {}, names[side]))),
      ...shown.filter(([key]) => key >= today).map(([, made]) => made),
      ...(past.length ? [earlier] : []),
    );
    if (focus && $(focus) && document.activeElement === document.body) $(focus).focus();
    $("last").replaceChildren(...board.last.map((row) =>
      make("li", {}, `${hour(row.at)} ${names[row.side]}: ${row.what} → ${row.status ?? "no answer"}`)));
    if (!$("last").children.length) $("last").append(make("li", {}, "none yet"));
    $("zone").textContent = zone;
    if (document.activeElement?.closest("#weather")) return;
    for (const [name, value] of Object.entries(board.weather)) {
      const field = $("weather").elements[name];
      if (field.type === "checkbox") field.checked = value; else field.value = value;
    }
  }

  async function look() {
    try {
      const fresh = await ask("GET", "/board");
      zone = fresh.timezone;
      notice(fresh);
      board = fresh;
      const glows = [...lit].filter(([, until]) => until > Date.now()).map(([key]) => key);
      const shown = JSON.stringify([{...board, now: order(board.now)}, glows]);
      // A press that ends on another element than it began on is none.
      if (shown !== drawn) draw();
      drawn = shown;
      if ($("told").dataset.lost) say("");
    } catch (error) {
      say(`The sandbox does not answer: ${error.message}`, true);
    }
  }

  function say(text, lost) {
    $("told").textContent = text;
    if (lost) $("told").dataset.lost = "yes"; else delete $("told").dataset.lost;
  }

  function choices(select, rows, chosen) {
    select.replaceChildren(...rows.map((row) =>
      make("option", {value: row.id ?? row, selected: (row.id ?? row) === chosen}, row.name ?? row)));
  }

  function open(side, row, at) {
    editing = {side, row};
    const fields = $("edit").querySelector("form").elements, here = board[side];
    for (const each of $("edit").querySelectorAll(".new")) each.hidden = Boolean(row);
    for (const each of $("edit").querySelectorAll(".old")) each.hidden = !row;
    for (const each of $("edit").querySelectorAll(side === "ghl" ? ".hubspot" : ".ghl")) {
      each.hidden = true;
    }
    $("edit-title").textContent = row ? `${names[side]}: ${row.title || row.id}`
      : `New in ${names[side]}`;
    fields.title.value = row ? row.title : "Check-up";
    fields.start.value = row && row.start ? local(row.start) : at || local(board.now);
    fields.minutes.value = row && row.end && row.start
      ? Math.round((Date.parse(row.end) - Date.parse(row.start)) / 60000) : 30;
    choices(fields.contact, here.contacts);
    if (side === "ghl") choices(fields.calendar, here.calendars);
    const status = here.statuses.find((each) => (each.name ?? each) === row?.status);
    choices(fields.status, here.statuses, status?.id ?? status);
    choices(fields.merge, here.appointments.filter((each) => !each.gone && each.id !== row?.id)
      .map((each) => ({id: each.id, name: `${each.title || each.id}, ${each.person}`})));
    $("edit").returnValue = "";
    $("edit").showModal();
    fields.title.focus();
  }

  async function edited(word) {
    const {side, row} = editing;
    const fields = $("edit").querySelector("form").elements;
    const start = instant(fields.start.value);
    const end = new Date(Date.parse(start) + fields.minutes.value * 60000).toISOString();
    const path = `/${side}/appointments`, title = fields.title.value;
    if (!row && word === "save") {
      const made = side === "ghl"
        ? await ask("POST", path, {calendar: fields.calendar.value, contact: fields.contact.value,
          start, title, minutes: Number(fields.minutes.value)})
        : await ask("POST", path, {contacts: [fields.contact.value], properties: {
          hs_appointment_name: title, hs_appointment_start: start, hs_appointment_end: end}});
      mine.add(`${side} ${made.id}`);
      return;
    }
    if (!row) return;
    mine.add(`${side} ${row.id}`);
    const cancelled = board[side].statuses
      .find((each) => /cancel/i.test(each.name ?? each));
    if (word === "delete") await ask("DELETE", `${path}/${row.id}`);
    if (word === "merge") {
      const made = await ask("POST", `${path}/merge`, {primary: row.id, secondary: fields.merge.value});
      mine.add(`${side} ${made.id}`).add(`${side} ${fields.merge.value}`);
    }
    if (word === "cancel" || word === "save") {
      const changed = {};
      const status = word === "cancel" ? cancelled.id ?? cancelled : fields.status.value;
      const shown = board[side].statuses.find((each) => (each.id ?? each) === status);
      const moved = word === "save" && (row.start !== start || row.end !== end);
      if (side === "ghl") {
        if (title !== row.title) changed.title = title;
        if ((shown.name ?? shown) !== row.status) changed.status = status;
        if (moved) Object.assign(changed, {start, end});
      } else {
        if (title !== row.title) changed.hs_appointment_name = title;
        if ((shown.name ?? shown) !== row.status) changed[board.hubspot.status] = status;
        if (moved) Object.assign(changed, {hs_appointment_start: start, hs_appointment_end: end});
      }
      await ask("PATCH", `${path}/${row.id}`, changed);
    }
  }

  async function restore(side, row) {
    await act(async () => {
      mine.add(`${side} ${row.id}`);
      const word = side === "ghl" ? "undelete" : "restore";
      await ask("POST", `/${side}/appointments/${row.id}/${word}`);
    });
  }

  async function act(work) {
    try {
      await work();
      say("");
    } catch (error) {
      say(error.message);
    }
    await look();
  }

  $("edit").addEventListener("close", () => {
    const word = $("edit").returnValue;
    if (word) act(() => edited(word));
  });
  $("weather").addEventListener("change", (event) => {
    const {name, type, checked, value} = event.target;
    act(() => ask("PUT", "/weather", {[name]: type === "checkbox" ? checked : value}));
  });
  $("weather").addEventListener("submit", (event) => event.preventDefault());
  look();
  setInterval(look, 1000);
})();
