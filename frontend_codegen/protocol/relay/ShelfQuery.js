// A page as a Relay application would write it: fragments, a connection that loads more, an object that is fetched again.
import { graphql } from 'relay-runtime';

export const query = graphql`
  query ShelfQuery($first: Int!, $language: String) {
    me {
      tenant {
        id
        name
      }
    }
    ...ShelfQuery_projects @arguments(first: $first, language: $language)
  }
`;

export const projects = graphql`
  fragment ShelfQuery_projects on Query
  @argumentDefinitions(first: { type: "Int!" }, after: { type: "String" }, language: { type: "String" })
  @refetchable(queryName: "ShelfQueryPaginationQuery") {
    projects(first: $first, after: $after, filter: { language: $language }, orderBy: { field: TITLE, direction: ASC })
      @connection(key: "ShelfQuery_projects", filters: ["filter"]) {
      edges {
        node {
          id
          ...ShelfQuery_project
        }
      }
    }
  }
`;

export const project = graphql`
  fragment ShelfQuery_project on Project
  @argumentDefinitions(first: { type: "Int", defaultValue: 2 }, after: { type: "String" })
  @refetchable(queryName: "ShelfQueryProjectQuery") {
    title
    language
    chapters(first: $first, after: $after) @connection(key: "ShelfQuery_chapters") {
      edges {
        node {
          ...ShelfQuery_chapter
        }
      }
    }
  }
`;

export const chapter = graphql`
  fragment ShelfQuery_chapter on Chapter @refetchable(queryName: "ShelfQueryChapterQuery") {
    title
    status
    wordCount
    currentVersion @include(if: true) {
      number
      origin
    }
  }
`;
