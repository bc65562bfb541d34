/** The sentences of the panel. GraphiQL itself speaks English only; this panel follows the Studio's language. */
const en = {
  title: 'Trusted documents',
  registry: 'Registry',
  builtIn: 'Built in',
  uses: (count: number) => (count === 1 ? 'used once' : `used ${count} times`),
  cost: (cost: number) => `cost ${cost}`,
  retired: 'retired',
  show: 'Put the text into the editor',
  run: 'Run by documentId',
  more: 'More',
  empty: 'No documents are registered here.',
  loading: 'Loading…',
  find: 'Find by name',
};

export type Words = typeof en;

const zh: Words = {
  title: '受信任的文档',
  registry: '注册表',
  builtIn: '内置',
  uses: (count) => `使用 ${count} 次`,
  cost: (cost) => `开销 ${cost}`,
  retired: '已停用',
  show: '将文本放入编辑器',
  run: '用 documentId 运行',
  more: '更多',
  empty: '这里还没有注册文档。',
  loading: '正在加载…',
  find: '按名称查找',
};

const language = localStorage.getItem('fabula.language') ?? navigator.language;
export const words = language.startsWith('zh') ? zh : en;
