import type { TokenPartsFragment } from '@fabula/client';
import { useLoginMutation } from '@fabula/client/urql';
import { type FormEvent, useEffect, useState } from 'react';
import { Link } from 'wouter';

import { session } from '../api';
import { useTranslation } from '../i18n/context';
import { type Problem, problemOf } from '../problems';
import { Button } from '../ui/button';
import { Field } from '../ui/field';
import { ProblemNotice } from '../ui/notice';
import { Gate } from './gate';

interface Demo {
  email: string;
  password: string;
}

/** Only a server that runs with its demo tenant publishes the way in. */
function useDemo(): Demo | null {
  const [demo, setDemo] = useState<Demo | null>(null);
  useEffect(() => {
    void fetch('/demo.json')
      .then((response) => (response.ok ? (response.json() as Promise<Demo>) : null))
      .then(setDemo, () => setDemo(null));
  }, []);
  return demo;
}

export function LoginPage() {
  const { t } = useTranslation();
  const demo = useDemo();
  const [, login] = useLoginMutation();
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<Problem | null>(null);

  const enter = async (email: string, password: string) => {
    setBusy(true);
    const { data, error } = await login({ input: { email, password } });
    setBusy(false);
    setProblem(problemOf(t, error, data?.login.userErrors));
    if (data?.login.tokens) session.accept(data.login.tokens satisfies TokenPartsFragment);
  };
  const onSubmit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    void enter(String(form.get('email')), String(form.get('password')));
  };
  return (
    <Gate>
      <form className="gate-form" onSubmit={onSubmit} aria-labelledby="login-title">
        <h2 id="login-title">{t.login.title}</h2>
        <ProblemNotice problem={problem} />
        <Field label={t.login.email}>
          <input name="email" type="email" autoComplete="username" required autoFocus />
        </Field>
        <Field label={t.login.password}>
          <input name="password" type="password" autoComplete="current-password" required />
        </Field>
        <Button look="primary" type="submit" busy={busy}>
          {t.login.submit}
        </Button>
        <p className="gate-other">
          {t.login.noAccount} <Link href="/register">{t.login.toRegister}</Link>
        </p>
      </form>
      {demo && (
        <section className="gate-demo" aria-labelledby="demo-title">
          <h2 id="demo-title">{t.login.demoTitle}</h2>
          <p>{t.login.demoText}</p>
          <Button busy={busy} onClick={() => void enter(demo.email, demo.password)}>
            {t.login.demoEnter}
          </Button>
          <dl className="demo-login">
            <dt>{t.login.email}</dt>
            <dd>{demo.email}</dd>
            <dt>{t.login.password}</dt>
            <dd>{demo.password}</dd>
          </dl>
        </section>
      )}
    </Gate>
  );
}
