// Makes the pages of the site from the Markdown of the repository, so that no text is written twice. Fails on a link to
// a file or a heading that does not exist, and on a page that the navigation does not have.
// `node docs/site/pages.mjs` only checks; `write()` writes the pages.
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs"
import { dirname, join, posix, relative } from "node:path"
import { fail, publicPackages, root, sourcesOf, workspaces } from "../../.ci/workspace.mjs"
import * as Markdown from "./markdown.mjs"

/** @typedef {{ route: string, source: string, label: string, text: string }} Page */

const repository = "https://github.com/effect-oci/effect-oci"

/** @param {string} file */
const read = (file) => readFileSync(join(root, file), "utf8")

/** @param {string} folder @returns {Array<string>} */
const pagesIn = (folder) =>
  readdirSync(join(root, folder)).filter((file) => file.endsWith(".md")).map((file) => `${folder}/${file}`)

/** The pages in the order of the navigation. `FILE#HEADING` is a section of a file as a page of its own. */
const chapters = {
  Start: ["docs/why.md", "README.md#Install", "docs/tutorial.md", "docs/effect-4.md"],
  "How to": [
    "docs/how-to/several-registries.md",
    "docs/how-to/credentials.md",
    "docs/how-to/testing.md",
    "docs/how-to/observability.md",
    "packages/middleware/docs/opentelemetry.md",
    "docs/how-to/mirrors.md",
    "docs/how-to/ci.md",
    "docs/how-to/ci-identity.md",
    "docs/how-to/from-go.md",
    "docs/cluster.md"
  ],
  Wrappers: [
    "packages/middleware/README.md",
    ...pagesIn("packages/middleware/docs").filter((file) => /\/[A-Z]\w+\.md$/.test(file)),
    ...pagesIn("packages/recording/docs"),
    "packages/verify/docs/Verify.md",
    "packages/verify/docs/requirements.md",
    "packages/verify/docs/Sign.md",
    ...pagesIn("packages/explain/docs"),
    "packages/middleware/docs/your-own.md"
  ],
  Packages: [
    "README.md#Packages",
    ...publicPackages.map(({ name }) => `packages/${name}/README.md`).filter((file) => !file.includes("/middleware/"))
  ],
  Examples: [
    "README.md#Examples",
    ...workspaces.filter(({ kind }) => kind === "examples").map(({ name }) => `examples/${name}/README.md`)
  ],
  Reference: ["docs/runtimes.md", "docs/quirks.md", "docs/rules.md", "docs/threats.md"],
  About: [
    "docs/comparison.md",
    "packages/bench/README.md",
    "docs/limits.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "CODE_OF_CONDUCT.md"
  ]
}

/** Pages whose place on the site does not follow from that of their file. @type {Record<string, string>} */
const routes = {
  "README.md": "index",
  "README.md#Packages": "packages/index",
  "README.md#Examples": "examples/index",
  "packages/bench/README.md": "figures"
}

