import { type KeyboardEvent, useLayoutEffect, useRef } from 'react';

import { countWords, formatCount } from '../format';
import { useTranslation } from '../i18n/context';
import { Button } from '../ui/button';
import { ProblemNotice } from '../ui/notice';
import type { Editor } from './use-editor';

/** Browsers without `field-sizing` get the height by measuring. */
function useGrowing(text: string) {
  const area = useRef<HTMLTextAreaElement>(null);
  useLayoutEffect(() => {
    const element = area.current;
    if (!element || CSS.supports('field-sizing', 'content')) return;
    element.style.height = 'auto';
    element.style.height = `${element.scrollHeight}px`;
  }, [text]);
  return area;
}

export function EditorSheet({ editor, lang }: { editor: Editor; lang: string }) {
  const { t, language } = useTranslation();
  const area = useGrowing(editor.text);
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key.toLowerCase() !== 's' || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    if (editor.dirty && !editor.saving) void editor.save();
  };
  return (
    <div className="sheet" onKeyDown={onKeyDown}>
      <textarea
        ref={area}
        className="prose prose-input"
        lang={lang}
        aria-label={t.chapter.textLabel}
        placeholder={t.chapter.placeholder}
        value={editor.text}
        spellCheck
        onChange={(event) => editor.setText(event.target.value)}
      />
      <ProblemNotice problem={editor.problem} />
      <footer className="sheet-bar">
        <span className="quiet">{t.chapter.words(formatCount(countWords(editor.text), language))}</span>
        <span className="spacer" />
        <span role="status" className="quiet">
          {editor.saving
            ? t.chapter.saving
            : editor.dirty
              ? editor.restored
                ? t.chapter.restored
                : t.chapter.unsaved
              : ''}
        </span>
        <Button
          look={editor.dirty ? 'primary' : 'plain'}
          busy={editor.saving}
          disabled={!editor.dirty}
          onClick={() => void editor.save()}
        >
          {editor.dirty || editor.base === null ? t.chapter.save : t.chapter.saved}
        </Button>
      </footer>
    </div>
  );
}
