import { graphql } from 'relay-runtime';

export const watch = graphql`
  subscription WatchSubscription($id: ID!, $after: String) {
    generationEvents(id: $id, after: $after) {
      __typename
      seq
      cursor
      ... on TextDelta {
        text
      }
      ... on GenerationCompleted {
        version {
          id
          state
        }
      }
    }
  }
`;
