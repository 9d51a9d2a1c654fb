/** Texts of registries. They may contain anything, and are never more than text. */
import type { ComponentChildren } from "preact"
import * as format from "./format.js"

/**
 * Matches control and format characters, such as those that reverse text, line separators, surrogates and private code
 * points.
 */
const invisible = /([\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Co}])/u
const allowedInLines = new Set(["\n", "\t"])

const codeOf = (char: string): string => `U+${char.codePointAt(0)!.toString(16).toUpperCase().padStart(4, "0")}`

/**
 * Shows a text of a registry. Invisible characters are shown by their codes, and the text does not change the direction of
 * its surroundings. A long text is cut.
 */
export const Text = (
  { children, limit = 1000, lines = false }: {
    readonly children: string
    readonly limit?: number
    /** Whether the text has several lines. */
    readonly lines?: boolean
  }
) => {
  // A letter may carry any number of marks, which then cover the lines above it.
  const text = children.slice(0, limit).replaceAll(/(\p{M}{4})\p{M}+/gu, "$1")
  const parts: Array<ComponentChildren> = text.split(invisible).map((part, at) =>
    at % 2 === 0 || (lines && allowedInLines.has(part)) || (lines && part === "\r")
      ? part
      : <span class="escape" key={at}>{codeOf(part)}</span>
  )
  return <bdi>{parts}{children.length > limit ? "…" : ""}</bdi>
}

/** Shows a text of a registry that may be a web address: then as a link that shows where it leads. */
export const TextOrLink = ({ children }: { readonly children: string }) => {
  const address = format.webAddress(children)
  return address === undefined
    ? <Text>{children}</Text>
    : (
      <a href={address} target="_blank" rel="noopener noreferrer nofollow ugc">
        <Text>{address}</Text>
      </a>
    )
}
