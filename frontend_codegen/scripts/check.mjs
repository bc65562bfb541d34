// Everything that can be said without a browser: drift, format, types of every package, the client's unit tests, and what a
// consumer sees of the built client.
import { run, runScript } from './run.mjs';

runScript(['scripts/generate.mjs', '--check']);
runScript(['--test', '--test-reporter=dot', 'scripts/test/coverage.test.mjs']);
run('prettier', ['--check', '--log-level', 'warn', '.']);
run('tsc', ['--project', 'tsconfig.json']);
run('tsc', ['--project', 'preset/tsconfig.json']);
run('tsc', ['--project', 'client/tsconfig.json']);
run('tsc', ['--project', 'client/type-tests/tsconfig.json']);
run('tsc', ['--project', 'studio/tsconfig.json']);
run('tsc', ['--project', 'graphiql/tsconfig.json']);
run('tsc', ['--project', 'e2e/tsconfig.json']);
