import { type ReactElement, cloneElement, useId } from 'react';

import { useTranslation } from '../i18n/context';

interface FieldProps {
  label: string;
  hint?: string;
  optional?: boolean;
  error?: string | null | undefined;
  children: ReactElement<{
    id?: string;
    'aria-describedby'?: string | undefined;
    'aria-invalid'?: boolean | undefined;
  }>;
}

/** A label, one control, and what is said about it. */
export function Field({ label, hint, optional, error, children }: FieldProps) {
  const { t } = useTranslation();
  const id = useId();
  const notes = [error && `${id}-error`, hint && `${id}-hint`].filter(Boolean).join(' ');
  return (
    <div className="field">
      <label className="field-label" htmlFor={id}>
        {label}
        {optional && <span className="field-optional"> {t.common.optional}</span>}
      </label>
      {cloneElement(children, { id, 'aria-describedby': notes || undefined, 'aria-invalid': error ? true : undefined })}
      {error && (
        <p id={`${id}-error`} className="field-error">
          {error}
        </p>
      )}
      {hint && (
        <p id={`${id}-hint`} className="field-hint">
          {hint}
        </p>
      )}
    </div>
  );
}
