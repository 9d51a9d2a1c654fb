/** Reads the XML documents that clients send to S3: elements and text, without attributes that matter. */
const entities: { readonly [name: string]: string } = { amp: "&", lt: "<", gt: ">", quot: "\"", apos: "'" }

const unescaped = (text: string): string =>
  text.replace(/&(#x[0-9a-f]+|#\d+|\w+);/gi, (whole, name: string) => {
    if (!name.startsWith("#")) return entities[name] ?? whole
    return String.fromCodePoint(/^#x/i.test(name) ? Number.parseInt(name.slice(2), 16) : Number(name.slice(1)))
  })

/** Returns the content of each element with a name, in order. The elements do not contain others with the same name. */
export const elements = (content: string, name: string): ReadonlyArray<string> =>
  [...content.matchAll(new RegExp(`<${name}(?:\\s[^>]*)?>(.*?)</${name}>|<${name}\\s*/>`, "gs"))].map((
    [, inner = ""]
  ) => inner)

/** Returns the text of the first element with a name. */
export const valueOf = (content: string, name: string): string | undefined => {
  const [inner] = elements(content, name)
  return inner === undefined ? undefined : unescaped(inner)
}

/** Returns the content of the root element. */
export const parse = (bytes: Uint8Array, root: string): string | undefined => {
  const document = new TextDecoder().decode(bytes).replace(/^\s*<\?xml[^>]*\?>/, "").trim()
  return document.startsWith(`<${root}`) && document.endsWith(`</${root}>`) ? elements(document, root)[0] : undefined
}
