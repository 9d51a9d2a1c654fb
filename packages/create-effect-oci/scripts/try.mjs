// Creates projects in an empty folder from the packed packages, as a user does: installs, checks types, runs the tests
// and starts each. `npm run templates [NAME…]`, by default all.
import { spawn, spawnSync } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, readdirSync, rmSync } from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { packInto } from "../../../.ci/pack.mjs"
import { root } from "../../../.ci/workspace.mjs"

const folder = mkdtempSync(join(tmpdir(), "templates-"))
process.once("exit", () => rmSync(folder, { recursive: true, force: true }))

const tarballs = join(folder, "tarballs")
await packInto(tarballs)
const packed = readdirSync(tarballs).map((file) => join(tarballs, file))
const names = process.argv.slice(2)
const all = readdirSync(join(root, "packages/create-effect-oci/templates"))
const create = join(root, "packages/create-effect-oci/dist/bin.js")

/** Ends the program if the command fails. @param {string} cwd @param {string} command @param {Array<string>} args */
const run = (cwd, command, ...args) => {
  const { status, stderr, stdout } = spawnSync(command, args, { cwd, encoding: "utf8", timeout: 300_000 })
  if (status === 0) return
  console.error(`${command} ${args.slice(0, 3).join(" ")} in ${cwd} failed (${status})\n${stdout}${stderr}`)
  process.exit(1)
}

/** The arguments of programs that do not serve here. A node of a cluster needs PostgreSQL and S3 for that. @type {Record<string, string>} */
const options = { cluster: "--check", copy: "--help" }
/** @type {Record<string, Record<string, string>>} */
const environments = {
  cluster: {
    REGISTRY_DATABASE_URL: "postgres://127.0.0.1/registry",
    REGISTRY_KEYS_DIRECTORY: "keys",
    REGISTRY_S3_BUCKET: "registry"
  },
  gateway: { UPSTREAM: "http://127.0.0.1:9", USERS: "/dev/null" },
  "private-registry": { USERS: "/dev/null" }
}

/** Returns a port that is free. */
const freePort = async () => {
  const server = createServer().listen(0, "127.0.0.1")
  await once(server, "listening")
  const address = server.address()
  server.close()
  return String(typeof address === "object" ? address?.port : address)
}

/** Starts the project, and ends it when it says that it works. @param {string} cwd @param {string} name @param {string} port */
const start = (cwd, name, port) =>
  new Promise((resolve, reject) => {
    const env = { ...process.env, PORT: port, REGISTRY_SERVER_PORT: port, ...environments[name] }
    const option = options[name]
    const args = ["start", "--silent", ...(option === undefined ? [] : ["--", option])]
    const child = spawn("npm", args, { cwd, env, detached: true, stdio: ["ignore", "pipe", "pipe"] })
    let written = ""
    /** @param {Error | undefined} error */
    const end = (error) => {
      clearTimeout(timer)
      if (child.exitCode === null && child.signalCode === null) process.kill(-(child.pid ?? 0), "SIGTERM")
      if (error === undefined) resolve(undefined)
      else reject(error)
    }
    const timer = setTimeout(() => end(new Error(`${name} does not start: ${written}`)), 120_000)
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (text) => {
        written += text
        if (/127\.0\.0\.1:\d+|serving|usage/i.test(written)) end(undefined)
      })
    }
    child.once("close", (code) => end(code === 0 ? undefined : new Error(`${name} ended (${code}): ${written}`)))
  })

for (const name of names.length > 0 ? names : all) {
  const began = performance.now()
  const project = join(folder, name)
  run(folder, process.execPath, create, name, "--template", name)
  run(project, "npm", "install", "--no-audit", "--no-fund", "--loglevel=error", "--prefer-offline", ...packed)
  run(project, "npm", "run", "check")
  run(project, "npm", "test")
  await start(project, name, await freePort())
  console.log(`ok     ${name.padEnd(18)} ${((performance.now() - began) / 1000).toFixed(1).padStart(6)} s`)
}
