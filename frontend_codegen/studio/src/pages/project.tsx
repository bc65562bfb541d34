import { useProjectUpdateMutation } from '@fabula/client/urql';
import { type ChangeEvent, useState } from 'react';

import { Codex } from '../codex/codex';
import { formatCount } from '../format';
import { useTranslation } from '../i18n/context';
import { type Problem, problemOf } from '../problems';
import { Button } from '../ui/button';
import { Field } from '../ui/field';
import { ProblemNotice } from '../ui/notice';
import { Desk, type Project } from './desk';

export function ProjectPage({ id }: { id: string }) {
  return (
    <Desk projectId={id}>
      {(project) => (
        <main className="overview" id="main">
          <About key={project.id} project={project} />
          <Codex projectId={project.id} language={project.language} />
        </main>
      )}
    </Desk>
  );
}

const draftOf = ({ title, premise, styleGuide, genre, targetWords }: Project) => ({
  title,
  premise,
  styleGuide,
  genre,
  targetWords: targetWords?.toString() ?? '',
});

function About({ project }: { project: Project }) {
  const { t, language } = useTranslation();
  const [{ fetching }, update] = useProjectUpdateMutation();
  const [draft, setDraft] = useState(() => draftOf(project));
  const [problem, setProblem] = useState<Problem | null>(null);
  const dirty = JSON.stringify(draft) !== JSON.stringify(draftOf(project));
  const count = formatCount(project.wordCount, language);

  const onSave = async () => {
    const targetWords = Number.parseInt(draft.targetWords, 10) || null;
    const { data, error } = await update({ input: { id: project.id, ...draft, targetWords } });
    setProblem(problemOf(t, error, data?.projectUpdate.userErrors));
  };
  return (
    <form
      className="about"
      aria-label={t.project.about}
      onSubmit={(event) => {
        event.preventDefault();
        void onSave();
      }}
    >
      <h1 className="about-title" lang={project.language}>
        {project.title}
      </h1>
      <p className="about-meta">
        {project.targetWords
          ? t.shelf.ofTarget(count, formatCount(project.targetWords, language))
          : t.shelf.words(count)}
      </p>
      <p className="quiet">{t.project.begin}</p>
      <ProblemNotice problem={problem} />
      <AboutFields draft={draft} lang={project.language} onChange={(change) => setDraft({ ...draft, ...change })} />
      <div className="about-actions">
        <Button look="primary" type="submit" busy={fetching} disabled={!dirty}>
          {t.common.save}
        </Button>
        <span role="status">{dirty ? t.chapter.unsaved : ''}</span>
      </div>
    </form>
  );
}

type Draft = ReturnType<typeof draftOf>;

interface AboutFieldsProps {
  draft: Draft;
  lang: string;
  onChange: (change: Partial<Draft>) => void;
}

function AboutFields({ draft, lang, onChange }: AboutFieldsProps) {
  const { t } = useTranslation();
  const bind = (name: keyof Draft) => ({
    value: draft[name],
    lang,
    onChange: (event: ChangeEvent<HTMLInputElement | HTMLTextAreaElement>) => onChange({ [name]: event.target.value }),
  });
  return (
    <>
      <Field label={t.project.title}>
        <input {...bind('title')} />
      </Field>
      <Field label={t.project.premise} hint={t.project.premiseHint}>
        <textarea className="serif" rows={3} {...bind('premise')} />
      </Field>
      <Field label={t.project.style} hint={t.project.styleHint}>
        <textarea className="serif" rows={3} {...bind('styleGuide')} />
      </Field>
      <div className="field-pair">
        <Field label={t.project.genre}>
          <input {...bind('genre')} />
        </Field>
        <Field label={t.project.targetWords}>
          <input type="number" min={0} step={1000} {...bind('targetWords')} />
        </Field>
      </div>
    </>
  );
}
