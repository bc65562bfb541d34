import type { ChunkUnit, KnowledgeScope, Reranker, RetrievalTrigger } from '@fabula/client';
import {
  useKnowledgeBaseCreateMutation,
  useKnowledgeBaseDeleteMutation,
  useKnowledgeBaseUpdateMutation,
  useProjectsQuery,
} from '@fabula/client/urql';
import { useState } from 'react';

import { KNOWLEDGE_CONTEXT } from '../api';
import { useTranslation } from '../i18n/context';
import { type Problem, problemOf } from '../problems';
import { Ask } from '../ui/ask';
import { Field } from '../ui/field';
import { ProblemNotice } from '../ui/notice';
import type { Base } from './model';

const SCOPES: KnowledgeScope[] = ['TENANT', 'PROJECT', 'USER'];
const UNITS: ChunkUnit[] = ['CHARACTERS', 'TOKENS'];
const RERANKERS: Reranker[] = ['NONE', 'OVERLAP', 'MODEL'];
const TRIGGERS: RetrievalTrigger[] = ['AUTO', 'ALWAYS', 'NEVER'];

export function BaseCreateDialog({ onMade, onClose }: { onMade: (id: string) => void; onClose: () => void }) {
  const { t } = useTranslation();
  const [, create] = useKnowledgeBaseCreateMutation();
  const [name, setName] = useState('');
  const [description, setDescription] = useState('');
  const [scope, setScope] = useState<KnowledgeScope>('TENANT');
  const [projectId, setProjectId] = useState('');
  const run = async () => {
    const input = { name, description, scope, ...(scope === 'PROJECT' && { projectId: projectId || null }) };
    const { data, error } = await create({ input }, KNOWLEDGE_CONTEXT);
    const refused = problemOf(t, error, data?.knowledgeBaseCreate.userErrors);
    const made = data?.knowledgeBaseCreate.knowledgeBase;
    if (!refused && made) onMade(made.id);
    return refused;
  };
  return (
    <Ask title={t.knowledge.addTitle} action={t.common.create} run={run} onClose={onClose}>
      {(problem) => (
        <>
          <Names {...{ problem, name, setName, description, setDescription }} />
          <Field label={t.knowledge.scope}>
            <select value={scope} onChange={(event) => setScope(event.target.value as KnowledgeScope)}>
              {SCOPES.map((one) => (
                <option key={one} value={one}>
                  {t.knowledge.scopes[one]}
                </option>
              ))}
            </select>
          </Field>
          {scope === 'PROJECT' && <NovelField problem={problem} value={projectId} onChange={setProjectId} />}
        </>
      )}
    </Ask>
  );
}

interface NovelFieldProps {
  problem: Problem | null;
  value: string;
  onChange: (id: string) => void;
}

function NovelField({ problem, value, onChange }: NovelFieldProps) {
  const { t } = useTranslation();
  const [{ data }] = useProjectsQuery({
    variables: { first: 100, filter: { deleted: false }, orderBy: { field: 'UPDATED_AT', direction: 'DESC' } },
  });
  return (
    <Field label={t.knowledge.novel} error={problem?.field === 'projectId' ? problem.message : null}>
      <select value={value} onChange={(event) => onChange(event.target.value)}>
        <option value="" />
        {data?.projects.edges.map(({ node }) => (
          <option key={node.id} value={node.id}>
            {node.title}
          </option>
        ))}
      </select>
    </Field>
  );
}

interface NamesProps {
  problem: Problem | null;
  name: string;
  setName: (name: string) => void;
  description: string;
  setDescription: (description: string) => void;
}

function Names({ problem, name, setName, description, setDescription }: NamesProps) {
  const { t } = useTranslation();
  const at = (field: string) => (problem?.field === field ? problem.message : null);
  const placed = ['name', 'description', 'projectId'].includes(problem?.field ?? '');
  return (
    <>
      <ProblemNotice problem={placed ? null : problem} />
      <Field label={t.knowledge.name} error={at('name')}>
        <input value={name} autoFocus onChange={(event) => setName(event.target.value)} />
      </Field>
      <Field label={t.knowledge.description} optional error={at('description')}>
        <textarea rows={2} value={description} onChange={(event) => setDescription(event.target.value)} />
      </Field>
    </>
  );
}

