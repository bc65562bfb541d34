import { lexer, type Token, type Tokens } from 'marked';

/** Deeper than anybody writes, and far from where a browser's stack ends. */
const DEPTH_MAX = 24;

/** A text's Markdown. What is nested too deep, or is too much for the parser, stays as it was written. */
export function tokensOf(text: string): Token[] {
  try {
    return clipped(lexer(text, { gfm: true, breaks: true }), DEPTH_MAX);
  } catch (error) {
    if (error instanceof RangeError) return [plain(text)];
    throw error;
  }
}

const plain = (raw: string): Token => ({ type: 'text', raw, text: raw });

const clipped = (tokens: readonly Token[], left: number): Token[] =>
  tokens.map((token) => {
    const { tokens: inside, items } = token as Tokens.Generic;
    if (left === 0) return inside || items ? plain(token.raw) : token;
    return {
      ...token,
      ...(inside && { tokens: clipped(inside, left - 1) }),
      ...(items && { items: clipped(items as Token[], left - 1) }),
    } as Token;
  });
