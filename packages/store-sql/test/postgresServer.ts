import { Effect } from "effect"
import { execFile, spawn } from "node:child_process"
import { chown, mkdtemp, readdir, readFile, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { promisify } from "node:util"
import { Pool } from "pg"

const run = promisify(execFile)

/** Where Debian installs PostgreSQL: a folder for each version. */
const installed = "/usr/lib/postgresql"

/** Returns the folder of the programs of PostgreSQL, or `undefined` if it is not installed. */
export const findPrograms = async (): Promise<string | undefined> => {
  const versions = await readdir(installed).catch(() => [])
  const newest = versions.map(Number).filter(Number.isFinite).sort((a, b) => b - a)[0]
  return newest === undefined ? undefined : join(installed, String(newest), "bin")
}

/** PostgreSQL does not run as root: then the user `postgres` runs it. */
const asUser = async (): Promise<{ readonly uid: number; readonly gid: number } | undefined> => {
  if (process.getuid?.() !== 0) return undefined
  const line = (await readFile("/etc/passwd", "utf8")).split("\n").find((text) => text.startsWith("postgres:"))
  const [, , uid, gid] = line?.split(":") ?? []
  return { uid: Number(uid), gid: Number(gid) }
}

const start = async (programs: string) => {
  const directory = await mkdtemp(join(tmpdir(), "effect-oci-pg-"))
  const user = await asUser()
  if (user !== undefined) await chown(directory, user.uid, user.gid)
  const data = join(directory, "data")
  await run(join(programs, "initdb"), ["-D", data, "-A", "trust", "-U", "postgres", "-E", "UTF8", "--no-sync"], {
    cwd: directory,
    ...user
  })
  const server = spawn(
    join(programs, "postgres"),
    ["-D", data, "-k", directory, "-c", "listen_addresses=", "-c", "fsync=off", "-c", "max_connections=60"],
    { cwd: directory, stdio: "ignore", ...user }
  )
  const pool = new Pool({ host: directory, user: "postgres", database: "postgres", max: 16 })
  // An idle connection fails when the server ends.
  pool.on("error", () => {})
  for (let attempts = 0; attempts < 200; attempts++) {
    const isReady = await pool.query("SELECT 1").then(() => true, () => false)
    if (isReady) break
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  return { directory, pool, server }
}

/** Starts a PostgreSQL of its own, on a socket in a temporary folder, and ends it with the scope. */
export const make = (programs: string) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.promise(() => start(programs)),
      ({ directory, pool, server }) =>
        Effect.promise(async () => {
          await pool.end()
          const ended = new Promise((resolve) => server.once("exit", resolve))
          server.kill("SIGINT")
          await ended
          await rm(directory, { recursive: true, force: true })
        })
    ),
    ({ pool }) => pool
  )
