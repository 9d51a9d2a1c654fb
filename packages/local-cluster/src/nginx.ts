/** nginx with the configuration of `examples/cluster`, on loopback, with its files in a directory of its own. */
import * as NodeChild from "@effect-oci/testing/NodeChild"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { accessSync, constants, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { delimiter, join } from "node:path"
import { CannotStart } from "./failures.js"

/** A node, as the load balancer sees it. */
export interface Upstream {
  readonly authority: string
  readonly isReady: boolean
}

/** Returns the path of nginx, or `undefined` if it is not installed. */
export const find = (): string | undefined =>
  [...(process.env["PATH"] ?? "").split(delimiter), "/usr/sbin"]
    .map((folder) => join(folder, "nginx"))
    .find((path) => {
      try {
        accessSync(path, constants.X_OK)
        return true
      } catch {
        return false
      }
    })

const template = new URL("../../../examples/cluster/deploy/nginx.conf", import.meta.url)

/** Directories that nginx creates, in place of those of the system. */
const directories = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]

/** The configuration of `examples/cluster` with another address, and with the nodes in a file that changes. */
const configuration = (directory: string, port: number) =>
  readFileSync(template, "utf8")
    .replace("worker_processes auto", "worker_processes 1")
    .replace("listen 5000;", `listen 127.0.0.1:${port};`)
    .replace(/( +server node\d:5000 [^\n]*\n)+/, "    include nodes.conf;\n")
    .replace("http {\n", (line) =>
      line + directories.map((name) => `  ${name}_temp_path ${join(directory, name)};\n`).join(""))

const nodesText = (upstreams: ReadonlyArray<Upstream>) => {
  // nginx does not start without a node: if no node is ready, the clients receive the answers of those that are not.
  const noneIsReady = upstreams.every(({ isReady }) => !isReady)
  return upstreams.map(({ authority, isReady }) =>
    `server ${authority} max_fails=1 fail_timeout=1s${isReady || noneIsReady ? "" : " down"};\n`
  ).join("")
}

const isReady = (authority: string) =>
  Effect.promise(async (signal) => {
    try {
      const { ok } = await fetch(`http://${authority}/readyz`, {
        headers: { connection: "close" },
        signal: AbortSignal.any([signal, AbortSignal.timeout(2000)])
      })
      return ok
    } catch {
      return false
    }
  })

/** How often the nodes are asked whether they are ready, in milliseconds. */
export const interval = 500

/**
 * Starts nginx before nodes. Asks each node whether it is ready, as a load balancer with health checks does: a node that
 * is not ready receives no more requests.
 */
export const start = (options: {
  readonly directory: string
  readonly port: number
  readonly nodes: ReadonlyArray<string>
}) =>
  Effect.gen(function*() {
    const { nodes, port } = options
    const program = find()
    if (program === undefined) {
      return yield* new CannotStart({ message: "nginx is not installed: apt-get install nginx-light" })
    }
    const directory = join(options.directory, "nginx")
    mkdirSync(directory, { recursive: true, mode: 0o755 })
    writeFileSync(join(directory, "nginx.conf"), configuration(directory, port))
    const look = Effect.map(
      Effect.forEach(nodes, isReady, { concurrency: "unbounded" }),
      (states) => nodesText(nodes.map((authority, index) => ({ authority, isReady: states[index] === true })))
    )
    const write = (text: string) => Effect.sync(() => writeFileSync(join(directory, "nodes.conf"), text))
    let written = yield* look
    yield* write(written)
    const globals = `daemon off; pid ${join(directory, "nginx.pid")}; error_log ${join(directory, "error.log")};`
    const child = yield* NodeChild.start(
      program,
      ["-p", directory, "-c", join(directory, "nginx.conf"), "-g", globals],
      {
        endSignal: "SIGQUIT",
        patience: 5000
      }
    )
    yield* Effect.tryPromise(() => fetch(`http://127.0.0.1:${port}/v2/`)).pipe(
      Effect.retry(Schedule.spaced(50)),
      Effect.timeoutFail({
        duration: "20 seconds",
        onTimeout: () => new CannotStart({ message: `nginx did not answer: ${child.output()}` })
      })
    )
    const update = Effect.gen(function*() {
      const text = yield* look
      if (text === written) return
      yield* write(text)
      child.signal("SIGHUP")
      written = text
    })
    yield* Effect.forkScoped(Effect.repeat(update, Schedule.spaced(interval)))
    return { child, authority: `127.0.0.1:${port}` }
  })
