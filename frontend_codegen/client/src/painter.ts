/**
 * Shows growing text through one text node, at most once per animation frame.
 *
 * A React render per token would lay the chapter out anew fifty times a second; appending to a text node does not.
 * The element must be empty in React's eyes: it has no React children.
 */
export interface TextPainter {
  attach(element: HTMLElement | null): void;
  show(text: string): void;
}

export function createTextPainter(nextFrame: (paint: () => void) => void = requestAnimationFrame): TextPainter {
  let node: Text | null = null;
  let wanted = '';
  let shown = '';
  let scheduled = false;

  const paint = () => {
    scheduled = false;
    if (!node || wanted === shown) return;
    if (wanted.startsWith(shown)) node.appendData(wanted.slice(shown.length));
    else node.data = wanted;
    shown = wanted;
  };
  return {
    attach(element) {
      node = element ? element.ownerDocument.createTextNode(wanted) : null;
      shown = node ? wanted : '';
      if (element && node) element.replaceChildren(node);
    },
    show(text) {
      wanted = text;
      if (scheduled) return;
      scheduled = true;
      nextFrame(paint);
    },
  };
}
