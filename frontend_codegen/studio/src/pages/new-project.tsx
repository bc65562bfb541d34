import { useProjectCreateMutation } from '@fabula/client/urql';
import { useState } from 'react';
import { useLocation } from 'wouter';

import { useTranslation } from '../i18n/context';
import { projectPath } from '../links';
import { type Problem, problemOf } from '../problems';
import { Button } from '../ui/button';
import { Dialog } from '../ui/dialog';
import { Field } from '../ui/field';
import { ProblemNotice } from '../ui/notice';

export function NewProjectDialog({ onClose }: { onClose: () => void }) {
  const { t, language } = useTranslation();
  const [, navigate] = useLocation();
  const [{ fetching }, create] = useProjectCreateMutation();
  const [problem, setProblem] = useState<Problem | null>(null);
  const [title, setTitle] = useState('');
  const [premise, setPremise] = useState('');
  const [writtenIn, setWrittenIn] = useState<string>(language);

  const onSubmit = async () => {
    const { data, error } = await create({ input: { title, premise, language: writtenIn } });
    setProblem(problemOf(t, error, data?.projectCreate.userErrors));
    if (data?.projectCreate.project) navigate(projectPath(data.projectCreate.project.id));
  };
  const actions = (
    <>
      <Button onClick={onClose}>{t.common.cancel}</Button>
      <Button look="primary" type="submit" busy={fetching}>
        {t.common.create}
      </Button>
    </>
  );
  return (
    <Dialog title={t.project.newTitle} onClose={onClose} onSubmit={() => void onSubmit()} actions={actions}>
      {problem && problem.field !== 'title' && <ProblemNotice problem={problem} />}
      <Field label={t.project.title} error={problem?.field === 'title' ? problem.message : null}>
        <input value={title} onChange={(event) => setTitle(event.target.value)} autoFocus />
      </Field>
      <Field label={t.project.writtenIn}>
        <select value={writtenIn} onChange={(event) => setWrittenIn(event.target.value)}>
          {Object.entries(t.project.languages).map(([code, name]) => (
            <option key={code} value={code}>
              {name}
            </option>
          ))}
        </select>
      </Field>
      <Field label={t.project.premise} hint={t.project.premiseHint} optional>
        <textarea rows={4} value={premise} onChange={(event) => setPremise(event.target.value)} />
      </Field>
    </Dialog>
  );
}
