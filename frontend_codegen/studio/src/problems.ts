/** Whatever can go wrong in a request, as one sentence that a writer understands. */
import type { ErrorPartsFragment } from '@fabula/client';
import type { CombinedError } from 'urql';

import type { Strings } from './i18n/en';

export interface Problem {
  code: string;
  message: string;
  field: string | null;
}

type Refusal = Pick<ErrorPartsFragment, 'code' | 'message' | 'field'>;

/** The first problem of an answer: the network, then GraphQL errors, then what the mutation refused. */
export function problemOf(
  t: Strings,
  error: CombinedError | undefined,
  refusals: readonly Refusal[] = [],
): Problem | null {
  const first = error?.graphQLErrors[0];
  if (first) return ofGraphQL(t, first.message, first.extensions);
  if (error) return { code: 'NETWORK', message: t.errors.network, field: null };
  const refusal = refusals[0];
  return refusal
    ? { code: refusal.code, message: sentence(t, refusal.code, refusal.message), field: refusal.field?.at(-1) ?? null }
    : null;
}

/** The server speaks English; other languages have their own sentence per code. */
export function sentence(t: Strings, code: string, message: string): string {
  return t.errors.codes[code] ?? message;
}

/** Why a generation left no draft. Its codes are the provider's: `QUOTA_EXHAUSTED` is not the writer's wallet here. */
export function failure(t: Strings, code: string, message: string): string {
  return t.generate.failed(t.generate.failures[code] ?? message);
}

function ofGraphQL(t: Strings, message: string, extensions: Record<string, unknown>): Problem {
  const code = typeof extensions.code === 'string' ? extensions.code : 'INTERNAL';
  const requestId = typeof extensions.requestId === 'string' ? ` ${t.errors.requestId(extensions.requestId)}` : '';
  const masked = !/^[A-Z_]+$/.test(code) || code.startsWith('INTERNAL');
  return { code, message: masked ? t.errors.internal + requestId : sentence(t, code, message), field: null };
}
