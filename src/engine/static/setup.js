// The page behind the one-time link that the server prints: makes the first administrator.
// The token is in the fragment of the link, which browsers do not send: it never gets into a log.
'use strict';

const FIELDS = ['token', 'email', 'full_name', 'password', 'password_again'];
const TOKEN = /^#([A-Za-z0-9_-]+)$/;

const part = (id) => document.getElementById(id);

// ---- what the page says ----

function notice(text) {
  part('notice').textContent = text;
  part('notice').hidden = text === '';
}

function fieldError(name, text) {
  part(`${name}-error`).textContent = text;
  part(name).setAttribute('aria-invalid', String(text !== ''));
}

function clearErrors() {
  notice('');
  FIELDS.forEach((name) => fieldError(name, ''));
}

// The cursor goes where something is to be done: the first faulty field, else the notice.
function focusError() {
  const faulty = FIELDS.find((name) => part(`${name}-error`).textContent !== '');
  part(faulty || 'notice').focus();
}

function setBusy(isBusy) {
  part('send').disabled = isBusy;
  part('send').textContent = isBusy ? 'One moment…' : 'Create the administrator';
}

// ---- what the person gave ----

function takeToken() {
  const found = TOKEN.exec(location.hash);
  if (found) {
    part('token').value = found[1];
  }
  part('token-field').hidden = Boolean(found);
}

function readForm() {
  const values = {};
  FIELDS.forEach((name) => { values[name] = part(name).value; });
  ['token', 'email', 'full_name'].forEach((name) => { values[name] = values[name].trim(); });
  return values;
}

// Only what the server cannot see; all else is its decision. True when the form may be sent.
function checkForm(values) {
  FIELDS.filter((name) => part(name).required && values[name] === '')
    .forEach((name) => fieldError(name, 'Required.'));
  if (values.password_again !== '' && values.password_again !== values.password) {
    fieldError('password_again', 'This is not the same password.');
  }
  return FIELDS.every((name) => part(`${name}-error`).textContent === '');
}

// ---- asking the server ----

function randomKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) =>
    byte.toString(16).padStart(2, '0')).join('');
}

// The same form sent again, after the answer was lost, is the same request to the server.
const sent = { body: '', key: '' };

function post(body) {
  if (body !== sent.body) {
    sent.body = body;
    sent.key = randomKey();
  }
  return fetch('/api/v1/setup/admin', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', 'Idempotency-Key': sent.key },
    body,
    cache: 'no-store',
    credentials: 'omit',
  });
}

// The session that comes with the account is not used here, so it does not stay open.
function endSession(token) {
  fetch('/api/v1/auth/logout', {
    method: 'POST',
    headers: { Authorization: `Bearer ${token}` },
    credentials: 'omit',
  }).catch(() => {});
}

// ---- its answers ----

function showDone(email, token) {
  const body = JSON.stringify({ email, password: '…' }).replace(/'/g, "'\\''");
  if (token) {
    endSession(token);
  }
  history.replaceState(null, '', location.pathname);
  part('form').reset();
  part('form').remove();
  part('done-email').textContent = email;
  part('done-login').textContent = `curl -k \\\n  ${location.origin}/api/v1/auth/login \\\n` +
    `  -H 'Content-Type: application/json' \\\n  -d '${body}'`;
  part('title').textContent = 'Done';
  document.title = 'Done';
  part('done').hidden = false;
  part('done').focus();
}

// The server names fields with a list of sentences each.
function showFaults(details) {
  const others = [];
  Object.entries(details).forEach(([name, texts]) => {
    const text = [].concat(texts).join(' ');
    if (FIELDS.includes(name)) {
      fieldError(name, text);
    } else {
      others.push(`${name}: ${text}`);
    }
  });
  notice(others.join(' '));
  part('token-field').hidden = part('token-field').hidden &&
    part('token-error').textContent === '';
}

function showRefusal(reply, envelope) {
  const details = (envelope.error && envelope.error.details) || {};
  if (details.code === 'SETUP_TOKEN_INVALID') {
    part('token-field').hidden = false;
    fieldError('token', 'The server does not take this token. Every start makes a new one: use ' +
      'the newest link. When somebody has become administrator, none is valid any more.');
  } else if (reply.status === 409) {
    fieldError('email', envelope.message);
  } else if (envelope.error && envelope.error.type === 'VALIDATION_ERROR') {
    showFaults(details);
  } else {
    const wait = reply.headers.get('Retry-After');
    notice(`${envelope.message || `The server answered ${reply.status}.`}` +
      `${wait ? ` Try again in ${wait} s.` : ''}`);
  }
}

async function send() {
  const values = readForm();
  clearErrors();
  if (!checkForm(values)) {
    return;
  }
  const { token, email, password, full_name: fullName } = values;
  const fields = fullName === '' ? { token, email, password }
    : { token, email, password, full_name: fullName };
  const reply = await post(JSON.stringify(fields));
  const envelope = await reply.json().catch(() => ({}));
  if (reply.ok) {
    showDone(email, (envelope.data || {}).token);
  } else {
    showRefusal(reply, envelope);
  }
}

async function onSubmit(event) {
  event.preventDefault();
  setBusy(true);
  try {
    await send();
  } catch (error) {
    notice('The server cannot be reached. Nothing is lost: send the form again.');
  }
  if (part('form')) {
    setBusy(false);
    focusError();
  }
}

function onShow() {
  ['password', 'password_again'].forEach((name) => {
    part(name).type = part('show').checked ? 'text' : 'password';
  });
}

part('form').addEventListener('submit', onSubmit);
part('show').addEventListener('change', onShow);
addEventListener('hashchange', takeToken);
takeToken();
part('form').hidden = false;
