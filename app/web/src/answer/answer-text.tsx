// An answer as it is read: its Markdown drawn as elements, with sources and missing sources marked.
// Text never becomes markup here, so there is nothing to sanitise: HTML in an answer is shown as text.

import type { Nodes, RootContent, Table } from "mdast";
import { memo, type ReactNode, useMemo } from "react";
import type { Sentence } from "../api/types";
import { useWords } from "../i18n/language";
import { CodeBlock } from "./code-block";
import { Layout, type Piece } from "./layout";
import { parseMarkdown } from "./markdown";
import { Maths } from "./maths";

const SAFE_LINK = /^(https?:|mailto:)/i;
const NO_SENTENCES: readonly Sentence[] = [];

interface Props {
  text: string;
  sentences?: readonly Sentence[];
  /** What stands after a sentence: its sources. */
  renderSources?: (sentence: Sentence, index: number) => ReactNode;
}

export const AnswerText = memo(function AnswerText({ text, sentences = NO_SENTENCES, renderSources }: Props): ReactNode {
  const drawn = useMemo(() => {
    const tree = parseMarkdown(text);
    const layout = new Layout(text, tree, sentences);
    const sources = (ends: number[]): ReactNode =>
      ends.map((index) => {
        const sentence = sentences[index];
        return sentence && <Sources key={index} sentence={sentence} index={index} render={renderSources} />;
      });
    return new Drawing(layout, sources).all(tree.children);
  }, [text, sentences, renderSources]);
  return <div className="prose">{drawn}</div>;
});

interface SourcesProps {
  sentence: Sentence;
  index: number;
  render: Props["renderSources"];
}

function Sources({ sentence, index, render }: SourcesProps): ReactNode {
  const t = useWords();
  if (sentence.citations.length) return render?.(sentence, index);
  return (
    <span className="no-source" title={t("unsupportedLabel")}>
      {t("unsupported")}
    </span>
  );
}

class Drawing {
  readonly #layout: Layout;
  readonly #sources: (ends: number[]) => ReactNode;

  constructor(layout: Layout, sources: (ends: number[]) => ReactNode) {
    this.#layout = layout;
    this.#sources = sources;
  }

  all(nodes: readonly RootContent[]): ReactNode[] {
    return nodes.map((node, key) => this.#one(node, key));
  }

  #one(node: RootContent, key: number): ReactNode {
    switch (node.type) {
      case "paragraph":
        return <p key={key}>{this.all(node.children)}</p>;
      case "heading": {
        // the page and the question have the levels above
        const Heading = node.depth < 3 ? "h3" : "h4";
        return <Heading key={key}>{this.all(node.children)}</Heading>;
      }
      case "emphasis":
        return <em key={key}>{this.all(node.children)}</em>;
      case "strong":
        return <strong key={key}>{this.all(node.children)}</strong>;
      case "delete":
        return <del key={key}>{this.all(node.children)}</del>;
      case "blockquote":
        return <blockquote key={key}>{this.all(node.children)}</blockquote>;
      case "list": {
        const items = this.all(node.children);
        return node.ordered ? <ol key={key} start={node.start ?? 1}>{items}</ol> : <ul key={key}>{items}</ul>;
      }
      case "listItem":
        return <li key={key}>{this.#items(node.children, node.spread === true)}</li>;
      case "table":
        return this.#table(node, key);
      case "thematicBreak":
        return <hr key={key} />;
      case "break":
        return <br key={key} />;
      case "link":
        return this.#link(node.url, node.children, key);
      case "linkReference":
        return <span key={key}>{this.all(node.children)}</span>;
      default:
        return this.#leaf(node, key);
    }
  }

  #leaf(node: RootContent, key: number): ReactNode {
    switch (node.type) {
      case "text":
      case "html":
        return this.#pieces(node, node.value, key);
      case "image":
      case "imageReference":
        // a picture would be fetched from wherever the text says: its words are shown
        return this.#atom(node, key, <span className="picture">{node.alt ?? ""}</span>);
      case "inlineCode":
        return this.#atom(node, key, <code>{node.value}</code>);
      case "code":
        return this.#atom(node, key, <CodeBlock code={node.value} language={node.lang ?? null} />);
      case "inlineMath":
        return this.#atom(node, key, <Maths tex={node.value} />);
      case "math":
        return this.#atom(node, key, <Maths tex={node.value} isBlock />);
      default:
        // definitions and the like have nothing to show
        return null;
    }
  }

  #pieces(node: Nodes, value: string, key: number): ReactNode {
    return this.#layout.cut(node, value).map((piece, index) => (
      <span key={`${key}.${index}`} className={unsupportedClass(piece)}>
        {piece.text}
        {this.#sources(piece.ends)}
      </span>
    ));
  }

  #atom(node: Nodes, key: number, drawn: ReactNode): ReactNode {
    const { ends } = this.#layout.whole(node);
    return (
      <span key={key} className="atom">
        {drawn}
        {this.#sources(ends)}
      </span>
    );
  }

  // a tight list's paragraphs are lines, not paragraphs
  #items(nodes: readonly RootContent[], isSpread: boolean): ReactNode[] {
    return nodes.map((node, key) =>
      !isSpread && node.type === "paragraph" ? <span key={key}>{this.all(node.children)}</span> : this.#one(node, key),
    );
  }

  #link(url: string, children: readonly RootContent[], key: number): ReactNode {
    if (!SAFE_LINK.test(url)) return <span key={key}>{this.all(children)}</span>;
    return (
      <a key={key} href={url} target="_blank" rel="noopener noreferrer">
        {this.all(children)}
      </a>
    );
  }

  #table(node: Table, key: number): ReactNode {
    const [head, ...rows] = node.children;
    const align = (column: number): string => `align-${node.align?.[column] ?? "left"}`;
    return (
      // a wide table scrolls by itself, and the keyboard can reach it
      // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex
      <div key={key} className="table-scroll" role="group" tabIndex={0}>
        <table>
          <thead>
            <tr>
              {head?.children.map((cell, column) => (
                <th key={column} scope="col" className={align(column)}>
                  {this.all(cell.children)}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {rows.map((row, number) => (
              <tr key={number}>
                {row.children.map((cell, column) => (
                  <td key={column} className={align(column)}>
                    {this.all(cell.children)}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    );
  }
}

function unsupportedClass(piece: Piece): string | undefined {
  return piece.isUnsupported ? "unsupported" : undefined;
}
