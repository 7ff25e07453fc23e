// Forges variants of a genuine token: node forge_tokens.mjs JWKS-FILE < token.
// Prints {"name": "token", ...}; the server must refuse every one of them.
import { SignJWT, UnsecuredJWT, decodeJwt, decodeProtectedHeader, exportSPKI, generateKeyPair,
  importJWK } from 'jose';
import { readFileSync } from 'node:fs';

const jwk = JSON.parse(readFileSync(process.argv[2], 'utf8')).keys[0];
const genuine = readFileSync(0, 'utf8').trim();
const payload = decodeJwt(genuine);
const header = decodeProtectedHeader(genuine);
const [head64, body64, signature64] = genuine.split('.');
const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');

const forged = {};
forged.alg_none = new UnsecuredJWT(payload).encode();
forged.alg_none_with_our_header = `${encode({ ...header, alg: 'none' })}.${body64}.`;
forged.alg_none_capitals = `${encode({ ...header, alg: 'NonE' })}.${body64}.`;
forged.alg_none_with_signature = `${encode({ ...header, alg: 'none' })}.${body64}.${signature64}`;
forged.signature_missing = `${head64}.${body64}.`;
forged.signature_dropped = `${head64}.${body64}`;
forged.signature_zero = `${head64}.${body64}.${Buffer.alloc(64).toString('base64url')}`;
forged.signature_padded = `${genuine}==`;
forged.signature_other_end = `${head64}.${body64}.` +
  signature64.slice(0, -1) + (signature64.endsWith('A') ? 'Q' : 'A');
forged.five_parts = `${genuine}.AAAA.AAAA`;

// The public key, in each of its text forms, as an HMAC secret.
const publicKey = await importJWK(jwk, 'ES256', { extractable: true });
const secrets = {
  pem: Buffer.from(await exportSPKI(publicKey)),
  jwk: Buffer.from(JSON.stringify(jwk)),
  point: Buffer.concat([Buffer.from([4]), Buffer.from(jwk.x, 'base64url'),
    Buffer.from(jwk.y, 'base64url')]),
};
for (const [name, secret] of Object.entries(secrets)) {
  forged[`hs256_${name}`] = await new SignJWT(payload)
    .setProtectedHeader({ ...header, alg: 'HS256' }).sign(secret);
}

// A key of the forger's own, under our key id, and one that the header brings along.
const own = await generateKeyPair('ES256', { extractable: true });
const ownSign = (changedHeader, changedPayload = payload) =>
  new SignJWT(changedPayload).setProtectedHeader(changedHeader).sign(own.privateKey);
forged.other_key = await ownSign(header);
forged.other_key_unknown_kid = await ownSign({ ...header, kid: 'A'.repeat(43) });
const { exportJWK } = await import('jose');
forged.key_in_header = await ownSign({ ...header, jwk: await exportJWK(own.publicKey) });
const rsa = await generateKeyPair('RS256');
forged.rs256 = await new SignJWT(payload).setProtectedHeader({ ...header, alg: 'RS256' })
  .sign(rsa.privateKey);

// Changed claims and headers under the genuine signature.
forged.claims_changed = `${head64}.${encode({ ...payload, role: 'admin' })}.${signature64}`;
forged.exp_changed = `${head64}.${encode({ ...payload, exp: payload.exp + 3600 })}.${signature64}`;
forged.typ_changed = `${encode({ ...header, typ: 'JWT' === header.typ ? 'at+jwt' : 'JWT' })}` +
  `.${body64}.${signature64}`;
forged.typ_missing = `${encode({ alg: header.alg, kid: header.kid })}.${body64}.${signature64}`;
forged.crit = `${encode({ ...header, crit: ['exp'] })}.${body64}.${signature64}`;
forged.header_spaced = `${Buffer.from(JSON.stringify(header, null, 1)).toString('base64url')}` +
  `.${body64}.${signature64}`;
forged.empty = '..';
forged.long = `${head64}.${'A'.repeat(6000)}.${signature64}`;
console.log(JSON.stringify(forged));
