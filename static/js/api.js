// The page of the API: sends what its forms say, and shows the answer; writes the same as a command.
(() => {
  const page = document.querySelector("[data-api]");
  if (!page) return;
  const base = page.dataset.api;
  const key = page.querySelector("[data-key]");

  // Address, headers and body of what a form asks for.
  function asked(form) {
    let path = form.dataset.path;
    const query = new URLSearchParams();
    const headers = {};
    let body;
    for (const field of form.querySelectorAll("[data-in]")) {
      const value = field.value;
      if (field.dataset.in === "path") path = path.replace(`{${field.name}}`, encodeURIComponent(value));
      else if (field.dataset.in === "body") body = value;
      else if (value === "") continue;
      else if (field.dataset.in === "query") query.set(field.name, value);
      else headers[field.name] = value;
    }
    if (body !== undefined) headers["Content-Type"] = "application/json";
    const told = query.toString();
    return { address: base + path + (told ? `?${told}` : ""), headers, body };
  }

  const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

  function command(form) {
    const { address, headers, body } = asked(form);
    const parts = [`curl -X ${form.dataset.method} ${quoted(location.origin + address)}`];
    for (const [name, value] of Object.entries({ Authorization: "Bearer toril_…", ...headers })) parts.push(`-H ${quoted(`${name}: ${value}`)}`);
    if (body !== undefined) parts.push(`-d ${quoted(body)}`);
    form.parentElement.querySelector(".curl").textContent = parts.join(" \\\n  ");
  }

  async function send(form) {
    const { address, headers, body } = asked(form);
    const method = form.dataset.method;
    if (key.value) headers["X-API-Key"] = key.value;
    else if (method !== "GET") headers["X-CSRFToken"] = page.dataset.token;
    const began = performance.now();
    const answer = await fetch(address, { method, headers, body, credentials: key.value ? "omit" : "same-origin", cache: "no-store" });
    const text = await answer.text();
    return { answer, text, took: Math.round(performance.now() - began) };
  }

  function laidOut(text) {
    try {
      return JSON.stringify(JSON.parse(text), null, 2);
    } catch {
      return text;
    }
  }

  function show(form, status, took, told, isGood) {
    const shown = form.parentElement.querySelector(".answer");
    shown.hidden = false;
    shown.classList.toggle("bad", !isGood);
    shown.querySelector(".status").textContent = status;
    shown.querySelector(".took").textContent = took;
    shown.querySelector(".told").textContent = told;
  }

  page.addEventListener("input", (event) => {
    const form = event.target.closest("form[data-path]");
    if (form) command(form);
  });
  page.addEventListener("submit", async (event) => {
    event.preventDefault();
    const form = event.target;
    if (!form.dataset.path) return;
    const button = form.querySelector("button");
    button.disabled = true;
    try {
      const { answer, text, took } = await send(form);
      const tag = answer.headers.get("ETag");
      show(form, `${answer.status} ${answer.statusText}`, `${took} ms${tag ? ` · ETag ${tag}` : ""}`, laidOut(text), answer.ok);
    } catch {
      show(form, page.dataset.away, "", "", false);
    }
    button.disabled = false;
  });
})();
