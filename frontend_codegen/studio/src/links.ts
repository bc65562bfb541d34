export const CHANNELS_PATH = '/channels';
export const projectPath = (id: string) => `/projects/${encodeURIComponent(id)}`;
export const chapterPath = (projectId: string, id: string) =>
  `${projectPath(projectId)}/chapters/${encodeURIComponent(id)}`;
