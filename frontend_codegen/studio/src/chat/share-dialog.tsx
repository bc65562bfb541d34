import {
  useConversationShareCreateMutation,
  useConversationShareRevokeMutation,
  useConversationSharesQuery,
} from '@fabula/client/urql';
import { useState } from 'react';

import { formatMoment } from '../format';
import { useTranslation } from '../i18n/context';
import { sharedLink } from '../links';
import { type Problem, problemOf } from '../problems';
import { Button } from '../ui/button';
import { Dialog } from '../ui/dialog';
import { Field } from '../ui/field';
import { ProblemNotice } from '../ui/notice';

const DAYS = [1, 7, 30, 90];
const CONTEXT = { additionalTypenames: ['ConversationShare'] };

/** Links that let others read along: a new one, and those that hold. */
export function ShareDialog({ id, onClose }: { id: string; onClose: () => void }) {
  const { t } = useTranslation();
  const [{ fetching }, create] = useConversationShareCreateMutation();
  const [days, setDays] = useState(7);
  const [link, setLink] = useState<string | null>(null);
  const [problem, setProblem] = useState<Problem | null>(null);
  const onSubmit = async () => {
    const { data, error } = await create({ input: { conversationId: id, days } }, CONTEXT);
    setProblem(problemOf(t, error, data?.conversationShareCreate.userErrors));
    if (data?.conversationShareCreate.token) setLink(sharedLink(data.conversationShareCreate.token));
  };
  const actions = (
    <>
      <Button look="quiet" onClick={onClose}>
        {t.common.close}
      </Button>
      <Button look="primary" type="submit" busy={fetching}>
        {t.chat.makeLink}
      </Button>
    </>
  );
  return (
    <Dialog title={t.chat.shareTitle} onClose={onClose} onSubmit={() => void onSubmit()} actions={actions}>
      <p>{t.chat.shareText}</p>
      <Field label={t.chat.shareDays}>
        <select value={days} onChange={(event) => setDays(Number(event.target.value))}>
          {DAYS.map((n) => (
            <option key={n} value={n}>
              {t.chat.days(n)}
            </option>
          ))}
        </select>
      </Field>
      <ProblemNotice problem={problem} />
      {link && (
        <Field label={t.chat.link} hint={t.chat.linkOnce}>
          <input readOnly value={link} autoFocus onFocus={(event) => event.target.select()} />
        </Field>
      )}
      <Links id={id} onProblem={setProblem} />
    </Dialog>
  );
}

function Links({ id, onProblem }: { id: string; onProblem: (problem: Problem | null) => void }) {
  const { t, language } = useTranslation();
  const [{ data }] = useConversationSharesQuery({
    variables: { id },
    context: CONTEXT,
    requestPolicy: 'cache-and-network',
  });
  const [, revoke] = useConversationShareRevokeMutation();
  const now = Date.now();
  const holding = (data?.conversation?.shares ?? []).filter(
    (share) => share.revokedAt === null && Date.parse(share.expiresAt) > now,
  );
  if (holding.length === 0) return null;
  const end = async (shareId: string) => {
    const answer = await revoke({ input: { id: shareId } }, CONTEXT);
    onProblem(problemOf(t, answer.error, answer.data?.conversationShareRevoke.userErrors));
  };
  return (
    <section>
      <h3>{t.chat.links}</h3>
      <ul className="lines">
        {holding.map((share) => (
          <li key={share.id} className="line">
            <span className="line-name">{t.chat.until(formatMoment(share.expiresAt, language))}</span>
            <Button onClick={() => void end(share.id)}>{t.chat.revoke}</Button>
          </li>
        ))}
      </ul>
    </section>
  );
}
