import { useTranslation } from '../i18n/context';
import { Button } from '../ui/button';
import { Dialog } from '../ui/dialog';
import type { Editor } from './use-editor';

const paragraphs = (text: string) => text.split(/\n+/).filter((line) => line.trim());

/** Paragraphs that the other side does not have are marked. */
function Side({
  title,
  text,
  other,
  lang,
  empty,
}: {
  title: string;
  text: string;
  other: string;
  lang: string;
  empty: string;
}) {
  const known = new Set(paragraphs(other));
  const own = paragraphs(text);
  return (
    <section className="side" aria-label={title}>
      <h3>{title}</h3>
      <div className="side-text" lang={lang} tabIndex={0}>
        {own.length === 0 && <p className="quiet">{empty}</p>}
        {own.map((paragraph, index) => (
          <p key={index}>{known.has(paragraph) ? paragraph : <mark>{paragraph}</mark>}</p>
        ))}
      </div>
    </section>
  );
}

export function ConflictDialog({ editor, lang }: { editor: Editor; lang: string }) {
  const { t } = useTranslation();
  if (editor.conflict === undefined) return null;
  const theirs = editor.conflict;
  const actions = (
    <>
      <Button onClick={editor.decideLater}>{t.conflict.later}</Button>
      <span className="spacer" />
      <Button onClick={() => editor.adopt(theirs)}>{t.conflict.takeTheirs}</Button>
      <Button look="primary" onClick={() => void editor.keepMine()}>
        {t.conflict.keepMine}
      </Button>
    </>
  );
  return (
    <Dialog title={t.conflict.title} wide onClose={editor.decideLater} actions={actions}>
      <p>{t.conflict.text}</p>
      <div className="sides">
        <Side
          title={t.conflict.mine}
          text={editor.text}
          other={theirs?.text ?? ''}
          lang={lang}
          empty={t.conflict.nothing}
        />
        <Side
          title={t.conflict.theirs(theirs?.number ?? 0)}
          text={theirs?.text ?? ''}
          other={editor.text}
          lang={lang}
          empty={t.conflict.nothing}
        />
      </div>
    </Dialog>
  );
}
