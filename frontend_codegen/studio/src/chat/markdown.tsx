import type { Token, Tokens } from 'marked';
import { Fragment, memo, type ReactNode } from 'react';

import { MARK } from './model';
import { tokensOf } from './tokens';

type Chip = (rank: number) => ReactNode;

/**
 * An answer's Markdown as elements. Safe by construction: the parser's tokens become React's elements one by one, HTML
 * in the text stays text, and only addresses that cannot run anything become links.
 */
export const Markdown = memo(function Markdown({ text, chip }: { text: string; chip: Chip }) {
  return <div className="markdown">{blocks(tokensOf(text), chip)}</div>;
});

const blocks = (tokens: readonly Token[], chip: Chip): ReactNode =>
  tokens.map((token, index) => <Fragment key={index}>{block(token as Tokens.Generic, chip)}</Fragment>);

function block(token: Tokens.Generic, chip: Chip): ReactNode {
  switch (token.type) {
    case 'space':
    case 'def':
      return null;
    case 'heading':
      return <h3 data-depth={token.depth as number}>{inlines(token.tokens, chip)}</h3>;
    case 'paragraph':
      return <p>{inlines(token.tokens, chip)}</p>;
    case 'blockquote':
      return <blockquote>{blocks(token.tokens ?? [], chip)}</blockquote>;
    case 'code':
      return (
        <pre tabIndex={0}>
          <code>{unmarked(token.text as string)}</code>
        </pre>
      );
    case 'hr':
      return <hr />;
    case 'list':
      return list(token as Tokens.List, chip);
    case 'table':
      return table(token as Tokens.Table, chip);
    case 'text':
      return token.tokens ? inlines(token.tokens, chip) : words(token.text as string, chip);
    default:
      return <p>{words(token.raw, chip)}</p>;
  }
}

function list(token: Tokens.List, chip: Chip): ReactNode {
  const items = token.items.map((item, index) => (
    <li key={index}>
      {item.task && (item.checked ? '☑ ' : '☐ ')}
      {blocks(
        item.tokens.filter(({ type }) => type !== 'checkbox'),
        chip,
      )}
    </li>
  ));
  return token.ordered ? <ol start={token.start === '' ? 1 : token.start}>{items}</ol> : <ul>{items}</ul>;
}

function table(token: Tokens.Table, chip: Chip): ReactNode {
  const cells = (row: Tokens.TableCell[], Cell: 'th' | 'td') =>
    row.map((cell, index) => (
      <Cell key={index} {...(cell.align && { style: { textAlign: cell.align } })}>
        {inlines(cell.tokens, chip)}
      </Cell>
    ));
  return (
    <div className="markdown-table" tabIndex={0}>
      <table>
        <thead>
          <tr>{cells(token.header, 'th')}</tr>
        </thead>
        <tbody>
          {token.rows.map((row, index) => (
            <tr key={index}>{cells(row, 'td')}</tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

const inlines = (tokens: readonly Token[] | undefined, chip: Chip): ReactNode =>
  (tokens ?? []).map((token, index) => <Fragment key={index}>{inline(token as Tokens.Generic, chip)}</Fragment>);

function inline(token: Tokens.Generic, chip: Chip): ReactNode {
  switch (token.type) {
    case 'strong':
      return <strong>{inlines(token.tokens, chip)}</strong>;
    case 'em':
      return <em>{inlines(token.tokens, chip)}</em>;
    case 'del':
      return <del>{inlines(token.tokens, chip)}</del>;
    case 'codespan':
      return <code>{unmarked(token.text as string)}</code>;
    case 'br':
      return <br />;
    case 'link':
      return link(token.href as string, inlines(token.tokens, chip));
    case 'image':
      return link(token.href as string, (token.text as string) || (token.href as string));
    case 'text':
      return token.tokens ? inlines(token.tokens, chip) : words(token.text as string, chip);
    case 'escape':
      return token.text as string;
    default:
      return words(token.raw, chip);
  }
}

function link(href: string, children: ReactNode): ReactNode {
  if (!/^(https?:|mailto:)/i.test(href)) return children;
  return (
    <a href={href} target="_blank" rel="noreferrer noopener nofollow">
      {children}
    </a>
  );
}

/** Words, with the marks between them as chips. */
function words(text: string, chip: Chip): ReactNode {
  const parts = text.split(MARK);
  return parts.map((part, index) => <Fragment key={index}>{index % 2 ? chip(Number(part)) : part}</Fragment>);
}

/** Inside code a mark is nothing but its number. */
const unmarked = (text: string) => text.replace(new RegExp(MARK, 'g'), '[$1]');
