import { useKnowledgeBasesQuery } from '@fabula/client/urql';
import { useState } from 'react';
import { Link } from 'wouter';

import { useTranslation } from '../i18n/context';
import { KNOWLEDGE_PATH } from '../links';
import { type Problem, problemOf } from '../problems';
import { Button } from '../ui/button';
import { Dialog } from '../ui/dialog';
import { ProblemNotice } from '../ui/notice';

interface BasesPickerProps {
  chosen: readonly string[];
  /** What went wrong, or nothing; then the dialog closes. */
  onChoose: (ids: string[]) => Promise<Problem | null>;
}

/** Which knowledge bases a conversation looks passages up in: their number, and a dialog to change them. */
export function BasesPicker({ chosen, onChoose }: BasesPickerProps) {
  const { t } = useTranslation();
  const [open, setOpen] = useState(false);
  return (
    <>
      <button type="button" className="link-button" onClick={() => setOpen(true)}>
        {chosen.length === 0 ? t.chat.knowledgeNone : t.chat.knowledgeCount(chosen.length)}
      </button>
      {open && <BasesDialog chosen={chosen} onChoose={onChoose} onClose={() => setOpen(false)} />}
    </>
  );
}

function BasesDialog({ chosen, onChoose, onClose }: BasesPickerProps & { onClose: () => void }) {
  const { t } = useTranslation();
  const [{ data, error }] = useKnowledgeBasesQuery({
    variables: { first: 100 },
    requestPolicy: 'cache-and-network',
  });
  const [ids, setIds] = useState<readonly string[]>(chosen);
  const [problem, setProblem] = useState<Problem | null>(null);
  const [busy, setBusy] = useState(false);
  const bases = data?.knowledgeBases.edges.map(({ node }) => node);
  const toggle = (id: string) => setIds(ids.includes(id) ? ids.filter((one) => one !== id) : [...ids, id]);
  const onSubmit = async () => {
    // One that was deleted meanwhile cannot be shown, and is left out.
    const known = new Set(bases?.map(({ id }) => id));
    setBusy(true);
    const refused = await onChoose(bases ? ids.filter((id) => known.has(id)) : [...ids]);
    setBusy(false);
    setProblem(refused);
    if (!refused) onClose();
  };
  const actions = (
    <>
      <Button look="quiet" onClick={onClose}>
        {t.common.cancel}
      </Button>
      <Button look="primary" type="submit" busy={busy} disabled={!bases}>
        {t.common.save}
      </Button>
    </>
  );
  return (
    <Dialog title={t.chat.knowledge} onClose={onClose} onSubmit={() => void onSubmit()} actions={actions}>
      <p className="quiet">{t.chat.knowledgeAbout}</p>
      <ProblemNotice problem={problem ?? problemOf(t, error)} />
      {bases?.length === 0 && (
        <p>
          {t.chat.noBases} <Link href={KNOWLEDGE_PATH}>{t.chat.makeBases}</Link>
        </p>
      )}
      <ul className="checks">
        {bases?.map((base) => (
          <li key={base.id}>
            <label className="check">
              <input type="checkbox" checked={ids.includes(base.id)} onChange={() => toggle(base.id)} />
              <span>
                {base.name}
                <span className="quiet"> · {t.knowledge.documents(base.documentCount)}</span>
              </span>
            </label>
          </li>
        ))}
      </ul>
    </Dialog>
  );
}
