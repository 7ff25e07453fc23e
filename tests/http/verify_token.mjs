// Verifies a JWT as a stranger would: node verify_token.mjs JWKS-FILE ISSUER < token.
// Prints {"header": ..., "payload": ...} or {"error": "..."}.
import { createLocalJWKSet, jwtVerify } from 'jose';
import { readFileSync } from 'node:fs';

const [, , jwksFile, issuer] = process.argv;
try {
  const keys = createLocalJWKSet(JSON.parse(readFileSync(jwksFile, 'utf8')));
  const { protectedHeader, payload } = await jwtVerify(readFileSync(0, 'utf8').trim(), keys, {
    issuer,
    algorithms: ['ES256'],
  });
  console.log(JSON.stringify({ header: protectedHeader, payload }));
} catch (error) {
  console.log(JSON.stringify({ error: error.code ?? String(error) }));
}
