/**
 * Serves the worker on this machine, in the runtime of Cloudflare. The content is in `data-edge`.
 *
 *     node dist/main.js
 *
 * Settings in the environment: PORT, DATA, and the bindings USERS, ADMINS, PUBLIC and UPLOAD_KEY of the worker.
 */
import { build } from "esbuild"
import { Miniflare } from "miniflare"
import { createHash, randomBytes } from "node:crypto"
import { resolve } from "node:path"
import { fileURLToPath } from "node:url"

const { env } = process

/** Bundles the worker as `wrangler` does. */
const bundle = async (): Promise<string> => {
  const { outputFiles: [file] } = await build({
    bundle: true,
    conditions: ["workerd", "worker", "browser"],
    entryPoints: [fileURLToPath(new URL("worker.js", import.meta.url))],
    external: ["node:*", "cloudflare:*"],
    format: "esm",
    mainFields: ["browser", "module", "main"],
    platform: "browser",
    target: "es2022",
    write: false
  })
  return file!.text
}

/** Creates a user for this run if the environment names none. */
const usersOf = (): string => {
  if (env["USERS"] !== undefined) return env["USERS"]
  const password = randomBytes(24).toString("base64url")
  console.log(`user admin, password ${password}`)
  return `admin:sha256:${createHash("sha256").update(password).digest("hex")}`
}

const data = resolve(env["DATA"] ?? "data-edge")

const runtime = new Miniflare({
  compatibilityDate: "2026-04-01",
  compatibilityFlags: ["nodejs_compat"],
  host: "127.0.0.1",
  port: Number(env["PORT"] ?? 5000),
  modules: true,
  script: await bundle(),
  d1Databases: { DB: "registry" },
  r2Buckets: { BUCKET: "registry" },
  d1Persist: `${data}/d1`,
  r2Persist: `${data}/r2`,
  bindings: {
    USERS: usersOf(),
    ADMINS: env["ADMINS"] ?? "admin",
    PUBLIC: env["PUBLIC"] ?? "library",
    UPLOAD_KEY: env["UPLOAD_KEY"] ?? randomBytes(24).toString("base64url")
  }
})

const { host } = await runtime.ready
console.log(`serving ${host} from ${data}, until Ctrl-C`)

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, () => void runtime.dispose().then(() => process.exit(0)))
}
