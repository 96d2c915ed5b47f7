// Passkeys: the browser's half of agent/owner/passkeys. Bytes travel as base64url.
//
// A button with data-passkey asks the console there for options, with the form's field that
// data-with names, puts the passkey's answer into the form's field "passkey", and sends the form.

const supported = "PublicKeyCredential" in window && "credentials" in navigator;

function encode(buffer) {
  const text = String.fromCharCode(...new Uint8Array(buffer ?? new ArrayBuffer(0)));
  return btoa(text).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

function decode(text) {
  const plain = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(plain, (character) => character.charCodeAt(0));
}

async function post(path, fields) {
  const answer = await fetch(path, { method: "POST", body: new URLSearchParams(fields) });
  if (answer.status === 401) {
    location.reload(); // locked meanwhile: the guard asks for the passphrase
    return new Promise(() => {});
  }
  const said = await answer.json();
  if (!answer.ok) {
    throw new Error(said.error);
  }
  return said;
}

const descriptor = (one) => ({ ...one, id: decode(one.id) });

async function create(options) {
  const made = await navigator.credentials.create({
    publicKey: {
      ...options,
      challenge: decode(options.challenge),
      user: { ...options.user, id: decode(options.user.id) },
      excludeCredentials: options.excludeCredentials.map(descriptor),
    },
  });
  return JSON.stringify({
    id: encode(made.rawId),
    client_data: encode(made.response.clientDataJSON),
    attestation: encode(made.response.attestationObject),
  });
}

async function get(options) {
  const salts = Object.entries(options.extensions.prf.evalByCredential);
  const evalByCredential = Object.fromEntries(
    salts.map(([id, salt]) => [id, { first: decode(salt.first) }]),
  );
  const used = await navigator.credentials.get({
    publicKey: {
      ...options,
      challenge: decode(options.challenge),
      allowCredentials: options.allowCredentials.map(descriptor),
      extensions: { prf: { evalByCredential } },
    },
  });
  return JSON.stringify({
    id: encode(used.rawId),
    client_data: encode(used.response.clientDataJSON),
    authenticator_data: encode(used.response.authenticatorData),
    signature: encode(used.response.signature),
    user: encode(used.response.userHandle),
    secret: encode(used.getClientExtensionResults().prf?.results?.first),
  });
}

// Runs work with the form's buttons off; a failure is told below them.
async function attempt(form, work) {
  const told = form.querySelector("[data-passkey-error]");
  const buttons = [...form.querySelectorAll("button")];
  told.hidden = true;
  buttons.forEach((button) => (button.disabled = true));
  try {
    await work();
  } catch (error) {
    const words = { InvalidStateError: "known", NotSupportedError: "noPrf" };
    const isOurs = error.constructor === Error;
    told.textContent = isOurs ? error.message : told.dataset[words[error.name] ?? "noAnswer"];
    told.hidden = false;
  } finally {
    buttons.forEach((button) => (button.disabled = false));
  }
}

function confirmBy(button) {
  const form = button.form;
  const passphrase = form.elements.passphrase;
  if (passphrase) {
    passphrase.required = false; // all else that the form asks for must be there
    passphrase.value = "";
  }
  if (!form.reportValidity()) {
    return undefined;
  }
  return attempt(form, async () => {
    const field = button.dataset.with;
    const fields = field ? { [field]: form.elements[field].value } : {};
    form.elements.passkey.value = await get(await post(button.dataset.passkey, fields));
    form.querySelectorAll("button").forEach((one) => (one.disabled = false));
    form.requestSubmit();
  }).finally(() => {
    if (passphrase) {
      passphrase.required = true;
    }
  });
}

function enrol(form) {
  return attempt(form, async () => {
    const path = form.dataset.enrol;
    const fields = { name: form.elements.name.value, passphrase: form.elements.passphrase.value };
    const made = await create(await post(`${path}/begin`, fields));
    const used = await get(await post(`${path}/confirm`, { passkey: made }));
    location.assign((await post(`${path}/finish`, { passkey: used })).next);
  });
}

if (supported) {
  for (const button of document.querySelectorAll("[data-passkey]")) {
    button.hidden = false;
  }
  for (const form of document.querySelectorAll("[data-enrol]")) {
    form.querySelector("button").disabled = false;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      enrol(form);
    });
  }
  document.addEventListener(
    "submit",
    (event) => {
      if (event.submitter?.dataset.passkey) {
        event.preventDefault();
        event.stopImmediatePropagation(); // the page's own handlers hear the form that follows
        confirmBy(event.submitter);
      }
    },
    true,
  );
  const removed = document.querySelector("[data-forget]");
  if (removed?.dataset.at && PublicKeyCredential.signalUnknownCredential) {
    PublicKeyCredential.signalUnknownCredential({
      rpId: removed.dataset.at,
      credentialId: removed.dataset.forget,
    }).catch(() => {}); // a courtesy: its authenticator may hide it
  }
}
