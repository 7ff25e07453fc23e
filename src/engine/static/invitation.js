// The page behind the link of an invitation: shows what it is about, logs in or registers, accepts.
// The token is in the fragment of the link, which browsers do not send: it never gets into a log.
'use strict';

const TOKEN = /^#([A-Za-z0-9_-]{43})$/;
const FIELDS = ['full_name', 'password', 'code'];

const part = (id) => document.getElementById(id);
const token = () => (TOKEN.exec(location.hash) || [])[1];
let shown = null; // what the server says about the invitation

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

function focusError() {
  const faulty = FIELDS.find((name) => part(`${name}-error`).textContent !== '');
  part(faulty || 'notice').focus();
}

// ---- asking the server ----

class Refusal extends Error {
  constructor(reply, envelope) {
    super(envelope.message || `The server answered ${reply.status}.`);
    this.error = envelope.error || {};
  }
}

async function post(path, body, bearer) {
  const headers = { 'Content-Type': 'application/json' };
  if (bearer) {
    headers.Authorization = `Bearer ${bearer}`;
  }
  const reply = await fetch(path, {
    method: 'POST', headers, body: JSON.stringify(body), cache: 'no-store', credentials: 'omit',
  });
  const envelope = await reply.json().catch(() => ({}));
  if (!reply.ok) {
    throw new Refusal(reply, envelope);
  }
  return envelope.data || {};
}

// A session for the account of the invitation; null when the page has said what is missing.
async function openSession() {
  const body = { email: shown.email, password: part('password').value };
  if (!shown.has_account) {
    if (part('full_name').value.trim() !== '') {
      body.full_name = part('full_name').value.trim();
    }
    const made = await post('/api/v1/auth/register', body);
    showAccount(true);
    if (!made.token) {
      notice('Confirm your address first: a link was sent to it. Then open this one again.');
    }
    return made.token || null;
  }
  if (part('code').value.trim() !== '') {
    body.totp_code = part('code').value.trim();
  }
  const data = await post('/api/v1/auth/login', body);
  if (!data.token) {
    part('code-field').hidden = !data.requires_totp;
    notice(data.requires_totp ? 'Enter the one-time code of your app, too.'
      : 'This account needs a passkey: log in elsewhere and accept the invitation there.');
  }
  return data.token || null;
}

// ---- its answers ----

function showAccount(hasAccount) {
  shown.has_account = hasAccount;
  part('login-hint').hidden = !hasAccount;
  part('register-hint').hidden = hasAccount;
  part('name-field').hidden = hasAccount;
  part('password-hint').hidden = hasAccount;
  part('password').autocomplete = hasAccount ? 'current-password' : 'new-password';
}

function showInvitation(data) {
  shown = data;
  part('inviter').textContent = data.inviter_name || data.organization_name;
  part('email').textContent = data.email;
  part('organization').textContent = data.organization_name;
  part('role').textContent = data.role;
  showAccount(data.has_account);
  part('form').hidden = false;
}

function showDone() {
  history.replaceState(null, '', location.pathname);
  part('form').remove();
  part('title').textContent = 'Done';
  document.title = 'Done';
  part('done').hidden = false;
  part('done').focus();
}

function showRefusal(refusal) {
  const details = refusal.error && refusal.error.details;
  if (refusal.error && refusal.error.type === 'VALIDATION_ERROR' && details.password) {
    fieldError('password', [].concat(details.password).join(' '));
  } else {
    notice(refusal instanceof Refusal ? refusal.message
      : 'The server cannot be reached. Nothing is lost: try again.');
  }
}

async function accept() {
  clearErrors();
  if (part('password').value === '') {
    fieldError('password', 'Required.');
    return;
  }
  const session = await openSession();
  if (session) {
    await post('/api/v1/invitations/accept', { token: token() }, session);
    post('/api/v1/auth/logout', {}, session).catch(() => {}); // it is not used any more
    showDone();
  }
}

async function onSubmit(event) {
  event.preventDefault();
  part('send').disabled = true;
  await accept().catch(showRefusal);
  if (part('form')) {
    part('send').disabled = false;
    focusError();
  }
}

async function start() {
  part('form').addEventListener('submit', onSubmit);
  if (token()) {
    await post('/api/v1/invitations/show', { token: token() }).then(showInvitation, showRefusal);
  } else {
    notice('The link is not complete: open it again from the mail.');
  }
}

start();
