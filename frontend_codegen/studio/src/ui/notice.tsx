import type { ReactNode } from 'react';

import type { Problem } from '../problems';

export function ProblemNotice({ problem, children }: { problem: Problem | null; children?: ReactNode }) {
  if (!problem) return null;
  return (
    <div className="notice notice-problem" role="alert">
      <p>{problem.message}</p>
      {children}
    </div>
  );
}
