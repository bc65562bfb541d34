export const CHANNELS_PATH = '/channels';
export const USAGE_PATH = '/usage';
export const WALLET_PATH = '/wallet';
export const BUDGETS_PATH = '/budgets';
export const INVOICES_PATH = '/invoices';
export const PLAN_PATH = '/plan';
export const projectPath = (id: string) => `/projects/${encodeURIComponent(id)}`;
export const chapterPath = (projectId: string, id: string) =>
  `${projectPath(projectId)}/chapters/${encodeURIComponent(id)}`;
