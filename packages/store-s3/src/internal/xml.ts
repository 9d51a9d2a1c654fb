import { parseXml, XmlElement } from "@rgrove/parse-xml"

/*
 * The answers of S3 are small documents without attributes. They are parsed by `@rgrove/parse-xml`: 12 KB, without
 * dependencies, strict, portable, and it expands no entities except the predefined ones. A reader of our own would be
 * as long as this file and the tests of a parser together.
 */

/** An element of an answer. */
export class Element {
  constructor(private readonly element: XmlElement) {}

  get name(): string {
    return this.element.name
  }

  /** Returns the child elements with a name. */
  all(name: string): ReadonlyArray<Element> {
    return this.element.children.flatMap((child) =>
      child instanceof XmlElement && child.name === name ? new Element(child) : []
    )
  }

  /** Returns the first descendant on a path of names. */
  find(...path: ReadonlyArray<string>): Element | undefined {
    const [name, ...rest] = path
    return name === undefined ? this : this.all(name)[0]?.find(...rest)
  }

  /** Returns the text of the first descendant on a path of names. */
  text(...path: ReadonlyArray<string>): string | undefined {
    return this.find(...path)?.element.text
  }
}

/** Returns the root element of a document, or `undefined` if the text is not XML. */
export const parse = (text: string): Element | undefined => {
  try {
    // A service may send white space before the document to keep a connection open.
    const document = parseXml(text.trimStart())
    return document.root === null ? undefined : new Element(document.root)
  } catch {
    return undefined
  }
}

const escapes: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", "\"": "&quot;", "'": "&apos;" }

const escape = (text: string): string => text.replace(/[&<>"']/g, (character) => escapes[character] ?? character)

/** Formats an element with a text, or with other elements. */
export const format = (name: string, content: string | ReadonlyArray<string>): string =>
  `<${name}>${typeof content === "string" ? escape(content) : content.join("")}</${name}>`
