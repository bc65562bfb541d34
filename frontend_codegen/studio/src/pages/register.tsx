import { useRegisterMutation } from '@fabula/client/urql';
import { type FormEvent, useState } from 'react';
import { Link } from 'wouter';

import { session } from '../api';
import { useTranslation } from '../i18n/context';
import { type Problem, problemOf } from '../problems';
import { Button } from '../ui/button';
import { Field } from '../ui/field';
import { ProblemNotice } from '../ui/notice';
import { Gate } from './gate';

export function RegisterPage() {
  const { t, language } = useTranslation();
  const [{ fetching }, register] = useRegisterMutation();
  const [problem, setProblem] = useState<Problem | null>(null);
  const errorOf = (field: string) => (problem?.field === field ? problem.message : null);

  const onSubmit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const value = (name: string) => String(form.get(name));
    const input = {
      email: value('email'),
      password: value('password'),
      displayName: value('displayName'),
      tenantName: value('tenantName'),
      locale: language,
    };
    const { data, error } = await register({ input });
    setProblem(problemOf(t, error, data?.register.userErrors));
    if (data?.register.tokens) session.accept(data.register.tokens);
  };
  return (
    <Gate>
      <form className="gate-form" onSubmit={(event) => void onSubmit(event)} aria-labelledby="register-title">
        <h2 id="register-title">{t.register.title}</h2>
        {problem && !['email', 'password', 'displayName', 'tenantName'].includes(problem.field ?? '') && (
          <ProblemNotice problem={problem} />
        )}
        <Field label={t.register.name} error={errorOf('displayName')}>
          <input name="displayName" autoComplete="name" required autoFocus />
        </Field>
        <Field label={t.register.studio} error={errorOf('tenantName')}>
          <input name="tenantName" autoComplete="organization" required />
        </Field>
        <Field label={t.login.email} error={errorOf('email')}>
          <input name="email" type="email" autoComplete="username" required />
        </Field>
        <Field label={t.login.password} hint={t.register.passwordHint} error={errorOf('password')}>
          <input name="password" type="password" autoComplete="new-password" required />
        </Field>
        <Button look="primary" type="submit" busy={fetching}>
          {t.register.submit}
        </Button>
        <p className="gate-other">
          {t.register.haveAccount} <Link href="/login">{t.register.toLogin}</Link>
        </p>
      </form>
    </Gate>
  );
}
