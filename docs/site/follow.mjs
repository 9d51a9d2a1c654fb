// Follows a page to the letter, as a reader does: in an empty folder, from the tarballs of `npm run pack`.
// `npm run follow [-- PAGE…]`, by default the tutorial.
//
// - A block of code that begins with the comment of a file name is written to that file.
// - A `sh` block runs. `sh NAME PORT` starts a program that serves on a port, in place of the last program of that name.
//   `sh setup` does not run: the tarballs are there already.
// - A `text` block after a `sh` block is its output, with `…` for any text.
// - At the end, the project compiles without `skipLibCheck` too, with what the README names for that.
import { spawn, spawnSync } from "node:child_process"
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { connect } from "node:net"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { packInto } from "../../.ci/pack.mjs"
import { root } from "../../.ci/workspace.mjs"

/** @typedef {{ line: number, info: string, text: string }} Block */

/** @param {string} page @returns {Array<Block>} */
const blocksOf = (page) => {
  /** @type {Array<Block>} */
  const blocks = []
  /** @type {Block | undefined} */
  let open
  for (const [index, line] of readFileSync(page, "utf8").split("\n").entries()) {
    if (open === undefined) {
      if (line.startsWith("```")) open = { line: index + 1, info: line.slice(3), text: "" }
    } else if (line === "```") {
      blocks.push(open)
      open = undefined
    } else open.text += `${line}\n`
  }
  return blocks
}

/** @type {Map<string, import("node:child_process").ChildProcess>} */
const servers = new Map()

/** @param {string} name */
const stop = async (name) => {
  const child = servers.get(name)
  if (child?.pid === undefined || child.exitCode !== null) return
  const closed = new Promise((resolve) => child.once("close", resolve))
  process.kill(-child.pid, "SIGINT")
  await closed
}

/** Waits until a program listens. @param {number} port @param {import("node:child_process").ChildProcess} child */
const listens = async (port, child) => {
  for (let tries = 0; tries < 300 && child.exitCode === null; tries++) {
    const isOpen = await new Promise((resolve) => {
      const socket = connect(port, "127.0.0.1", () => resolve(true)).once("error", () => resolve(false))
      socket.once("connect", () => socket.end())
    })
    if (isOpen) return true
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  return false
}

/** @param {string} output @param {string} expected */
const matches = (output, expected) => {
  const pattern = expected.trim().split("…").map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")).join(
    "[\\s\\S]*"
  )
  return new RegExp(`^${pattern}$`).test(output.trim())
}

/** @param {string} page @param {string} folder */
const follow = async (page, folder) => {
  let cwd = folder
  /** Variables that a block exports stay. @type {NodeJS.ProcessEnv} */
  let env = { ...process.env, CI: "true", NODE_OPTIONS: "--test-reporter=spec" } // as `node --test` writes in a terminal
  let output = ""
  /** @param {Block} block @param {string} problem */
  const fail = (block, problem) => {
    throw new Error(`${page}:${block.line}: ${problem}\n${output}`)
  }

  for (const block of blocksOf(page)) {
    const [language, name, port] = block.info.split(" ")
    const [, file] = /^\/\/ ([\w./-]+)\n/.exec(block.text) ?? []
    if (language === "sh" && name === "setup") continue
    if (language === "sh" && name !== undefined) {
      await stop(name)
      const commands = block.text.trim().split("\n")
      const last = commands.pop() ?? ""
      for (const command of commands) {
        const { status, stderr, stdout } = spawnSync(command, { cwd, env, shell: "bash", encoding: "utf8" })
        output = stdout + stderr
        if (status !== 0) fail(block, `"${command}" fails`)
      }
      const child = spawn(last, { cwd, env, shell: "bash", detached: true, stdio: ["ignore", "ignore", "inherit"] })
      servers.set(name, child)
      if (!await listens(Number(port), child)) fail(block, `"${last}" does not listen on port ${port}`)
    } else if (language === "sh") {
      const script = `exec 2>&1\nset -e\n${block.text}\necho ---state\nprintf '%s\\0' "$PWD"\nenv -0`
      const { status, stdout } = spawnSync(script, { cwd, env, shell: "bash", encoding: "utf8" })
      const [written = "", state = ""] = stdout.split("---state\n")
      output = written
      if (status !== 0) fail(block, "a command fails")
      const [directory = "", ...variables] = state.split("\0")
      cwd = directory
      env = Object.fromEntries(
        variables.filter((each) => each.includes("=")).map((each) => {
          const at = each.indexOf("=")
          return [each.slice(0, at), each.slice(at + 1)]
        })
      )
    } else if (language === "text") {
      if (!matches(output, block.text)) fail(block, `the output is different:\n${block.text}\n--- in place of`)
    } else if (file !== undefined) {
      mkdirSync(join(cwd, dirname(file)), { recursive: true })
      writeFileSync(join(cwd, file), block.text)
    }
  }
  for (const command of ["npm i -D @types/ws@8", "npx tsc --noEmit --skipLibCheck false"]) {
    const { status, stderr, stdout } = spawnSync(command, { cwd, env, shell: "bash", encoding: "utf8" })
    if (status !== 0) throw new Error(`${page}: "${command}" fails at the end\n${stdout}${stderr}`)
  }
}

const folder = mkdtempSync(join(tmpdir(), "follow-"))
process.once("exit", () => rmSync(folder, { recursive: true, force: true }))
mkdirSync(join(folder, "effect-oci"))
await packInto(join(folder, "effect-oci/tarballs"))

const pages = process.argv.length > 2 ? process.argv.slice(2) : ["docs/tutorial.md"]
for (const page of pages) {
  const began = performance.now()
  const own = mkdtempSync(join(folder, "page-"))
  symlinkSync(join(folder, "effect-oci"), join(own, "effect-oci"))
  try {
    await follow(join(root, page), own)
    console.log(`ok     ${page} ${((performance.now() - began) / 1000).toFixed(1)} s`)
  } catch (error) {
    console.error(`FAILED ${/** @type {Error} */ (error).message}`)
    process.exitCode = 1
  } finally {
    for (const name of servers.keys()) await stop(name)
  }
}
