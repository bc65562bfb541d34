import { useProjectUpdateMutation } from '@fabula/client/urql';
import { useState } from 'react';

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
  const set = (change: Partial<typeof draft>) => setDraft({ ...draft, ...change });
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
        {project.targetWords ? t.shelf.ofTarget(count, formatCount(project.targetWords, language)) : t.shelf.words(count)}
      </p>
      <p className="quiet">{t.project.begin}</p>
      <ProblemNotice problem={problem} />
      <Field label={t.project.title}>
        <input value={draft.title} lang={project.language} onChange={(event) => set({ title: event.target.value })} />
      </Field>
      <Field label={t.project.premise} hint={t.project.premiseHint}>
        <textarea className="serif" rows={3} value={draft.premise} lang={project.language} onChange={(event) => set({ premise: event.target.value })} />
      </Field>
      <Field label={t.project.style} hint={t.project.styleHint}>
        <textarea className="serif" rows={3} value={draft.styleGuide} lang={project.language} onChange={(event) => set({ styleGuide: event.target.value })} />
      </Field>
      <div className="field-pair">
        <Field label={t.project.genre}>
          <input value={draft.genre} lang={project.language} onChange={(event) => set({ genre: event.target.value })} />
        </Field>
        <Field label={t.project.targetWords}>
          <input type="number" min={0} step={1000} value={draft.targetWords} onChange={(event) => set({ targetWords: event.target.value })} />
        </Field>
      </div>
      <div className="about-actions">
        <Button look="primary" type="submit" busy={fetching} disabled={!dirty}>
          {t.common.save}
        </Button>
        <span role="status">{dirty ? t.chapter.unsaved : ''}</span>
      </div>
    </form>
  );
}
