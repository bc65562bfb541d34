"""Operations that no SQL plan answers, so that an executor has to."""

from __future__ import annotations

from bench.http.queries import COMPUTED

PERMISSIONS = """query Desk {
  wallet { available { amount currency } held { amount currency } spent { amount currency } }
  channels { id name provider model isDefault }
  jobs(first: 20) {
    edges {
      node {
        id kind state progress attempt maxAttempts createdAt startedAt finishedAt errorCode retryOf
        generation {
          id state model channel createdAt
          attempts { number outcome channel model timeToFirstTokenMs totalMs inputTokens outputTokens errorCode }
          usage { inputTokens outputTokens cachedInputTokens source cost { amount currency } }
        }
      }
    }
    pageInfo { hasNextPage endCursor }
  }
}"""
"""A desk with the latest work: each root field asks for its right, each generation is found through its job."""

RECENT = """query Recent($ids: [ID!]!) {
  nodes(ids: $ids) {
    id
    ... on Project { title projectStatus: status wordCount }
    ... on Chapter { title status wordCount }
    ... on CodexEntry { kind name }
    ... on Generation { state }
    ... on Job { jobState: state }
  }
}"""
"""What the Studio asks for its list of recent places: a right is asked for, and a type found, for each id."""

QUERIES = {"computed": COMPUTED, "permissions": PERMISSIONS, "recent": RECENT}
