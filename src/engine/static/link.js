// The pages behind the links in mails. The token is in the fragment of the link, which browsers do
// not send: it never gets into a log. The form says where it goes (data-action); its named inputs
// and the token are what is sent.
'use strict';

const TOKEN = /^#([A-Za-z0-9_-]{43})$/;

const part = (id) => document.getElementById(id);
const inputs = () => Array.from(part('form').querySelectorAll('input'));

// ---- what the page says ----

function notice(text) {
  part('notice').textContent = text;
  part('notice').hidden = text === '';
}

function fieldError(input, text) {
  part(`${input.id}-error`).textContent = text;
  input.setAttribute('aria-invalid', String(text !== ''));
}

function clearErrors() {
  notice('');
  inputs().forEach((input) => fieldError(input, ''));
}

function focusError() {
  const faulty = inputs().find((input) => part(`${input.id}-error`).textContent !== '');
  (faulty || part('notice')).focus();
}

// ---- what the person gave ----

// Only what the server cannot see; all else is its decision. True when the form may be sent.
function checkForm() {
  inputs().forEach((input) => {
    const other = input.dataset.same && part(input.dataset.same);
    if (input.required && input.value === '') {
      fieldError(input, 'Required.');
    } else if (other && other.value !== input.value) {
      fieldError(input, 'This is not the same password.');
    }
  });
  return inputs().every((input) => part(`${input.id}-error`).textContent === '');
}

// ---- asking the server ----

function post(token) {
  const body = { token };
  inputs().filter((input) => input.name !== '')
    .forEach((input) => { body[input.name] = input.value; });
  return fetch(part('form').dataset.action, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(body),
    cache: 'no-store',
    credentials: 'omit',
  });
}

// ---- its answers ----

function showDone() {
  history.replaceState(null, '', location.pathname);
  part('form').remove();
  part('title').textContent = 'Done';
  document.title = 'Done';
  part('done').hidden = false;
  part('done').focus();
}

// The server names fields with a list of sentences each.
function showRefusal(reply, envelope) {
  const error = envelope.error || {};
  const faults = error.type === 'VALIDATION_ERROR' ? Object.entries(error.details || {}) : [];
  const named = faults.filter(([name]) => part(name));
  named.forEach(([name, texts]) => fieldError(part(name), [].concat(texts).join(' ')));
  if (named.length === 0) {
    const wait = reply.headers.get('Retry-After');
    notice(`${envelope.message || `The server answered ${reply.status}.`}` +
      `${wait ? ` Try again in ${wait} s.` : ''}`);
  }
}

async function send(token) {
  clearErrors();
  if (!checkForm()) {
    return;
  }
  const reply = await post(token);
  const envelope = await reply.json().catch(() => ({}));
  if (reply.ok) {
    showDone();
  } else {
    showRefusal(reply, envelope);
  }
}

async function onSubmit(event) {
  event.preventDefault();
  const found = TOKEN.exec(location.hash);
  part('send').disabled = true;
  try {
    if (found) {
      await send(found[1]);
    } else {
      notice('The link is not complete: open it again from the mail.');
    }
  } catch (error) {
    notice('The server cannot be reached. Nothing is lost: try again.');
  }
  if (part('form')) {
    part('send').disabled = false;
    focusError();
  }
}

part('form').addEventListener('submit', onSubmit);
part('form').hidden = false;
