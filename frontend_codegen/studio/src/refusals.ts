/** Why something that would be generated is not: too dear, too long, or what every mutation can refuse. */
import type { ChapterGenerateMutation, MessageSendMutation } from '@fabula/client';

import { formatCount, formatMoment, formatMoney } from './format';
import type { Language } from './i18n/context';
import type { Strings } from './i18n/en';
import { type Problem, sentence } from './problems';

type Outcome = ChapterGenerateMutation['chapterGenerate'] | MessageSendMutation['messageSend'];
type Words = Pick<Strings['generate'], 'quota' | 'budget' | 'context'>;

/** The sentence of a refusal, or nothing when there was none. `words` says what it was that may cost so much. */
export function refusalOf(t: Strings, language: Language, outcome: Outcome, words: Words): Problem | null {
  switch (outcome.__typename) {
    case 'GenerationStarted':
    case 'MessageAccepted':
      return null;
    case 'QuotaExhausted': {
      const message = words.quota(formatMoney(outcome.needed, language), formatMoney(outcome.available, language));
      return { code: outcome.code, message, field: null };
    }
    case 'BudgetExceeded': {
      const { needed, left, budget, resetsAt } = outcome;
      const message = words.budget(
        formatMoney(needed, language),
        formatMoney(left, language),
        t.budgets.whose[budget?.subject ?? 'TENANT'],
        resetsAt ? formatMoment(resetsAt, language) : null,
      );
      return { code: outcome.code, message, field: null };
    }
    case 'ContextTooSmall': {
      const message = words.context(
        formatCount(outcome.requiredTokens, language),
        formatCount(outcome.budgetTokens, language),
      );
      return { code: outcome.code, message, field: null };
    }
    default:
      return {
        code: outcome.code,
        message: sentence(t, outcome.code, outcome.message),
        field: outcome.field?.at(-1) ?? null,
      };
  }
}
