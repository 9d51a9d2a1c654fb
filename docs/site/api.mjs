// Makes the reference of the API by TypeDoc, from the doc comments: a page for each module.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join, posix } from "node:path"
import { fail } from "../../.ci/workspace.mjs"
import * as Markdown from "./markdown.mjs"
import { modules } from "./pages.mjs"

/** Returns the route of the page that a file of TypeDoc's goes into. @param {string} file below `api` */
const routeOf = (file) => `api/${file.replace(/\.md$/, "").replace(/\/namespaces\/.*$/, "").replace(/\/index$/, "")}`

/** Returns the text of a file with absolute links. @param {string} api @param {string} file */
const linked = (api, file) =>
  Markdown.mapLinks(readFileSync(join(api, file), "utf8"), (target) => {
    const [path = "", fragment] = target.split("#")
    if (/^[a-z]+:/.test(target) || path === "") return target
    return `/${routeOf(posix.join(posix.dirname(file), path))}${fragment === undefined ? "" : `#${fragment}`}`
  })

/** Leaves out what the signature says already, and what classes of errors extend within Effect. @param {string} text */
const shortened = (text) =>
  text
    .replace(/^#### Type Parameters\n\n\| Type Parameter \|\n(?:\|.*\n)+\n/gm, "")
    .replace(/^#### Extends\n\n- `(?:YieldableError|TagClassShape)`.*\n+/gm, "")
    .replace(/^\*\*\*\n+/gm, "")
    .replace(/^## .*\n\n(?:- \[.*\]\(.*\)\n)+\n/gm, "") // a list of the namespaces that follow

/** Writes the pages in place of TypeDoc's files. @param {string} api the folder that TypeDoc has written */
export const write = (api) => {
  /** A module and its namespaces are one page. @type {Map<string, string>} */
  const texts = new Map()
  const files = readdirSync(api, { recursive: true, encoding: "utf8" }).map((file) => file.replaceAll("\\", "/"))
  for (const file of files.filter((each) => each.endsWith(".md")).sort((a, b) => a.length - b.length)) {
    const route = routeOf(file)
    const isNamespace = file.includes("/namespaces/")
    const title = isNamespace ? `## ${file.replace(/^.*\/|\.md$/g, "")} (namespace)\n\n` : ""
    texts.set(route, `${texts.get(route) ?? ""}\n\n${title}${linked(api, file).trim()}`)
  }
  rmSync(api, { recursive: true })
  for (const { modules: own, workspace } of modules) {
    for (const { comment, name, route } of own) {
      const text = texts.get(route)
      if (text === undefined) fail(`docs/site/api.mjs: TypeDoc has no page for ${route}`)
      const { name: from } = workspace.manifest
      const index = join(workspace.folder, "src/index.ts")
      const exported = existsSync(index) ? readFileSync(index, "utf8") : ""
      const whole = `import * as ${name} from "${from}/${name}"`
      const imports = exported.includes(`export * as ${name} from`)
        ? `import { ${name} } from "${from}"\n// or: ${whole}`
        : exported.includes(`export { ${name} } from`)
        ? `import { ${name} } from "${from}"`
        : whole
      const page = [
        "---\npageClass: api\n---",
        `# ${name}`,
        comment,
        `\`\`\`ts\n${imports}\n\`\`\``,
        shortened(text ?? "").trim()
      ].join("\n\n")
      mkdirSync(join(api, workspace.name), { recursive: true })
      writeFileSync(join(api, "..", `${route}.md`), `${page}\n`)
    }
  }
}
