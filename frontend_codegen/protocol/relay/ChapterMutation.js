import { graphql } from 'relay-runtime';

export const create = graphql`
  mutation ChapterMutation($input: ProjectCreateInput!, $connections: [ID!]!) {
    projectCreate(input: $input) {
      project @appendNode(connections: $connections, edgeTypeName: "ProjectEdge") {
        id
        title
      }
      userErrors {
        code
        field
        message
      }
    }
  }
`;

export const remove = graphql`
  mutation ChapterMutationDeleteMutation($input: OutlineNodeDeleteInput!) {
    outlineNodeDelete(input: $input) {
      deletedId @deleteRecord
      userErrors {
        code
      }
    }
  }
`;
