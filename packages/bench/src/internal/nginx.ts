import * as NodePeers from "@effect-oci/testing/NodePeers"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { spawn } from "node:child_process"
import { accessSync } from "node:fs"
import { writeFile } from "node:fs/promises"
import { delimiter, join } from "node:path"

const config = (folder: string, root: string, port: number) => `
${process.getuid?.() === 0 ? "user root;" : ""}
worker_processes 2;
daemon off;
pid ${folder}/nginx.pid;
error_log /dev/null;
events {}
http {
  access_log off;
  sendfile on;
  tcp_nopush on;
  ${
  ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((name) => `${name}_temp_path ${folder}/${name};`).join(" ")
}
  server { listen 127.0.0.1:${port}; root ${root}; }
}
`

const folders = [...(process.env["PATH"] ?? "").split(delimiter), "/usr/sbin"]

const find = () =>
  folders.map((folder) => join(folder, "nginx")).find((path) => {
    try {
      accessSync(path)
      return true
    } catch {
      return false
    }
  })

/**
 * Serves a folder with `nginx` until the scope closes. Returns its `host:port`. If `nginx` is missing, prints a message
 * and returns `undefined`.
 */
export const nginx = (folder: string, root: string) =>
  Effect.gen(function*() {
    const program = find()
    if (program === undefined) {
      process.stderr.write("Left out, because this program is missing: nginx\n")
      return undefined
    }
    const port = yield* NodePeers.freePort
    const file = join(folder, "nginx.conf")
    yield* Effect.promise(() => writeFile(file, config(folder, root, port)))
    yield* Effect.acquireRelease(
      Effect.sync(() => spawn(program, ["-p", folder, "-c", file], { stdio: "ignore" })),
      (child) => Effect.sync(() => child.kill("SIGTERM"))
    )
    const authority = `127.0.0.1:${port}`
    yield* Effect.tryPromise(async () => (await fetch(`http://${authority}/`)).arrayBuffer()).pipe(
      Effect.retry(Schedule.spaced("25 millis")),
      Effect.timeout("10 seconds")
    )
    return authority
  })
