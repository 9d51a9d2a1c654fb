// Reads Markdown: its lines outside of code, its headings and its links.

/** Returns the part of a URL that GitHub and the site give to a heading. @param {string} heading */
export const slugOf = (heading) =>
  heading.trim().toLowerCase().replace(/[^\p{L}\p{N}\p{M}\p{Pc}\- ]/gu, "").replaceAll(" ", "-")

/** Changes the lines outside of code blocks. @param {string} text @param {(line: string, index: number) => string} change */
export const mapProse = (text, change) => {
  let inCode = false
  return text.split("\n").map((line, index) => {
    const isFence = line.startsWith("```")
    if (isFence) inCode = !inCode
    return isFence || inCode ? line : change(line, index)
  }).join("\n")
}

/** Returns the text of a heading without Markdown. @param {string} heading */
const plain = (heading) => heading.replace(/\[([^\]]*)\]\([^)]*\)/g, "$1").replace(/[`*]/g, "")

/** Returns the headings. @param {string} text @returns {Array<{ level: number, text: string }>} */
export const headingsOf = (text) => {
  /** @type {Array<{ level: number, text: string }>} */
  const found = []
  mapProse(text, (line) => {
    const [, marks, heading] = /^(#{1,6}) (.+)$/.exec(line) ?? []
    if (marks !== undefined && heading !== undefined) found.push({ level: marks.length, text: plain(heading) })
    return line
  })
  return found
}

/** Returns the fragments that links to a page may have. @param {string} text @returns {Set<string>} */
export const fragmentsOf = (text) => {
  /** @type {Set<string>} */
  const found = new Set()
  for (const { text: heading } of headingsOf(text)) {
    const slug = slugOf(heading)
    let unique = slug
    for (let n = 1; found.has(unique); n++) unique = `${slug}-${n}`
    found.add(unique)
  }
  return found
}

/** Returns the title of a page: its first heading. @param {string} text */
export const titleOf = (text) => headingsOf(text)[0]?.text ?? ""

/**
 * Returns a section without its sub-sections' end: from a heading of level 2 to the next one, as a page of its own.
 *
 * @param {string} text
 * @param {string} heading
 */
export const sectionOf = (text, heading) => {
  const lines = text.split("\n")
  /** @type {Array<number>} */
  const starts = []
  mapProse(text, (line, index) => {
    if (line.startsWith("## ")) starts.push(index)
    return line
  })
  const start = starts.find((index) => lines[index] === `## ${heading}`)
  if (start === undefined) return undefined
  const end = starts.find((index) => index > start) ?? lines.length
  return `# ${heading}\n${lines.slice(start + 1, end).join("\n")}`.trimEnd()
}

/** Returns what stands before the first heading of level 2, without the title. @param {string} text */
export const introductionOf = (text) => text.slice(0, text.indexOf("\n## ")).replace(/^# .*\n/, "").trim()

/** Changes the target of each link outside of code. @param {string} text @param {(target: string) => string} change */
export const mapLinks = (text, change) => {
  // A link's text may continue on the next line, its target does not. Code within a line is skipped.
  return mapProse(
    text,
    (line) =>
      line.split(/(`+[^`]*`+)/).map((part, index) =>
        index % 2 === 1
          ? part
          : part.replace(/(\]\()([^()\s]+)(\))/g, (_, open, target, close) => open + change(target) + close)
      ).join("")
  )
}
