import { graphql } from 'relay-runtime';

export const query = graphql`
  query NodeQuery($id: ID!, $ids: [ID!]!) {
    node(id: $id) {
      __typename
      ...NodeQuery_named
    }
    nodes(ids: $ids) {
      id
    }
  }
`;

export const named = graphql`
  fragment NodeQuery_named on Node {
    ... on Project {
      title
      premise
    }
    ... on Tenant {
      name
    }
  }
`;
