import type { InvoicesQuery } from '@fabula/client';

import { formatCount, formatDay } from '../format';
import { useTranslation } from '../i18n/context';
import { Button } from '../ui/button';
import { ProblemNotice } from '../ui/notice';
import { dueOf, isUnpaid } from './model';
import { inFull } from './money';
import { usePdf } from './use-pdf';

export type Invoice = InvoicesQuery['invoices']['edges'][number]['node'];

export function InvoiceRow({ invoice, onPay }: { invoice: Invoice; onPay: () => void }) {
  const { t, language } = useTranslation();
  const words = t.billing.invoices;
  const { number, state, total, restrictsAt } = invoice;
  const pdf = usePdf(invoice.id);
  return (
    <li className="invoice">
      <h2>
        {number}
        <span className="badge" data-state={state}>
          {words.states[state]}
        </span>
      </h2>
      <p className="invoice-total">{inFull(total, language)}</p>
      <About invoice={invoice} />
      <div className="invoice-actions">
        {isUnpaid(invoice) && (
          <Button look="primary" aria-label={words.payTitle(number)} onClick={onPay}>
            {words.pay}
          </Button>
        )}
        <Button aria-label={words.pdfOf(number)} busy={pdf.busy} onClick={() => void pdf.open()}>
          {words.pdf}
        </Button>
      </div>
      {state === 'OVERDUE' && (
        <p className="invoice-warning">{words.restricts(formatDay(dayOf(restrictsAt), language))}</p>
      )}
      <ProblemNotice problem={pdf.problem} />
      <details className="invoice-lines">
        <summary>{words.lines(invoice.lines.length)}</summary>
        <Lines invoice={invoice} />
        {invoice.creditNotes.length > 0 && <CreditNotes notes={invoice.creditNotes} />}
      </details>
    </li>
  );
}

/** Invoices are in days of UTC, as they stand in the PDF. */
const dayOf = (iso: string) => iso.slice(0, 10);

function About({ invoice }: { invoice: Invoice }) {
  const { t, language } = useTranslation();
  const words = t.billing.invoices;
  const { reason, issuedAt, dueAt, paidAt, total, creditNotes } = invoice;
  const day = (iso: string) => formatDay(dayOf(iso), language);
  const unpaid = isUnpaid(invoice);
  const left = { amount: String(dueOf(invoice) / 1_000_000), currency: total.currency };
  const facts = [
    words.reasons[reason],
    words.issued(day(issuedAt)),
    unpaid && words.due(day(dueAt)),
    paidAt && words.paidOn(day(paidAt)),
    unpaid && creditNotes.length > 0 && words.left(inFull(left, language)),
  ].filter((fact) => typeof fact === 'string');
  return (
    <p className="invoice-about">
      {facts.map((fact) => (
        <span key={fact}>{fact}</span>
      ))}
    </p>
  );
}

function Lines({ invoice: { number, lines, total } }: { invoice: Invoice }) {
  const { t, language } = useTranslation();
  const words = t.billing.invoices;
  return (
    <table className="sums" aria-label={words.linesOf(number)}>
      <thead>
        <tr>
          <th scope="col">{words.item}</th>
          <th scope="col">{words.amount}</th>
        </tr>
      </thead>
      <tbody>
        {lines.map((line, place) => (
          <tr key={place}>
            <th scope="row">
              {words.own[line.description] ?? line.description}
              <LineAbout line={line} />
            </th>
            <td>{inFull(line.amount, language)}</td>
          </tr>
        ))}
      </tbody>
      <tfoot>
        <tr>
          <th scope="row">{words.total}</th>
          <td>{inFull(total, language)}</td>
        </tr>
      </tfoot>
    </table>
  );
}

function LineAbout({ line }: { line: Invoice['lines'][number] }) {
  const { t, language } = useTranslation();
  const words = t.billing.invoices;
  const { kind, quantity, unit, unitPrice, startsOn, endsOn, inputTokens, cachedInputTokens, outputTokens } = line;
  const count = (figure: string | null | undefined) => formatCount(Number(figure ?? 0), language);
  const day = (iso: string) => formatDay(dayOf(iso), language);
  const facts = [
    words.kinds[kind],
    startsOn && endsOn && words.span(day(startsOn), day(endsOn)),
    unit && `${count(quantity)} ${words.units[unit] ?? unit}`,
    unitPrice && `× ${inFull(unitPrice, language)}`,
    outputTokens != null && words.tokens(count(inputTokens), count(cachedInputTokens), count(outputTokens)),
  ].filter(Boolean);
  return <span className="line-about">{facts.join(' · ')}</span>;
}

function CreditNotes({ notes }: { notes: Invoice['creditNotes'] }) {
  const { t, language } = useTranslation();
  const words = t.billing.invoices;
  return (
    <>
      <h3>{words.creditNotes}</h3>
      <ul>
        {notes.map(({ number, amount, reason, issuedAt, creditedToWallet }) => (
          <li key={number} className="credit-note">
            <span>
              {number}
              <span className="line-about">
                {[formatDay(dayOf(issuedAt), language), reason, creditedToWallet && words.toWallet]
                  .filter(Boolean)
                  .join(' · ')}
              </span>
            </span>
            <span>{inFull(amount, language)}</span>
          </li>
        ))}
      </ul>
    </>
  );
}