/** @param {string} source */
const routeOf = (source) =>
  routes[source] ??
    source
      .replace(/^README\.md#/, "")
      .replace(/\.md$/, "")
      .replace(/\/README$/, "")
      .replace(/^packages\/\w+\/docs\//, "wrappers/")
      .replace(/^docs\//, "")
      .toLowerCase()

/** Short names for the navigation. @type {Record<string, string>} */
const labels = {
  "docs/tutorial.md": "Tutorial",
  "docs/how-to/several-registries.md": "Several registries",
  "docs/how-to/credentials.md": "Credentials",
  "docs/how-to/testing.md": "Tests",
  "docs/how-to/mirrors.md": "Mirrors",
  "docs/how-to/from-go.md": "From libraries for Go",
  "docs/comparison.md": "Comparison",
  "docs/cluster.md": "Run several nodes",
  "packages/middleware/README.md": "Overview",
  "packages/bench/README.md": "Figures",
  "docs/rules.md": "Rules of the spec",
  "README.md#Packages": "Overview",
  "README.md#Examples": "Overview"
}

/** Returns the comment of a module. @param {string} file */
const commentOf = (file) => {
  const [, comment = ""] = /^\/\*\*\n([\s\S]*?)\*\//.exec(readFileSync(file, "utf8")) ?? []
  return comment.replace(/^ \* ?/gm, "").replace(/\n@[\s\S]*/, "").trim().replace(/\{@link (\w+)\}/g, "`$1`")
}

/** Returns the first paragraph of the comment of a module. @param {string} comment */
const summaryOf = (comment) => comment.replace(/\n\n[\s\S]*/, "").replaceAll("\n", " ")

/** The parts of modules, which users import as the whole: `export * from "./OperationModel.js"`. */
const partsOf = (/** @type {ReadonlyArray<string>} */ files) =>
  new Set(
    files.filter((file) => !file.endsWith("index.ts")).flatMap((file) =>
      [...readFileSync(file, "utf8").matchAll(/^export \* from "\.\/(\w+)\.js"$/gm)].map(([, name]) => name)
    )
  )

/** @param {import("../../.ci/workspace.mjs").Workspace} workspace */
const modulesIn = (workspace) => {
  const files = sourcesOf(workspace, "src")
  const parts = partsOf(files)
  return files
    .map((file) => ({ file, name: relative(join(workspace.folder, "src"), file).replace(/\.ts$/, "") }))
    .filter(({ name }) => name !== "index" && name !== "bin" && !/[\\/]/.test(name) && !parts.has(name))
    .map(({ file, name }) => {
      const comment = commentOf(file)
      return { file, name, route: `api/${workspace.name}/${name}`, comment, summary: summaryOf(comment) }
    })
}

/** The modules that users import, of each public package. */
export const modules = publicPackages.map((workspace) => ({ workspace, modules: modulesIn(workspace) }))

/** @param {string} name */
const modulesOf = (name) => modules.find(({ workspace }) => workspace.name === name)?.modules ?? []

/** @param {string} heading @param {string} name */
const apiOf = (heading, name) => {
  const rows = modulesOf(name).map(({ name, route, summary }) => `- [\`${name}\`](/${route}): ${summary}`)
  return rows.length === 0 ? "" : `\n\n## ${heading}\n\n${rows.join("\n")}`
}

/** Returns the sources of an example. @param {string} folder */
const codeOf = (folder) => {
  const workspace = workspaces.find((each) => `examples/${each.name}` === folder)
  if (workspace === undefined) return ""
  const files = sourcesOf(workspace, "src").map((file) => ({
    name: relative(workspace.folder, file),
    text: readFileSync(file, "utf8").trimEnd()
  }))
  return ["\n\n## The code", ...files.map(({ name, text }) => `### ${name}\n\n\`\`\`ts\n${text}\n\`\`\``)].join("\n\n")
}

/** @param {string} source */
const textOf = (source) => {
  const [file = "", heading] = source.split("#")
  const text = read(file)
  if (heading !== undefined) {
    const section = Markdown.sectionOf(text, heading)
    if (section === undefined) fail(`docs/site/pages.mjs: ${file} has no section "${heading}"`)
    // How to try it belongs to how to install it.
    const more = heading === "Install" ? Markdown.sectionOf(text, "Try it")?.replace("# ", "\n\n## ") : ""
    return `${section ?? ""}${more ?? ""}`
  }
  const [, wrapper] = /^packages\/(?:middleware|recording|verify|explain)\/docs\/([A-Z]\w+)\.md$/.exec(file) ?? []
  if (wrapper !== undefined) {
    const api = `/api/${file.split("/")[1]}/${wrapper}`
    return `${text.trimEnd()}\n\n## API\n\n[\`${wrapper}\`](${api}) has the signatures and the types.\n`
  }
  // The title of a private workspace is its name.
  if (file === "packages/bench/README.md") return text.replace(/^# .*/, "# Figures")
  const [, name] = /^packages\/([^/]+)\/README\.md$/.exec(file) ?? []
  if (name !== undefined) return text.trimEnd() + apiOf("API", name)
  return text.trimEnd() + (file.startsWith("examples/") ? codeOf(dirname(file)) : "")
}

/** @param {string} source @returns {Page} */
const pageOf = (source) => {
  const text = textOf(source)
  const title = Markdown.titleOf(text)
  return { route: routeOf(source), source, label: labels[source] ?? title.replace(/^@effect-oci\//, ""), text }
}

/** @type {ReadonlyArray<{ chapter: string, pages: ReadonlyArray<Page> }>} */
export const navigation = Object.entries(chapters).map(([chapter, sources]) => ({
  chapter,
  pages: sources.map(pageOf)
}))

const readme = read("README.md")

/** The first page. @type {Page} */
const home = {
  route: "index",
  source: "README.md",
  label: "Home",
  // The hero says the first sentence.
  text: Markdown.introductionOf(readme).replace(/^.*\n\n/, "")
}

const apiIndex = {
  route: "api/index",
  source: "packages",
  label: "API",
  text: [
    "# API",
    "Each package is imported by its name, or module by module: `import * as Digest from \"@effect-oci/core/Digest\"`. " +
    "These pages are made from the comments in the code.",
    ...modules.filter((each) => each.modules.length > 0).map(({ workspace }) =>
      apiOf(workspace.manifest.name, workspace.name).trim()
    )
  ].join("\n\n")
}

const pages = [home, apiIndex, ...navigation.flatMap((each) => each.pages)]
const bySource = new Map(pages.map((page) => [page.source, page]))
const fragments = new Map(pages.map((page) => [page.route, Markdown.fragmentsOf(page.text)]))
const apiRoutes = new Set(modules.flatMap((each) => each.modules.map(({ route }) => route)))

/** @param {string} route */
const urlOf = (route) => `/${route.replace(/(^|\/)index$/, "$1")}`

/** @param {Page} page @param {string} target */
const siteLink = (page, target) => {
  const [path = "", fragment] = target.split("#")
  const route = path === "" ? page.route : path.slice(1).replace(/^$|\/$/, "$&index")
  if (!fragments.has(route) && !apiRoutes.has(route)) fail(`${page.source}: ${target} is not a page`)
  if (fragment !== undefined && fragments.get(route)?.has(fragment) === false) {
    fail(`${page.source}: ${target} is not a heading`)
  }
  return target
}

/** Returns the page that shows a heading of the root's README. @param {string} fragment */
const pageOfReadme = (fragment) =>
  pages.find(({ route, source }) => source.startsWith("README.md#") && fragments.get(route)?.has(fragment)) ?? home

/** Returns where a link of the repository leads on the site. @param {Page} page @param {string} target */
const linkOf = (page, target) => {
  if (/^[a-z]+:/.test(target)) return target
  const [path = "", fragment] = target.split("#")
  if (target.startsWith("/") || (path === "" && !page.source.startsWith("README.md"))) return siteLink(page, target)
  const folder = posix.dirname(page.source.split("#")[0] ?? "")
  const file = path === "" ? "README.md" : posix.normalize(posix.join(folder, path)).replace(/\/$/, "")
  if (!existsSync(join(root, file))) {
    fail(`${page.source}: ${target} does not exist`)
    return target
  }
  const found = file === "README.md" || file === "."
    ? fragment === undefined ? home : pageOfReadme(fragment)
    : bySource.get(file) ?? bySource.get(`${file}/README.md`)
  if (found !== undefined) {
    // The title of a section is the title of its page.
    const isTitle = fragment !== undefined && Markdown.slugOf(Markdown.titleOf(found.text)) === fragment
    return siteLink(page, urlOf(found.route) + (fragment === undefined || isTitle ? "" : `#${fragment}`))
  }
  const module = modules.flatMap((each) => each.modules).find((each) => relative(root, each.file) === file)
  if (module !== undefined) return siteLink(page, `/${module.route}`)
  const kind = statSync(join(root, file)).isDirectory() ? "tree" : "blob"
  return `${repository}/${kind}/main/${file}${fragment === undefined ? "" : `#${fragment}`}`
}

/** @param {Page} page */
const linked = (page) => Markdown.mapLinks(page.text, (target) => linkOf(page, target))

for (const folder of ["docs", "docs/how-to"]) {
  for (const file of pagesIn(folder)) if (!bySource.has(file)) fail(`${file}: docs/site/pages.mjs does not have it`)
}

const { description } = JSON.parse(read("package.json"))

/** What the first page begins with. */
const hero = {
  layout: "home",
  hero: {
    name: "effect-oci",
    text: description.split(",")[0],
    tagline: "In TypeScript on Effect. Clients, servers, mirrors and gateways from the same parts.",
    actions: [
      { theme: "brand", text: "Tutorial", link: "/tutorial" },
      { theme: "alt", text: "Why", link: "/why" },
      { theme: "alt", text: "Install", link: "/install" },
      { theme: "alt", text: "API", link: "/api/" }
    ]
  }
}

/** @param {Page} page @param {string} text */
const document = (page, text) => {
  const data = {
    ...page === home ? hero : {},
    ...page === apiIndex ? {} : { source: page.source.split("#")[0] }
  }
  // Marks for the check of the examples and comments are not for readers.
  const shown = text.replace(/^```(ts|sh) .+$/gm, "```$1").replace(/^<!--.*-->\n/gm, "")
  return `---\n${JSON.stringify(data)}\n---\n\n${shown.trimEnd()}\n`
}

const texts = pages.map((page) => ({ page, text: linked(page) }))

/** Writes the pages. @param {string} directory */
export const write = (directory) => {
  for (const { page, text } of texts) {
    const file = join(directory, `${page.route}.md`)
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, document(page, text))
  }
}
