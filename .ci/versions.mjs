// Makes the next version from the changesets: in all packages, with changelogs, in the places that name the version, and
// in the lock file.
import { spawnSync } from "node:child_process"
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { publicPackages, root } from "./workspace.mjs"

/** The places of the version outside of `package.json`. @type {Array<[file: string, pattern: RegExp]>} */
const places = [
  ["packages/transport/src/UserAgent.ts", /(?<=effect-oci\/)\d+\.\d+\.\d+/g],
  ["packages/client/README.md", /(?<=effect-oci\/)\d+\.\d+\.\d+/g],
  ["examples/copy/src/main.ts", /(?<=Console\.log\(")\d+\.\d+\.\d+/g],
  ["examples/copy/test/clone.test.ts", /(?<=stdout: ")\d+\.\d+\.\d+/g],
  ["examples/registry/deploy/chart/Chart.yaml", /(?<=ersion: )\d+\.\d+\.\d+/g],
  ["examples/registry/deploy/chart/values.yaml", /(?<=tag: )\d+\.\d+\.\d+/g]
]

/** The pages that say `Version 0.1`. */
const pages = [
  ...publicPackages.map(({ folder }) => join(folder, "README.md")),
  ...["README.md", "docs/limits.md", "docs/comparison.md"].map((file) => join(root, file))
]

/** @param {string} file @param {RegExp} pattern @param {string} text */
const replace = (file, pattern, text) => writeFileSync(file, readFileSync(file, "utf8").replaceAll(pattern, text))

/** Returns the version of the packages. They have one, because changesets keeps their versions equal. */
const currentVersion = () => JSON.parse(readFileSync(join(root, "packages/core/package.json"), "utf8")).version

/** Returns the places that name another version. */
export const wrongPlaces = () =>
  places.flatMap(([file, pattern]) => {
    const found = readFileSync(join(root, file), "utf8").match(pattern) ?? ["no version"]
    return found.filter((version) => version !== currentVersion()).map((version) =>
      `${file}: names ${version}, and the packages have ${currentVersion()}; \`npm run versions\` writes both`
    )
  })

/** Ends the program if the command fails. @param {string} command @param {Array<string>} args */
const run = (command, ...args) => {
  const { status } = spawnSync(command, args, { cwd: root, shell: process.platform === "win32", stdio: "inherit" })
  if (status !== 0) process.exit(status ?? 1)
}

if (process.argv[1] === import.meta.filename) {
  run("npx", "--no-install", "changeset", "version")
  const version = currentVersion()
  for (const [file, pattern] of places) replace(join(root, file), pattern, version)
  const [minor = ""] = /^\d+\.\d+/.exec(version) ?? []
  for (const page of pages) replace(page, /(?<=\b[Vv]ersion\s(is )?)0\.\d+\b(?!\.\d)/g, minor)
  run("npx", "--no-install", "dprint", "fmt")
  run("npm", "install", "--package-lock-only", "--ignore-scripts")
}
