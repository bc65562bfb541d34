import { createContext, type ReactNode, useContext, useEffect, useMemo, useState } from 'react';

import { en, type Strings } from './en';
import { zh } from './zh';

export type Language = 'en' | 'zh';

const DICTIONARIES: Record<Language, Strings> = { en, zh };
const KEY = 'fabula.language';

interface Translation {
  t: Strings;
  language: Language;
  setLanguage: (language: Language) => void;
}

const Context = createContext<Translation | null>(null);

function initialLanguage(): Language {
  const stored = localStorage.getItem(KEY);
  if (stored === 'en' || stored === 'zh') return stored;
  return navigator.language.toLowerCase().startsWith('zh') ? 'zh' : 'en';
}

export function TranslationProvider({ children }: { children: ReactNode }) {
  const [language, setLanguage] = useState(initialLanguage);
  useEffect(() => {
    document.documentElement.lang = language === 'zh' ? 'zh-Hans' : 'en';
    localStorage.setItem(KEY, language);
  }, [language]);
  const value = useMemo(() => ({ t: DICTIONARIES[language], language, setLanguage }), [language]);
  return <Context.Provider value={value}>{children}</Context.Provider>;
}

export function useTranslation(): Translation {
  const value = useContext(Context);
  if (!value) throw new Error('Wrap the tree in a TranslationProvider.');
  return value;
}
