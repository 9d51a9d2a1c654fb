// Fails on idioms that a reader would have to decode, in comments, Markdown and strings. `CONTRIBUTING.md` says what to
// write instead. A line may end with `words-ok` where it quotes one of them.
import { readFileSync } from "node:fs"
import ts from "typescript"
import { fail, markdownOf, root, shown, sourcesOf, workspaces } from "./workspace.mjs"

/** @type {ReadonlyArray<readonly [pattern: RegExp, instead: string]>} */
const idioms = [
  [/\bunless (?:said|told|asked|it is (?:said|told))\b/i, "Default: …"],
  [/\bif not (?:given|said)\b/i, "Default: …"],
  [/\banew\b/i, "again"],
  [/\b(?:at|in) hand\b/i, "name what holds it: in memory, the value, available"],
  [/\bof (?:which|whom)\b/i, "two sentences"],
  [/\b(?:whoever|whomever|whosoever)\b/i, "the caller, the client, the reader …"],
  [/\bnobody\b/i, "no caller, no client …"],
  [/\bbesides\b/i, "in addition, also"],
  [/\bis (?:told|said|heard)\b/i, "reports, sends, receives"],
  [/\bwhat (?:is (?:asked|read|there|told|had|left|come)|has come|stands|lies)\b/i, "name the thing"],
  [/\bfor want of\b/i, "because … is missing"],
  [/\b(?:than|as) (?:it|they) (?:is|are) (?:said|told)\b/i, "say it plainly"],
  [/\bothers' wise\b|\botherwise than\b/i, "differently"],
  [/\b(?:goes|go|going|went) on\b/i, "continues, resumes"],
  [/\btells? (?:of|nothing|what|who|neither|that)\b/i, "reports, returns"],
  [/\bhas come of\b|\bbecomes? of\b/i, "the result of"],
  [/\bsuch as it is\b|\bas may be\b/i, "say what it is"],
  [/(?:^|[.!?] )(?:Who|Whoever|Whatever) (?![a-z]+ (?:may|can|is) .*\?)[a-z]+s?\b(?!.*\?)/, "start with the actor"]
]

/** @param {string} text @returns {string | undefined} */
const idiomIn = (text) => {
  for (const [pattern, instead] of idioms) {
    const found = pattern.exec(text)
    if (found !== null) return `"${found[0].trim()}": write ${instead}`
  }
  return undefined
}

/** @param {string} file @param {ReadonlyArray<[line: number, text: string]>} lines */
const check = (file, lines) => {
  for (const [line, text] of lines) {
    if (text.includes("words-ok")) continue
    const problem = idiomIn(text)
    if (problem !== undefined) fail(`${shown(file)}:${line}: ${problem}`)
  }
}

/** Returns the lines of comments and of strings. @param {string} file @returns {Array<[number, string]>} */
const proseOf = (file) => {
  const text = readFileSync(file, "utf8")
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true)
  /** @type {Array<[number, string]>} */
  const lines = []
  /** @param {number} start @param {number} end */
  const add = (start, end) => {
    const { line } = source.getLineAndCharacterOfPosition(start)
    for (const [index, each] of text.slice(start, end).split("\n").entries()) {
      lines.push([line + index + 1, each.replace(/^\s*(?:\/\*\*?|\*|\/\/)?\s?/, "")])
    }
  }
  /** @type {Set<number>} */
  const comments = new Set()
  /** @param {ts.Node} node */
  const visit = (node) => {
    for (const range of ts.getLeadingCommentRanges(text, node.getFullStart()) ?? []) {
      if (!comments.has(range.pos)) add(range.pos, range.end)
      comments.add(range.pos)
    }
    if (
      ts.isStringLiteral(node) || ts.isNoSubstitutionTemplateLiteral(node) || ts.isTemplateHead(node) ||
      ts.isTemplateMiddle(node) || ts.isTemplateTail(node)
    ) add(node.getStart(), node.end)
    ts.forEachChild(node, visit)
  }
  visit(source)
  return lines
}

/** @param {string} file @returns {Array<[number, string]>} */
const linesOf = (file) => readFileSync(file, "utf8").split("\n").map((line, index) => [index + 1, line])

const only = process.argv.slice(2)
const chosen = workspaces.filter(({ name }) => only.length === 0 || only.includes(name))
for (const workspace of chosen) {
  for (const part of /** @type {const} */ (["src", "test", "app"])) {
    for (const file of sourcesOf(workspace, part)) check(file, proseOf(file))
  }
}
for (const folder of [...only.length === 0 ? [root] : [], ...chosen.map((each) => each.folder)]) {
  for (const file of markdownOf(folder)) check(file, linesOf(file))
}
