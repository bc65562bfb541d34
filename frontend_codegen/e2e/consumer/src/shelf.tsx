/** A customer's React application: hooks of its own documents, fragments per component, a typo the compiler finds. */
import { createFabulaClient } from '@fabula/client';
import { FabulaProvider } from '@fabula/client/urql';

import { type FragmentType, graphql, useFragment } from './gql/index.js';
import { useAddNovelMutation, useShelfQuery } from './gql/hooks.js';

const Spine = graphql(`
  fragment Spine on Project {
    title
    wordCount
  }
`);

function Book({ project }: { project: FragmentType<typeof Spine> }) {
  const { title, wordCount } = useFragment(Spine, project);
  // @ts-expect-error a field that the fragment does not ask for
  void useFragment(Spine, project).genre;
  return <li>{`${title.toUpperCase()} ${wordCount.toFixed()}`}</li>;
}

function Shelf() {
  const [{ data }] = useShelfQuery({ variables: { first: 3 } });
  const [, add] = useAddNovelMutation();
  // @ts-expect-error the title is required
  void (() => add({ input: {} }));
  return (
    <ul>
      {data?.projects.edges.map(({ node }) => {
        // @ts-expect-error the fields of a fragment are its component's alone
        void node.title;
        return <Book key={node.id} project={node} />;
      })}
    </ul>
  );
}

const client = createFabulaClient({ url: '/graphql', trustedDocuments: true });

export const App = () => (
  <FabulaProvider client={client}>
    <Shelf />
  </FabulaProvider>
);
