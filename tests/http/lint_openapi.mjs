// Lints an OpenAPI document: node lint_openapi.mjs FILE. One line per problem; exit code 1 when one
// is an error.
import { createConfig, lintFromString } from '@redocly/openapi-core';
import { readFileSync } from 'node:fs';

const config = await createConfig({
  extends: ['recommended'],
  rules: {
    // The document speaks about the server that serves it; licence and contact are not its topic.
    'info-license': 'off',
    'no-server-example.com': 'off',
    'operation-4xx-response': 'off', // /metrics and the like have none
    'no-unused-components': 'error',
    'operation-operationId-unique': 'error',
    'operation-summary': 'error',
    'path-parameters-defined': 'error',
    'no-ambiguous-paths': 'error',
    'spec': 'error',
  },
});
const problems = await lintFromString({ source: readFileSync(process.argv[2], 'utf8'), config });
for (const problem of problems) {
  const where = problem.location.map((place) => place.pointer ?? '').join(' ');
  console.log(`${problem.severity} ${problem.ruleId} ${where}: ${problem.message}`);
}
process.exit(problems.some((problem) => problem.severity === 'error') ? 1 : 0);
