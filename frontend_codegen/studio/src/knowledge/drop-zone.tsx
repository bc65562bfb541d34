import { type DragEvent, useRef, useState } from 'react';

import { formatPercent } from '../format';
import { useTranslation } from '../i18n/context';
import { Button, IconButton } from '../ui/button';
import type { Upload } from './use-uploads';

const KINDS = '.pdf,.docx,.epub,.html,.htm,.md,.markdown,.txt';

interface DropZoneProps {
  /** What one file may have. */
  megabytes: number;
  uploads: Upload[];
  onFiles: (files: File[]) => void;
  onDismiss: (key: string) => void;
  onWrite: () => void;
}

/** Files come in by hand or by a button; below, those on their way. */
export function DropZone({ megabytes, uploads, onFiles, onDismiss, onWrite }: DropZoneProps) {
  const { t } = useTranslation();
  const [over, setOver] = useState(false);
  const input = useRef<HTMLInputElement>(null);
  const onDragOver = (event: DragEvent) => {
    if (!event.dataTransfer.types.includes('Files')) return;
    event.preventDefault();
    setOver(true);
  };
  const onDrop = (event: DragEvent) => {
    event.preventDefault();
    setOver(false);
    onFiles([...event.dataTransfer.files]);
  };
  return (
    <div
      className="drop-zone"
      data-over={over || undefined}
      onDragOver={onDragOver}
      onDragLeave={() => setOver(false)}
      onDrop={onDrop}
    >
      <div className="drop-actions">
        <span className="drop-words">{t.knowledge.drop}</span>
        <Button icon="plus" onClick={() => input.current?.click()}>
          {t.knowledge.choose}
        </Button>
        <Button look="quiet" onClick={onWrite}>
          {t.knowledge.write}
        </Button>
      </div>
      <p className="quiet">{t.knowledge.kinds(megabytes)}</p>
      <input
        ref={input}
        className="visually-hidden"
        type="file"
        multiple
        accept={KINDS}
        tabIndex={-1}
        aria-label={t.knowledge.choose}
        onChange={(event) => {
          onFiles([...(event.target.files ?? [])]);
          event.target.value = '';
        }}
      />
      {uploads.length > 0 && (
        <ul className="uploads" aria-label={t.knowledge.uploads}>
          {uploads.map((upload) => (
            <UploadRow key={upload.key} upload={upload} onDismiss={() => onDismiss(upload.key)} />
          ))}
        </ul>
      )}
    </div>
  );
}

function UploadRow({ upload, onDismiss }: { upload: Upload; onDismiss: () => void }) {
  const { t, language } = useTranslation();
  const { name, phase, sent, problem } = upload;
  return (
    <li className="upload">
      <span className="upload-name">{name}</span>
      {phase === 'failed' ? (
        <>
          <span className="upload-problem" role="alert">
            {problem?.message}
          </span>
          <IconButton icon="close" label={t.knowledge.dismiss(name)} onClick={onDismiss} />
        </>
      ) : (
        <>
          <span className="quiet">
            {t.knowledge.phases[phase]}
            {phase === 'sending' && ` ${formatPercent(sent, language)}`}
          </span>
          <progress max={1} value={phase === 'hashing' ? 0 : sent} aria-label={t.knowledge.progressOf(name)} />
        </>
      )}
    </li>
  );
}
