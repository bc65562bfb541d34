import { useTranslation } from '../i18n/context';
import { IconButton } from '../ui/button';
import { useTheme } from './theme';

export function Preferences() {
  const { t, language, setLanguage } = useTranslation();
  const [theme, nextTheme] = useTheme();
  return (
    <>
      <button
        type="button"
        className="text-button"
        lang={language === 'zh' ? 'en' : 'zh-Hans'}
        title={t.shell.language}
        onClick={() => setLanguage(language === 'zh' ? 'en' : 'zh')}
      >
        {t.otherLanguage}
      </button>
      <IconButton icon={theme} label={t.shell.theme[theme]} onClick={nextTheme} />
    </>
  );
}
