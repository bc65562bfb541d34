import type { ErrorPartsFragment } from '@fabula/client';
import { type ReactNode, useEffect, useRef, useState } from 'react';
import type { CombinedError } from 'urql';

import { randomKey } from '../api';
import { useTranslation } from '../i18n/context';
import type { Strings } from '../i18n/en';
import { type Problem, problemOf } from '../problems';
import { Button } from '../ui/button';
import { Dialog } from '../ui/dialog';
import { ProblemNotice } from '../ui/notice';

/** What is said when it was done; `page` is where somebody has to go to pay. */
export interface Said {
  text: string;
  page: string | null;
}

/** What became of a request that may cost money. `refused`: the server said no, so another try is another request. */
export interface Outcome {
  problem: Problem | null;
  refused?: boolean;
  said?: Said | null;
}

export const outcomeOf = (
  t: Strings,
  error: CombinedError | undefined,
  userErrors: readonly ErrorPartsFragment[] | undefined,
  said: Said | null = null,
): Outcome => ({ problem: problemOf(t, error, userErrors), refused: Boolean(userErrors?.length), said });

interface Paid {
  state: string;
  checkoutUrl?: string | null | undefined;
}

/** What is said of a payment that is neither made nor refused; null of any other. */
export const waitingFor = (t: Strings, payment: Paid | null | undefined): Said | null =>
  payment?.state === 'PENDING' ? goTo(t, payment.checkoutUrl ?? null) : null;

export const goTo = (t: Strings, page: string | null): Said => ({
  text: page ? t.billing.paying.page : t.billing.paying.pending,
  page,
});

/** The same however often something is sent, so that it is done once; `renew` makes the next request another one. */
export function useIdempotencyKey(): { key: string; renew: () => void } {
  const [key, setKey] = useState(randomKey);
  return { key, renew: () => setKey(randomKey()) };
}

interface PayingDialogProps {
  title: string;
  submit: string;
  look?: 'primary' | 'danger';
  onSubmit: (idempotencyKey: string) => Promise<Outcome>;
  onClose: () => void;
  /** Fields that say themselves what is wrong with them. */
  fields?: string[];
  children: (errorOf: (field: string) => string | null) => ReactNode;
}

/** Asks before something that may cost money, and shows the way to the payment page where there is one. */
export function PayingDialog(props: PayingDialogProps) {
  const { t } = useTranslation();
  const { title, submit, look = 'primary', onClose, fields = [] } = props;
  const { key, renew } = useIdempotencyKey();
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<Problem | null>(null);
  const [said, setSaid] = useState<Said | null>(null);
  const onSubmit = async () => {
    setBusy(true);
    const outcome = await props.onSubmit(key);
    setBusy(false);
    setProblem(outcome.problem);
    if (outcome.refused) renew();
    if (outcome.problem) return;
    if (outcome.said) setSaid(outcome.said);
    else onClose();
  };
  if (said) return <SaidDialog title={title} said={said} onClose={onClose} />;
  const placed = problem?.field != null && fields.includes(problem.field);
  return (
    <Dialog
      title={title}
      onClose={onClose}
      onSubmit={() => void onSubmit()}
      actions={
        <>
          <Button onClick={onClose}>{t.common.cancel}</Button>
          <Button look={look} type="submit" busy={busy}>
            {submit}
          </Button>
        </>
      }
    >
      {!placed && <ProblemNotice problem={problem} />}
      {props.children((field) => (problem?.field === field ? problem.message : null))}
    </Dialog>
  );
}

function SaidDialog({ title, said, onClose }: { title: string; said: Said; onClose: () => void }) {
  const { t } = useTranslation();
  const { text, page } = said;
  const forward = useRef<HTMLAnchorElement>(null);
  useEffect(() => forward.current?.focus(), []);
  return (
    <Dialog
      title={title}
      onClose={onClose}
      onSubmit={onClose}
      actions={
        <>
          <Button type="submit" look={page ? 'plain' : 'primary'}>
            {t.common.close}
          </Button>
          {page && (
            <a ref={forward} className="button button-primary" href={page}>
              {t.billing.paying.toPage}
            </a>
          )}
        </>
      }
    >
      <div className="notice" role="status">
        <p>{text}</p>
      </div>
    </Dialog>
  );
}
