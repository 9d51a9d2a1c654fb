// Builds the documentation site into `docs/site/dist`. `npm run site -- --preview` also serves it, on this machine only.
import { spawnSync } from "node:child_process"
import { copyFileSync, existsSync, readFileSync, rmSync } from "node:fs"
import { join } from "node:path"
import { root } from "../../.ci/workspace.mjs"
import * as Api from "./api.mjs"
import { modules, write } from "./pages.mjs"

const site = join(root, "docs/site")
const isWindows = process.platform === "win32"

/** @param {string} command @param {Array<string>} args */
const run = (command, ...args) => {
  const { status } = spawnSync(command, args, { cwd: site, shell: isWindows, stdio: "inherit" })
  if (status !== 0) process.exit(status ?? 1)
}

/** @param {string} file */
const textOf = (file) => existsSync(join(site, file)) ? readFileSync(join(site, file), "utf8") : ""

// The site's tools have a lock of their own, so that tests and checks do not install them.
if (textOf("node_modules/.installed") !== textOf("package-lock.json")) {
  run("npm", "ci", "--loglevel=error")
  copyFileSync(join(site, "package-lock.json"), join(site, "node_modules/.installed"))
}

const bin = join(site, "node_modules/.bin")
const pages = join(site, "pages")
const entries = modules.flatMap((each) => each.modules.map(({ file }) => file))
rmSync(pages, { recursive: true, force: true })
run(join(bin, "typedoc"), ...entries)
Api.write(join(pages, "api"))
write(pages)
run(join(bin, "vitepress"), "build")
if (process.argv.includes("--preview")) run(join(bin, "vitepress"), "preview")
