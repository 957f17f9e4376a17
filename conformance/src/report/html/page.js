"use strict";
(async () => {
  const $ = (selector, from = document) => from.querySelector(selector);
  const all = (selector, from = document) => [...from.querySelectorAll(selector)];
  // Whatever an implementation said becomes text, never markup.
  const make = (tag, attributes = {}, ...children) => {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
      else if (value !== null && value !== undefined && value !== false) made.setAttribute(name, value === true ? "" : value);
    }
    made.append(...children.flat().filter((child) => child !== null && child !== undefined));
    return made;
  };

  const rich = (text) => (text ?? "").split("`").map((part, at) => (at % 2 ? make("code", {}, part) : part));

  // Requirements need no data: their rows are here already.
  const find = $("#find"), unmet = $("#unmet"), binding = $("#binding");
  const sift = () => {
    const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
    let any = false;
    for (const row of all(".requirement")) {
      const text = row.textContent.toLowerCase();
      const fits = words.every((word) => text.includes(word)) && (!unmet.checked || "unmet" in row.dataset) && (!binding.checked || "core" in row.dataset);
      row.hidden = !fits;
      any ||= fits;
    }
    for (const family of all(".family")) family.hidden = !$(".requirement:not([hidden])", family);
    $("#nothing-found").hidden = any;
  };
  $("#requirements .tools").hidden = false;
  for (const input of [find, unmet, binding]) input.addEventListener("input", sift);

  const inflate = async (text) => {
    const bytes = Uint8Array.from(atob(text.trim()), (c) => c.charCodeAt(0));
    return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw"))).json();
  };
  let data;
  try {
    data = await inflate($("#data").textContent);
  } catch (error) {
    $("main").prepend(make("section", { class: "trouble" }, make("h2", {}, "No traces"), make("p", {}, `This browser could not unpack them: ${error}`)));
    return;
  }
  const places = new Map(data.cases.map((one, at) => [one.id, at]));

  // The matrix.
  const filters = $("#filters"), squares = all("button.sq"), chips = all("#legend button"), wanted = new Set();
  const gravity = chips.map((chip) => chip.dataset.standing).reverse();
  const standing = (one, requirement) => {
    if (!requirement) return one.standing;
    const about = one.findings.filter((finding) => finding.requirement === requirement).map((finding) => finding.standing);
    return about.sort((a, b) => gravity.indexOf(b) - gravity.indexOf(a))[0] ?? null;
  };
  let walkable = [];
  const show = () => {
    const form = new FormData(filters), requirement = form.get("requirement");
    const axes = data.axes.map((axis, at) => [axis, at, form.get(axis)]).filter(([, , value]) => value);
    const fits = (one) => axes.every(([axis, at, value]) => axis === "upstream" ? one.values[at].includes(value) : one.values[at] === value);
    const counts = new Map();
    walkable = [];
    for (const square of squares) {
      const at = Number(square.dataset.at), one = data.cases[at], is = standing(one, requirement);
      const inside = is !== null && fits(one);
      if (inside) counts.set(is, (counts.get(is) ?? 0) + 1);
      const on = inside && (wanted.size === 0 || wanted.has(is));
      square.className = `sq ${is ?? "none"}${on ? "" : " off"}`;
      square.setAttribute("aria-label", `${one.id}: ${is ?? "nothing said"}`);
      square.title = `${one.values.join(" / ")}\n${is ?? "nothing said"}`;
      square.tabIndex = on ? 0 : -1;
      if (on) walkable.push(at);
    }
    const filtered = requirement || axes.length > 0 || wanted.size > 0;
    for (const body of all(".heat tbody")) {
      for (const row of all("tr:not(.group)", body)) row.hidden = filtered && !$(".sq:not(.off)", row);
      body.hidden = filtered && !$("tr:not(.group):not([hidden])", body);
    }
    for (const chip of chips) {
      const count = counts.get(chip.dataset.standing) ?? 0;
      $(".n", chip).textContent = count;
      chip.hidden = count === 0 && !wanted.has(chip.dataset.standing);
      chip.disabled = false;
      chip.setAttribute("aria-pressed", wanted.has(chip.dataset.standing));
    }
    $("#shown").textContent = `${walkable.length} of ${squares.length} cells`;
  };
  if (filters) {
    filters.hidden = false;
    filters.addEventListener("input", show);
    filters.addEventListener("submit", (event) => event.preventDefault());
    filters.addEventListener("reset", () => { wanted.clear(); setTimeout(show); });
    for (const chip of chips) chip.addEventListener("click", () => { wanted.delete(chip.dataset.standing) || wanted.add(chip.dataset.standing); show(); });
    for (const button of all(".show")) {
      const option = $(`option[value="${CSS.escape(button.dataset.show)}"]`, filters);
      button.hidden = !option;
      button.addEventListener("click", () => { filters.reset(); setTimeout(() => { filters.elements.requirement.value = button.dataset.show; show(); history.replaceState(null, "", `#show=${button.dataset.show}`); $("#matrix").scrollIntoView(); }); });
    }
    show();
  }

  // One case.
  const dialog = $("#case");
  const shown = new Set();
  const secret = (text, secrets) => {
    const parts = [];
    let rest = String(text);
    while (rest) {
      const hits = secrets.map((one) => ({ one, from: rest.indexOf(one.value) })).filter(({ from }) => from >= 0).sort((a, b) => a.from - b.from);
      if (hits.length === 0) break;
      const [{ one, from }] = hits;
      shown.add(one.kind);
      parts.push(rest.slice(0, from), make("mark", { class: one.kind, title: one.kind.replace("-", " ") }, one.value));
      rest = rest.slice(from + one.value.length);
    }
    return [...parts, rest];
  };
  const pretty = (body) => {
    try { return JSON.stringify(JSON.parse(body), null, 2); } catch { return body; }
  };
  const message = (head, headers, body, secrets) => make("div", { class: "message" },
    make("p", {}, head),
    headers.length ? make("pre", {}, headers.flatMap(([name, value]) => [make("span", { class: "name" }, `${name}: `), ...secret(value, secrets), "\n"])) : null,
    body ? make("pre", {}, ...secret(pretty(body), secrets)) : null);
  const strong = (text, kind) => make("b", kind ? { class: kind } : {}, text);
  const quiet = (text) => make("span", { class: "who" }, text);
  const ms = (value) => (value >= 100 ? value.toFixed(0) : value.toFixed(1));
  const client = (one) => one.trace.exchanges.flatMap((exchange, at) => {
    const status = exchange.status === null ? strong("no answer", "bad") : strong(String(exchange.status), exchange.status < 400 ? "good" : "bad");
    const after = exchange.head_after_ms === null ? null : quiet(`head after ${ms(exchange.head_after_ms)} ms`);
    return [
      message([quiet("client sends"), strong(exchange.method), exchange.path], exchange.sent_headers, exchange.sent_body, one.trace.secrets),
      message([quiet("gateway answers"), status, after, one.endings[at] === "whole" ? null : quiet(one.endings[at])], exchange.headers, exchange.body, one.trace.secrets),
    ];
  });
  const upstream = (one) => one.trace.arrivals.map((arrival) =>
    message([strong(arrival.server), quiet("saw"), `${arrival.method} ${arrival.rpc_method ?? arrival.target}`, quiet("and answered"), strong(arrival.answered), quiet(`connection ${arrival.connection}, at ${ms(arrival.at_ms)} ms`)],
      arrival.headers, arrival.body, one.trace.secrets));
  const finding = (told) => {
    const about = data.requirements[told.requirement];
    return make("div", { class: "finding" },
      make("div", {}, make("span", { class: `chip ${told.standing}` }, told.standing)),
      make("div", {},
        make("p", {}, make("b", { class: "id" }, told.requirement), ` ${about?.level ?? ""} `, rich(about?.statement)),
        make("p", { class: "values" }, make("code", {}, told.observable), " expected ", make("code", {}, told.expected), ", actual ", make("code", {}, told.actual)),
        make("p", { class: "source" }, `rule ${told.rule} · ${(about?.sources ?? []).join(" · ")}`),
        about?.impact && !["pass", "info", "not-applicable", "skip"].includes(told.standing) ? make("p", { class: "source" }, "impact: ", rich(about.impact)) : null));
  };
  const command = (text) => {
    const button = make("button", { class: "copy", type: "button", onclick: async () => {
      try { await navigator.clipboard.writeText(text); button.textContent = "copied"; }
      catch { getSelection().selectAllChildren(button.previousSibling); button.textContent = "selected"; }
    } }, "copy");
    return make("div", { class: "command" }, make("pre", {}, text), button);
  };
  const harmless = ["pass", "info", "not-applicable", "skip", "inconclusive"];
  const open = (at) => {
    const one = data.cases[at];
    if (!one) return;
    const grave = one.findings.filter((told) => !harmless.includes(told.standing));
    const rest = one.findings.filter((told) => harmless.includes(told.standing));
    const among = walkable.includes(at) ? walkable : [at];
    const step = (by) => among[among.indexOf(at) + by];
    const walk = (label, title, to) => make("button", { type: "button", title, "aria-label": title, disabled: to === undefined, onclick: () => open(to) }, label);
    shown.clear();
    const [sent, arrived] = [client(one), upstream(one)], kinds = [...shown];
    const observed = Object.entries(one.observations);
    const met = rest.length === 0 ? null : make("details", { class: "met", open: grave.length === 0 }, make("summary", {}, `${rest.length} findings that are no complaint`), rest.map(finding));
    dialog.replaceChildren(
      make("div", { class: "case-head" },
        make("div", {}, make("span", { class: `chip ${one.standing}` }, one.standing), make("h2", { id: "case-title", tabindex: "-1", autofocus: true }, one.id)),
        make("div", { class: "walk" }, walk("←", "the case before this (left arrow)", step(-1)), walk("→", "the case after this (right arrow)", step(1)),
          make("button", { type: "button", title: "close (Escape)", "aria-label": "close", onclick: () => dialog.close() }, "✕"))),
      make("div", { class: "case-body" },
        make("h3", {}, "Expected and seen"),
        one.findings.length ? null : make("p", {}, "No rule speaks of this case."),
        grave.map(finding), met,
        one.evidence.control === false ? make("p", {}, "The positive control behind this case failed, so it proves nothing.") : null,
        kinds.length === 0 ? null : make("p", { class: "keys" }, "highlighted: ", kinds.map((kind) => make("mark", { class: kind }, kind.replace("-", " ")))),
        make("div", { class: "faces" },
          make("section", {}, make("h3", {}, "At the client"), sent.length ? sent : make("p", {}, "Nothing was sent.")),
          make("section", {}, make("h3", {}, "At the upstreams"), arrived.length ? arrived : make("p", {}, "Nothing arrived."))),
        make("h3", {}, "Again"),
        command(one.again), one.curl ? command(one.curl) : null,
        one.curl ? make("p", { class: "nothing" }, "The second line works while the first one holds; ports differ from run to run.") : null,
        observed.length === 0 ? null : make("details", { class: "met" }, make("summary", {}, `${observed.length} observations`), make("dl", { class: "evidence" }, observed.flatMap(([name, said]) => [make("dt", {}, name), make("dd", {}, said)])))));
    dialog.onkeydown = (event) => {
      const to = { ArrowLeft: step(-1), ArrowRight: step(1) }[event.key];
      if (to !== undefined) { event.preventDefault(); open(to); }
    };
    if (!dialog.open) dialog.showModal();
    dialog.scrollTop = 0;
    history.replaceState(null, "", `#case=${encodeURIComponent(one.id)}`);
  };
  dialog.addEventListener("close", () => history.replaceState(null, "", location.pathname + location.search));
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-at], [data-case]");
    if (button) open(button.dataset.at === undefined ? places.get(button.dataset.case) : Number(button.dataset.at));
  });
  // Links that can be shared: one case, or what one requirement says of the matrix.
  const [, word, name] = location.hash.match(/^#(case|show)=(.*)$/) ?? [];
  if (word === "case") open(places.get(decodeURIComponent(name)));
  if (word === "show" && filters) { filters.elements.requirement.value = decodeURIComponent(name); show(); $("#matrix").scrollIntoView(); }
  document.documentElement.dataset.ready = "yes";
})();
