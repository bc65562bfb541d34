"""What every target is asked. `documents` is the manifest that the product is started with."""

from __future__ import annotations

import hashlib

PROJECTS = """query Projects {
  projects(first: 20) {
    edges { node { id title chapters(first: 10) { edges { node { id title wordCount } } } } }
    pageInfo { hasNextPage endCursor }
  }
}"""
FLAT = "query Flat { projects(first: 50) { edges { node { id title language wordsAimedAt: targetWords createdAt } } } }"
ONE = "query One($id: ID!) { node(id: $id) { ... on Project { id title language updatedAt } } }"
COMPUTED = """query Computed {
  projects(first: 20) {
    edges {
      node {
        id title wordCount
        outline { id depth parentId title status }
      }
    }
  }
}"""
"""Nothing of it can be planned as SQL text: depths are worked out, and word counts are sums."""
DEEP = """query Deep {
  projects(first: 5) {
    edges {
      cursor
      node {
        ...Novel
        codexEntries(first: 5) { edges { node { id name kind relations(first: 3) { edges { node { kind to { name } } } } } } }
        chapters(first: 5) {
          edges { node { id title project { id title } currentVersion { number origin } versions(first: 2) { edges { cursor } } } }
          pageInfo { hasNextPage startCursor endCursor }
        }
      }
    }
  }
}
fragment Novel on Project { id title genre premise status updatedAt }"""

QUERIES = {"projects": PROJECTS, "flat": FLAT, "node": ONE, "deep": DEEP, "computed": COMPUTED}


def document_id(query: str) -> str:
    return "sha256:" + hashlib.sha256(query.encode()).hexdigest()


def documents() -> dict[str, str]:
    return {document_id(query): query for query in QUERIES.values()}
