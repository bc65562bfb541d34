import { useId } from 'react';

interface ChoiceProps<K extends string> {
  label: string;
  options: { key: K; label: string }[];
  chosen: K;
  onChoose: (key: K) => void;
}

/** One of a few: radio buttons that look like a switch. Arrows move between them. */
export function Choice<K extends string>({ label, options, chosen, onChoose }: ChoiceProps<K>) {
  const name = useId();
  return (
    <fieldset className="choice">
      <legend>{label}</legend>
      <div className="choice-options">
        {options.map(({ key, label: said }) => (
          <label key={key} className="choice-option">
            <input type="radio" name={name} checked={key === chosen} onChange={() => onChoose(key)} />
            {said}
          </label>
        ))}
      </div>
    </fieldset>
  );
}
