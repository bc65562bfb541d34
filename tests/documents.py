"""Operations that many tests send."""

REGISTER = """
mutation($email: String!, $password: String!, $name: String!) {
  register(input: {email: $email, password: $password, displayName: $name}) {
    viewer { user { id email } tenant { id name } role scopes }
    tokens { accessToken refreshToken accessTokenExpiresAt }
    userErrors { code message field }
  }
}"""

LOGIN = """
mutation($email: String!, $password: String!) {
  login(input: {email: $email, password: $password}) {
    viewer { role tenant { id } } tokens { accessToken refreshToken } userErrors { code message field }
  }
}"""

REFRESH = """
mutation($token: String!) {
  refresh(input: {refreshToken: $token}) { tokens { accessToken refreshToken } userErrors { code field } }
}"""

LOGOUT = "mutation($token: String!) { logout(input: {refreshToken: $token}) { ok userErrors { code } } }"

ME = "{ me { user { email } tenant { id } role scopes memberships { role tenant { id } } } }"

PROJECT_CREATE = """
mutation($title: String!, $language: String = "en") {
  projectCreate(input: {title: $title, language: $language}) { project { id title language } userErrors { code field } }
}"""

CHAPTER_CREATE = """
mutation($projectId: ID!, $title: String!, $parentId: ID, $afterId: ID) {
  chapterCreate(input: {projectId: $projectId, title: $title, parentId: $parentId, afterId: $afterId}) {
    chapter { id title position } userErrors { code field }
  }
}"""

TEXT_UPDATE = """
mutation($chapterId: ID!, $text: String!, $base: ID) {
  chapterTextUpdate(input: {chapterId: $chapterId, text: $text, baseVersionId: $base}) {
    version { id number text state wordCount } chapter { id wordCount currentVersion { id text } }
    userErrors { code message field }
  }
}"""

GENERATE = """
mutation($chapterId: ID!, $instructions: String = "", $key: String!, $words: Int) {
  chapterGenerate(input: {
    chapterId: $chapterId, instructions: $instructions, idempotencyKey: $key, targetWords: $words
  }) {
    __typename
    ... on GenerationStarted { replayed generation { id state job { id } } }
    ... on QuotaExhausted { needed { amount } available { amount } }
    ... on ContextTooSmall { requiredTokens budgetTokens }
    ... on UserError { code message field }
  }
}"""

EVENTS = """
subscription($id: ID!, $after: String) {
  generationEvents(id: $id, after: $after) {
    __typename seq cursor at
    ... on TextDelta { text }
    ... on StreamReset { attempt }
    ... on StreamSnapshot { text }
    ... on GenerationCompleted { version { id text } }
    ... on GenerationFailed { failure: code message }
    ... on GenerationCancelled { version { id text } }
    ... on GenerationTruncated { truncation: reason version { id text } }
    ... on StreamRevoked { revoked: code }
  }
}"""