export function BaseEditDialog({ base, onClose }: { base: Base; onClose: () => void }) {
  const { t } = useTranslation();
  const [, update] = useKnowledgeBaseUpdateMutation();
  const [name, setName] = useState(base.name);
  const [description, setDescription] = useState(base.description);
  const [cut, setCut] = useState(() => chosen(base.chunkPolicy));
  const [find, setFind] = useState(() => chosen(base.retrievalPolicy));
  const run = async () => {
    const input = { id: base.id, name, description, chunkPolicy: cut, retrievalPolicy: find };
    const { data, error } = await update({ input }, KNOWLEDGE_CONTEXT);
    return problemOf(t, error, data?.knowledgeBaseUpdate.userErrors);
  };
  return (
    <Ask title={t.knowledge.editTitle} action={t.common.save} run={run} onClose={onClose}>
      {(problem) => (
        <>
          <Names {...{ problem, name, setName, description, setDescription }} />
          <CutFields value={cut} onChange={setCut} />
          <FindFields value={find} onChange={setFind} />
        </>
      )}
    </Ask>
  );
}

/** An answer's object as an input: inputs have no type name. */
function chosen<T extends { __typename?: string }>(policy: T): Omit<T, '__typename'> {
  const { __typename, ...rest } = policy;
  void __typename;
  return rest;
}

type Cut = Omit<Base['chunkPolicy'], '__typename'>;
type Find = Omit<Base['retrievalPolicy'], '__typename'>;

function CutFields({ value, onChange }: { value: Cut; onChange: (value: Cut) => void }) {
  const { t } = useTranslation();
  const number = (text: string) => Math.trunc(Number(text)) || 0;
  return (
    <fieldset className="fieldset">
      <legend>{t.knowledge.cutting}</legend>
      <Field label={t.knowledge.unit}>
        <select value={value.unit} onChange={(event) => onChange({ ...value, unit: event.target.value as ChunkUnit })}>
          {UNITS.map((one) => (
            <option key={one} value={one}>
              {t.knowledge.units[one]}
            </option>
          ))}
        </select>
      </Field>
      <div className="field-pair">
        <Field label={t.knowledge.size}>
          <input
            type="number"
            min={1}
            value={value.size}
            onChange={(event) => onChange({ ...value, size: number(event.target.value) })}
          />
        </Field>
        <Field label={t.knowledge.overlap}>
          <input
            type="number"
            min={0}
            value={value.overlap}
            onChange={(event) => onChange({ ...value, overlap: number(event.target.value) })}
          />
        </Field>
      </div>
    </fieldset>
  );
}

function FindFields({ value, onChange }: { value: Find; onChange: (value: Find) => void }) {
  const { t } = useTranslation();
  return (
    <fieldset className="fieldset">
      <legend>{t.knowledge.finding}</legend>
      <Field label={t.knowledge.vectorWeight} hint={t.knowledge.vectorWeightHint}>
        <input
          type="number"
          min={0}
          max={1}
          step={0.05}
          value={value.vectorWeight}
          onChange={(event) => onChange({ ...value, vectorWeight: Number(event.target.value) })}
        />
      </Field>
      <div className="field-pair">
        <Field label={t.knowledge.topK}>
          <input
            type="number"
            min={1}
            value={value.topK}
            onChange={(event) => onChange({ ...value, topK: Math.trunc(Number(event.target.value)) || 0 })}
          />
        </Field>
        <Field label={t.knowledge.reranker}>
          <select
            value={value.reranker}
            onChange={(event) => onChange({ ...value, reranker: event.target.value as Reranker })}
          >
            {RERANKERS.map((one) => (
              <option key={one} value={one}>
                {t.knowledge.rerankers[one]}
              </option>
            ))}
          </select>
        </Field>
      </div>
      <Field label={t.knowledge.trigger}>
        <select
          value={value.trigger}
          onChange={(event) => onChange({ ...value, trigger: event.target.value as RetrievalTrigger })}
        >
          {TRIGGERS.map((one) => (
            <option key={one} value={one}>
              {t.chat.triggers[one]}
            </option>
          ))}
        </select>
      </Field>
    </fieldset>
  );
}

interface BaseDeleteProps {
  base: Pick<Base, 'id' | 'name'>;
  onDeleted: () => void;
  onClose: () => void;
}

export function BaseDeleteDialog({ base, onDeleted, onClose }: BaseDeleteProps) {
  const { t } = useTranslation();
  const [, remove] = useKnowledgeBaseDeleteMutation();
  const run = async () => {
    const { data, error } = await remove({ id: base.id }, KNOWLEDGE_CONTEXT);
    const refused = problemOf(t, error, data?.knowledgeBaseDelete.userErrors);
    if (!refused) onDeleted();
    return refused;
  };
  const title = t.knowledge.deleteTitle(base.name);
  return (
    <Ask title={title} action={t.common.delete} danger run={run} onClose={onClose}>
      {(problem) => (
        <>
          <ProblemNotice problem={problem} />
          <p>{t.knowledge.deleteBase}</p>
        </>
      )}
    </Ask>
  );
}
