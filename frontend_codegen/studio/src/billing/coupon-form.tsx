import { useCouponRedeemMutation } from '@fabula/client/urql';
import { useState } from 'react';

import { PLAN_CONTEXT } from '../api';
import { formatMoney } from '../format';
import { useTranslation } from '../i18n/context';
import { type Problem, problemOf } from '../problems';
import { Button } from '../ui/button';
import { Field } from '../ui/field';
import { ProblemNotice } from '../ui/notice';
import { useIdempotencyKey } from './paying';

export function CouponForm() {
  const { t, language } = useTranslation();
  const words = t.billing.plan;
  const [{ fetching }, redeem] = useCouponRedeemMutation();
  const { key, renew } = useIdempotencyKey();
  const [code, setCode] = useState('');
  const [problem, setProblem] = useState<Problem | null>(null);
  const [said, setSaid] = useState<string | null>(null);
  const onRedeem = async () => {
    const { data, error } = await redeem({ input: { code: code.trim(), idempotencyKey: key } }, PLAN_CONTEXT);
    const { redemption, wallet, userErrors } = data?.couponRedeem ?? {};
    setProblem(problemOf(t, error, userErrors));
    setSaid(null);
    if (data) renew();
    if (!redemption || !wallet) return;
    setCode('');
    const { periodsLeft } = redemption;
    setSaid(
      periodsLeft > 0 ? words.redeemedFees(periodsLeft) : words.redeemedCredit(formatMoney(wallet.available, language)),
    );
  };
  const placed = problem?.field === 'code';
  return (
    <section className="coupon" aria-labelledby="coupon">
      <h2 id="coupon">{words.redeemTitle}</h2>
      <p className="quiet">{words.redeemAbout}</p>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void onRedeem();
        }}
      >
        <Field label={words.coupon} error={placed ? problem.message : null}>
          <input autoComplete="off" value={code} onChange={(event) => setCode(event.target.value)} />
        </Field>
        <Button type="submit" busy={fetching} disabled={code.trim() === ''}>
          {words.redeem}
        </Button>
      </form>
      {!placed && <ProblemNotice problem={problem} />}
      {said && (
        <div className="notice" role="status">
          <p>{said}</p>
        </div>
      )}
    </section>
  );
}
