// The server: JSON both ways, arrays one way. Every change carries the page's token.

const token = document.querySelector("meta[name=token]").content;

async function ask(path, options) {
  let response;
  try {
    response = await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error("The server does not answer. Was it stopped? Start `vimu review` again.");
  }
  if (response.ok) return response;
  const said = await response.json().catch(() => ({}));
  throw new Error(said.error || `The server answers ${response.status}.`);
}

export async function get(path) {
  return (await ask(path)).json();
}

export async function post(path, body) {
  const headers = { "Content-Type": "application/json", "X-Review-Token": token };
  return (await ask(path, { method: "POST", headers, body: JSON.stringify(body) })).json();
}

// A header and arrays on one buffer, as vimu/review/wire.py packs them.
export async function arrays(path, signal) {
  const buffer = await (await ask(path, { signal })).arrayBuffer();
  const length = new DataView(buffer).getUint32(0, true);
  const { arrays: known, ...header } = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  let at = 4 + length;
  const found = {};
  for (const { name, shape, dtype } of known) {
    const size = shape.reduce((product, n) => product * n, 1);
    found[name] = dtype === "f4" ? new Float32Array(buffer, at, size) : new Uint32Array(buffer, at, size);
    at += 4 * size;
  }
  return { ...header, ...found };
}
